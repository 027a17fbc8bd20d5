package makesim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makesim"
)

const (
	orders      = "/wh/" + makesim.HookUDID
	guarded     = "/wh/d4ezzfwgyav7qaukv8dbh3l21eru0fld"
	guardedHook = "/api/v2/hooks/12"
)

// call sends a JSON document to a hook.
func (s *sim) call(path, body string) answer {
	s.t.Helper()
	return s.send("POST", path, "", body)
}

func TestHookLife(t *testing.T) {
	s := start(t)
	a := s.send("POST", "/api/v2/hooks?useDefaults=requiredOnly", root,
		`{"name":"Leads","teamId":7,"typeName":"gateway-webhook","method":true,"headers":false,"stringify":false}`)
	udid := text(a, "hook", "udid")
	want := map[string]any{"hook": map[string]any{
		"id": 1001.0, "name": "Leads", "teamId": 7.0, "udid": udid, "type": "web", "packageName": nil, "theme": "#c73a63",
		"editable": true, "queueCount": 0.0, "queueLimit": 10000.0, "enabled": true, "gone": false, "typeName": "gateway-webhook",
		"data":       map[string]any{"headers": false, "method": true, "stringify": false, "ip": nil, "udt": nil, "teamId": 7.0},
		"scenarioId": nil, "url": s.URL + "/wh/" + udid,
	}}
	if diff := cmp.Diff(want, a.json); diff != "" || len(udid) != 32 {
		t.Errorf("created: %s %s", udid, diff)
	}
	const path = "/api/v2/hooks/1001"
	if diff := cmp.Diff(want, s.get(path, root).json); diff != "" {
		t.Errorf("get: %s", diff)
	}
	if diff := cmp.Diff([]any{"Guarded", "Leads", "New orders"}, column(s.get("/api/v2/hooks?teamId=7", root), "hooks", "name")); diff != "" {
		t.Errorf("list: %s", diff)
	}
	if a := s.send("PATCH", path, root, `{"name":"Prospects"}`); text(a, "hook", "name") != "Prospects" {
		t.Errorf("rename: %s", a.text)
	}
	for body, changed := range map[string]string{`{"method":true}`: "false", `{"ip":"10.0.0.1"}`: "true"} {
		if a := s.send("POST", path+"/set-data", root, body); a.text != `{"changed":`+changed+`}` {
			t.Errorf("set-data %s: %s", body, a.text)
		}
	}
	if a := s.get(path, root); text(a, "hook", "data", "ip") != "10.0.0.1" || at(a, "hook", "data", "method") != true {
		t.Errorf("data: %s", a.text)
	}
	if a := s.send("DELETE", path+"?confirmed=true", root, ""); a.text != `{"hook":1001}` {
		t.Errorf("delete: %s", a.text)
	}
	if a := s.get(path, root); a.status != 404 {
		t.Errorf("deleted: %d", a.status)
	}
	if a := s.call("/wh/"+udid, `{}`); a.status != 404 {
		t.Errorf("call what was deleted: %d", a.status)
	}
}

func TestHookRunsItsScenario(t *testing.T) {
	s := start(t)
	path := s.scenario(hooked("Orders", makesim.HookID, ""), `{"type":"immediately"}`, "")
	if a := s.get("/api/v2/hooks/11", root); at(a, "hook", "scenarioId") != 1001.0 {
		t.Errorf("attached: %s", a.text)
	}
	if a := s.get(path+"/triggers", root); at(a, "id") != 11.0 || text(a, "scope") != "hook" || text(a, "udid") != makesim.HookUDID {
		t.Errorf("trigger: %s", a.text)
	}
	for query, want := range map[string][]any{
		"assigned=true": {"New orders"}, "assigned=false": {"Guarded"},
		"viewForScenarioId=1001": {"Guarded", "New orders"}, "viewForScenarioId=501": {"Guarded"}, "typeName=gateway-mailhook": {},
	} {
		if diff := cmp.Diff(want, column(s.get("/api/v2/hooks?teamId=7&"+query, root), "hooks", "name")); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	for range 2 { // not active yet
		if a := s.call(orders, `{"order":4}`); a.status != 200 || a.text != "Accepted" {
			t.Errorf("queued: %d %s", a.status, a.text)
		}
	}
	if a := s.get("/api/v2/hooks/11/incomings/stats", root); a.text != `{"incomingStat":{"enabled":true,"limit":10000,"queue":2}}` {
		t.Errorf("stats: %s", a.text)
	}
	s.send("POST", path+"/start", root, "")
	if a := s.call(orders, `{"order":5}`); a.status != 200 {
		t.Errorf("active: %d %s", a.status, a.text)
	}
	logs := s.get(path+"/logs", root)
	if diff := cmp.Diff([]any{true, true, true}, column(logs, "scenarioLogs", "instant")); diff != "" {
		t.Errorf("the queue and the call after it: %s", diff)
	}
	if a := s.get("/api/v2/hooks/11", root); at(a, "hook", "queueCount") != 0.0 {
		t.Errorf("queue: %s", a.text)
	}
	s.refuses(map[string]refusal{
		"used by another": {"POST", "/scenarios", root, scenarioBody(t, hooked("Two", 11, ""), `{"type":"immediately"}`, ""), 422, "IM016", "used by another"},
		"unconfirmed":     {"DELETE", "/hooks/11", root, "", 406, "IM004", `"type":"hook"`},
	})
	s.send("DELETE", path, root, "")
	if a := s.get("/api/v2/hooks/11/ping", root); at(a, "attached") != false {
		t.Errorf("ping after the scenario is gone: %s", a.text)
	}
}

func TestScheduledScenarioEmptiesTheQueue(t *testing.T) {
	s := start(t)
	path := s.scenario(hooked("Orders", makesim.HookID, ""), `{"type":"indefinitely","interval":600}`, "")
	s.send("POST", path+"/start", root, "")
	s.call(orders, `{"order":4}`)
	s.call(orders, `{"order":5}`)
	if a := s.get(path+"/logs", root); len(column(a, "scenarioLogs", "id")) != 0 {
		t.Errorf("ran at once: %s", a.text)
	}
	s.Advance(10 * time.Minute)
	if a := s.get(path+"/logs", root); len(column(a, "scenarioLogs", "id")) != 2 {
		t.Errorf("did not run on time: %s", a.text)
	}
}

func TestHookAnswersForTheScenario(t *testing.T) {
	s := start(t)
	path := s.scenario(hooked("Shop", makesim.HookID, `,{"id":2,"module":"gateway:WebhookRespond","mapper":{"status":"201","body":"{{var.input.order}}"}}`), `{"type":"immediately"}`, "")
	s.send("POST", path+"/start", root, "")
	if a := s.call(orders, `{"order":"A-1"}`); a.status != 201 || a.text != "A-1" {
		t.Errorf("got %d %q", a.status, a.text)
	}
}

func TestQueue(t *testing.T) {
	s := start(t)
	s.send("POST", guardedHook+"/set-data", root, `{"apiKeys":[],"headers":true,"method":true}`)
	s.call(guarded+"?source=web", `{"order":1}`)
	s.Advance(time.Second)
	s.form(guarded, map[string][]string{"order": {"2"}})
	if a := s.call(guarded, `{}`); a.status != 400 || a.text != "Queue is full" {
		t.Errorf("third of two: %d %s", a.status, a.text)
	}
	list := s.get(guardedHook+"/incomings", root)
	ids := column(list, "incomings", "id")
	if len(ids) != 2 || at(list, "pg", "limit") != 10000.0 || strings.Contains(list.text, "data") {
		t.Fatalf("list: %s", list.text)
	}
	item := fmt.Sprintf("%s/incomings/%v", guardedHook, ids[0])
	a := s.get(item, root)
	if at(a, "incoming", "data", "order") != 1.0 || text(a, "incoming", "data", "source") != "web" || text(a, "incoming", "data", "__IMTMETHOD__") != "POST" ||
		text(a, "incoming", "data", "__IMTHEADERS__", "content-type") != "application/json" || text(a, "incoming", "scope") != "hook" {
		t.Errorf("item: %s", a.text)
	}
	s.refuses(map[string]refusal{
		"unconfirmed": {"DELETE", "/hooks/12/incomings", root, `{"all":true}`, 406, "IM004", ""},
		"nothing":     {"DELETE", "/hooks/12/incomings", root, `{}`, 400, "SC400", ""},
		"unknown":     {"GET", "/hooks/12/incomings/nope", root, "", 404, "SC404", ""},
	})
	if a := s.send("DELETE", guardedHook+"/incomings", root, fmt.Sprintf(`{"ids":[%q]}`, ids[0])); a.text != fmt.Sprintf(`{"incomings":[%q]}`, ids[0]) {
		t.Errorf("delete one: %s", a.text)
	}
	if a := s.send("DELETE", guardedHook+"/incomings?confirmed=true", root, `{"all":true,"exceptIds":["nope"]}`); len(a.json["incomings"].([]any)) != 1 {
		t.Errorf("delete the rest: %s", a.text)
	}
	if a := s.call(guarded, `{}`); a.status != 200 {
		t.Errorf("room again: %d", a.status)
	}
}

func TestHookRate(t *testing.T) {
	s := start(t)
	s.send("POST", guardedHook+"/disable", root, "") // what is refused counts too
	for n := range 300 {
		if a := s.call(guarded, `{}`); a.status != 410 {
			t.Fatalf("request %d: %d", n, a.status)
		}
	}
	if a := s.call(guarded, `{}`); a.status != 429 || a.text != "Too many requests" {
		t.Errorf("request 301: %d %s", a.status, a.text)
	}
	if a := s.call(orders, `{}`); a.status != 200 {
		t.Errorf("another hook: %d", a.status)
	}
	s.Advance(10 * time.Second)
	if a := s.call(guarded, `{}`); a.status != 410 {
		t.Errorf("ten seconds later: %d", a.status)
	}
}

func TestHookKeys(t *testing.T) {
	s := start(t)
	call := func(key string) int {
		r := s.newRequest("POST", guarded, `{}`)
		if key != "" {
			r.Header.Set("X-Make-Apikey", key)
		}
		return s.do(r).status
	}
	for key, status := range map[string]int{"": 401, "wrong": 401, "a-key-for-tests": 200} {
		if got := call(key); got != status {
			t.Errorf("key %q: %d", key, got)
		}
	}
	s.knobs(func(k *makesim.Knobs) { k.WebhookKeyStatus = 403 })
	if got := call("wrong"); got != 403 {
		t.Errorf("with the knob: %d", got)
	}
	s.send("POST", guardedHook+"/set-data", root, `{"apiKeys":["one","two"]}`)
	for key, status := range map[string]int{"a-key-for-tests": 403, "one": 200, "two": 400} { // the queue holds two
		if got := call(key); got != status && status != 400 {
			t.Errorf("new keys, %q: %d", key, got)
		}
	}
	for _, path := range []string{guardedHook, guardedHook + "/logs", "/api/v2/hooks?teamId=7"} {
		if a := s.get(path, root); strings.Contains(a.text, "a-key-for-tests") || strings.Contains(a.text, `"one"`) {
			t.Errorf("%s shows a key: %s", path, a.text)
		}
	}
	for _, key := range []string{"ü", strings.Repeat("a", 513), ""} {
		if a := s.send("POST", guardedHook+"/set-data", root, `{"apiKeys":["`+key+`"]}`); a.status != 400 {
			t.Errorf("key of %d bytes: %d", len(key), a.status)
		}
	}
	if err := s.SetKnobs(makesim.Knobs{}); err == nil {
		t.Error("zero knobs were taken")
	}
}

func TestHookAddresses(t *testing.T) {
	s := start(t)
	for ip, status := range map[string]int{"10.0.0.1": 403, "10.0.0.1, 127.0.0.1": 200, "127.0.0.0/8": 200, "nonsense": 403, "": 200} {
		s.send("POST", "/api/v2/hooks/11/set-data", root, `{"ip":"`+ip+`"}`)
		if a := s.call(orders, `{}`); a.status != status {
			t.Errorf("%q: %d", ip, a.status)
		}
	}
}

func TestHookLearnsAndPings(t *testing.T) {
	s := start(t)
	ping := func() answer { return s.get("/api/v2/hooks/11/ping", root) }
	if a := ping(); a.text != `{"address":"`+s.URL+orders+`","attached":false,"dataStructure":null,"gone":false,"learning":true}` {
		t.Errorf("new: %s", a.text)
	}
	s.call(orders, `{"order":1,"paid":true,"lines":[],"to":{},"note":"x"}`)
	want := []any{
		map[string]any{"name": "lines", "type": "array"}, map[string]any{"name": "note", "type": "text"},
		map[string]any{"name": "order", "type": "number"}, map[string]any{"name": "paid", "type": "boolean"},
		map[string]any{"name": "to", "type": "collection"},
	}
	if diff := cmp.Diff(want, at(ping(), "dataStructure")); diff != "" {
		t.Error(diff)
	}
	for action, learning := range map[string]bool{"learn-start": true, "learn-stop": false} {
		if a := s.send("POST", "/api/v2/hooks/11/"+action, root, ""); a.text != `{"success":true}` || at(ping(), "learning") != learning {
			t.Errorf("%s: %s", action, a.text)
		}
	}
}

func TestUnusedHookIsGone(t *testing.T) {
	s := start(t)
	s.Advance(120 * time.Hour)
	if a := s.call(orders, `{}`); a.status != 200 {
		t.Errorf("after 120 hours: %d", a.status)
	}
	s.Advance(time.Second)
	if a := s.call(orders, `{}`); a.status != 410 || a.text != "Gone" {
		t.Errorf("a second later: %d %s", a.status, a.text)
	}
	if a := s.get("/api/v2/hooks/11", root); at(a, "hook", "gone") != true {
		t.Errorf("gone: %s", a.text)
	}
	s.send("POST", "/api/v2/hooks/11/enable", root, "")
	if a := s.call(orders, `{}`); a.status != 200 {
		t.Errorf("enabled again: %d", a.status)
	}
}

func TestHookLogs(t *testing.T) {
	s := start(t)
	s.call(orders+"?a=1", `{"order":1}`)
	s.Advance(time.Minute)
	s.send("POST", "/api/v2/hooks/11/disable", root, "")
	s.form(orders, map[string][]string{"order": {"2"}})
	list := s.get("/api/v2/hooks/11/logs", root)
	ids := column(list, "hookLogs", "id")
	if diff := cmp.Diff([]any{3.0, 1.0}, column(list, "hookLogs", "statusId")); diff != "" || at(list, "pg", "limit") != 25.0 || len(ids) != 2 {
		t.Fatalf("list: %s", list.text)
	}
	a := s.get(fmt.Sprintf("/api/v2/hooks/11/logs/%v", ids[1]), root)
	if at(a, "hookLog", "data", "request", "body", "order") != 1.0 || text(a, "hookLog", "data", "request", "query", "a") != "1" || text(a, "hookLog", "data", "response", "body") != "Accepted" {
		t.Errorf("entry: %s", a.text)
	}
	if a := s.get(fmt.Sprintf("/api/v2/hooks/11/logs?to=%d", noon.UnixMilli()), root); len(column(a, "hookLogs", "id")) != 1 {
		t.Errorf("until noon: %s", a.text)
	}
	s.Advance(31 * 24 * time.Hour)
	if a := s.get("/api/v2/hooks/11/logs", root); len(column(a, "hookLogs", "id")) != 0 {
		t.Errorf("a month later: %s", a.text)
	}
}

func TestGatewayByHost(t *testing.T) {
	seed := makesim.DefaultSeed()
	seed.Organizations[0].Zone = "eu1.make.com"
	s := startWith(t, makesim.Options{Seed: seed})
	address := text(s.get("/api/v2/hooks/11", root), "hook", "url")
	if address != "https://hook.eu1.make.com/"+makesim.HookUDID {
		t.Errorf("address: %s", address)
	}
	r := s.newRequest("POST", "/"+makesim.HookUDID, `{}`)
	r.Host = "hook.eu1.make.com"
	if a := s.do(r); a.status != 200 || a.text != "Accepted" {
		t.Errorf("by host: %d %s", a.status, a.text)
	}
	if a := s.call("/"+makesim.HookUDID, `{}`); a.status != 404 {
		t.Errorf("the same path at the zone: %d", a.status)
	}
}

func TestHookRefusals(t *testing.T) {
	s := start(t)
	watcher := s.as(monitor, "hooks:read hooks:write devices:read")
	s.refuses(map[string]refusal{
		"missing scope":    {"GET", "/hooks?teamId=7", reader, "", 403, "SC403", ""},
		"missing role":     {"GET", "/hooks?teamId=7", watcher, "", 403, "IM002", ""},
		"missing to edit":  {"POST", "/hooks/11/disable", watcher, "", 403, "IM002", ""},
		"other company's":  {"GET", "/hooks/13", root, "", 404, "SC404", ""},
		"other's queue":    {"GET", "/hooks/13/incomings", root, "", 404, "SC404", ""},
		"unknown":          {"POST", "/hooks/999/set-data", root, `{}`, 404, "SC404", ""},
		"other's team":     {"POST", "/hooks", root, `{"name":"a","teamId":70,"typeName":"gateway-webhook"}`, 403, "IM002", ""},
		"nothing":          {"POST", "/hooks", root, `{}`, 400, "SC400", "3 parameter(s)"},
		"long name":        {"PATCH", "/hooks/11", root, `{"name":"` + strings.Repeat("a", 129) + `"}`, 400, "SC400", "at most 128"},
		"assigned perhaps": {"GET", "/hooks?teamId=7&assigned=perhaps", root, "", 400, "SC400", "'assigned'"},
		"devices, scope":   {"GET", "/devices?teamId=7", reader, "", 403, "SC403", ""},
		"devices, role":    {"GET", "/devices?teamId=7", watcher, "", 403, "IM002", ""},
		"other's devices":  {"GET", "/devices?teamId=70", root, "", 403, "IM002", ""},
		"other's device":   {"GET", "/devices/22", root, "", 404, "SC404", ""},
	})
}

func TestDevices(t *testing.T) {
	s := start(t)
	a := s.get("/api/v2/devices?teamId=7", root)
	devices, _ := a.json["devices"].([]any)
	if len(devices) != 1 {
		t.Fatalf("devices: %s", a.text)
	}
	device := devices[0].(map[string]any)
	want := map[string]any{
		"id": 21.0, "name": "Phone", "teamId": 7.0, "udid": device["udid"], "scope": []any{"call", "scanner"},
		"info": map[string]any{"os": "Android", "brand": "Example", "model": "One", "osversion": "15", "appversion": "2.1"},
		"gone": false, "queueCount": 0.0, "queueLimit": 10000.0, "scenarioId": []any{503.0},
	}
	if diff := cmp.Diff(want, device); diff != "" {
		t.Error(diff)
	}
}
