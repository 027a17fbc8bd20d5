package makesim_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makesim"
)

const incomplete = "/api/v2/dlqs/" + makesim.IncompleteID

func TestIncompleteExecution(t *testing.T) {
	s := start(t)
	a := s.get("/api/v2/dlqs?scenarioId=503", root)
	rows, _ := a.json["dlqs"].([]any)
	size := rows[0].(map[string]any)["size"]
	want := map[string]any{"dlqs": []any{map[string]any{
		"id": makesim.IncompleteID, "reason": "IP address is not valid.", "created": "2026-03-01T12:00:00.000Z",
		"size": size, "resolved": false, "retry": false, "attempts": 0.0,
	}}}
	if diff := cmp.Diff(want, a.json); diff != "" {
		t.Errorf("list: %s", diff)
	}
	a = s.get(incomplete, root)
	execution := at(a, "dlq", "executionId")
	want = map[string]any{"dlq": map[string]any{
		"id": makesim.IncompleteID, "scenarioId": 503.0, "scenarioName": "Sync contacts", "companyId": 7.0, "companyName": "Sales",
		"resolved": false, "deleted": false, "index": 1001.0, "created": "2026-03-01T12:00:00.000Z", "executionId": execution,
		"retry": false, "attempts": 0.0, "size": size,
	}}
	if diff := cmp.Diff(want, a.json); diff != "" {
		t.Errorf("detail: %s", diff)
	}
	if a := s.get(incomplete+"/bundle", root); text(a, "response", "2", "error", "message") != "IP address is not valid." || a.json["code"] != "OK" {
		t.Errorf("bundle: %s", a.text)
	}
	if a := s.get(incomplete+"/blueprint", root); text(a, "response", "blueprint", "name") != "Sync contacts" || text(a, "response", "reason") == "" {
		t.Errorf("blueprint: %s", a.text)
	}
	if a := s.send("POST", incomplete+"/retry", root, ""); a.text != `{"dlq":"`+makesim.IncompleteID+`"}` {
		t.Errorf("retry: %s", a.text)
	}
	if a := s.get(incomplete, root); at(a, "dlq", "resolved") != true || at(a, "dlq", "attempts") != 1.0 {
		t.Errorf("after the retry: %s", a.text)
	}
	if a := s.get("/api/v2/scenarios/503", root); at(a, "scenario", "dlqCount") != 0.0 {
		t.Errorf("dlqCount: %s", a.text)
	}
	logs := s.get(incomplete+"/logs", root)
	ids := column(logs, "dlqLogs", "id")
	if len(ids) != 1 || !strings.Contains(logs.text, "_dlq."+makesim.IncompleteID+".manual.") {
		t.Fatalf("logs: %s", logs.text)
	}
	if a := s.get(fmt.Sprintf("%s/logs/%v", incomplete, ids[0]), root); at(a, "dlqLog", "status") != 1.0 {
		t.Errorf("log: %s", a.text)
	}
	if a := s.send("DELETE", incomplete, root, ""); a.text != `{"dlq":"`+makesim.IncompleteID+`"}` {
		t.Errorf("delete: %s", a.text)
	}
	if a := s.get(incomplete, root); a.status != 404 {
		t.Errorf("deleted: %d", a.status)
	}
}

// failing is a simulator whose first scenario has failed as often as is said.
func failing(t *testing.T, times int) (*sim, []any) {
	t.Helper()
	seed := makesim.DefaultSeed()
	seed.Scenarios[0].Failure, seed.Scenarios[0].KeepIncomplete = makesim.Failure{Message: "Down."}, true
	s := startWith(t, makesim.Options{Seed: seed})
	for range times {
		s.send("POST", leadRun, root, leadData)
	}
	return s, column(s.get("/api/v2/dlqs?scenarioId=501", root), "dlqs", "id")
}

func TestRetryFailsUntilRepaired(t *testing.T) {
	s, ids := failing(t, 1)
	path := fmt.Sprintf("/api/v2/dlqs/%v", ids[0])
	s.send("POST", path+"/retry", root, "")
	if a := s.get(path, root); at(a, "dlq", "resolved") != false || at(a, "dlq", "attempts") != 1.0 {
		t.Errorf("not repaired: %s", a.text)
	}
	body, err := json.Marshal(map[string]any{"blueprint": blueprint("Repaired", ""), "failer": 3})
	if err != nil {
		t.Fatal(err)
	}
	if a := s.send("PATCH", path, root, string(body)); at(a, "dlq", "failer") != 3.0 || text(a, "dlq", "blueprint", "name") != "Repaired" {
		t.Errorf("repair: %s", a.text)
	}
	s.send("POST", path+"/retry", root, "")
	if a := s.get(path, root); at(a, "dlq", "resolved") != true {
		t.Errorf("repaired: %s", a.text)
	}
	if a := s.get(path+"/logs?status=3", root); len(column(a, "dlqLogs", "id")) != 1 {
		t.Errorf("logs: %s", a.text)
	}
	s.refuses(map[string]refusal{
		"retry what is resolved": {"POST", strings.TrimPrefix(path, "/api/v2") + "/retry", root, "", 422, "IM016", "already resolved"},
		"broken blueprint":       {"PATCH", strings.TrimPrefix(path, "/api/v2"), root, `{"blueprint":"{\"name\":\"a\"}"}`, 400, "SC400", "flow"},
	})
}

func TestManyIncompleteExecutions(t *testing.T) {
	s, ids := failing(t, 3)
	if len(ids) != 3 {
		t.Fatalf("kept: %v", ids)
	}
	if a := s.send("POST", "/api/v2/dlqs/retry?scenarioId=501", root, fmt.Sprintf(`{"all":true,"exceptIds":[%q]}`, ids[0])); len(a.json["dlqs"].([]any)) != 2 {
		t.Errorf("retry all but one: %s", a.text)
	}
	s.refuses(map[string]refusal{
		"neither":     {"POST", "/dlqs/retry?scenarioId=501", root, `{}`, 400, "SC400", "'ids' and 'all'"},
		"both":        {"POST", "/dlqs/retry?scenarioId=501", root, `{"all":true,"ids":["x"]}`, 400, "SC400", ""},
		"exceptions":  {"DELETE", "/dlqs?scenarioId=501", root, `{"ids":["x"],"exceptIds":["y"]}`, 400, "SC400", "'exceptIds'"},
		"unconfirmed": {"DELETE", "/dlqs?scenarioId=501", root, `{"all":true}`, 406, "IM004", ""},
		"no scenario": {"GET", "/dlqs", root, "", 400, "SC400", "'scenarioId'"},
	})
	if a := s.send("DELETE", "/api/v2/dlqs?scenarioId=501", root, fmt.Sprintf(`{"ids":[%q,"nope"]}`, ids[0])); a.text != fmt.Sprintf(`{"dlqs":[%q]}`, ids[0]) {
		t.Errorf("delete one: %s", a.text)
	}
	if a := s.send("DELETE", "/api/v2/dlqs?scenarioId=501&confirmed=true", root, `{"all":true}`); len(a.json["dlqs"].([]any)) != 2 {
		t.Errorf("delete all: %s", a.text)
	}
	if a := s.get("/api/v2/dlqs?scenarioId=501", root); a.text != `{"dlqs":[]}` {
		t.Errorf("left: %s", a.text)
	}
}

func TestIncompleteRefusals(t *testing.T) {
	s := start(t)
	watcher := s.as(monitor, "dlqs:read dlqs:write")
	if a := s.get(incomplete, watcher); a.status != 200 {
		t.Errorf("monitoring may look: %d", a.status)
	}
	own := strings.TrimPrefix(incomplete, "/api/v2")
	s.refuses(map[string]refusal{
		"missing scope":    {"GET", own, reader, "", 403, "SC403", ""},
		"missing role":     {"POST", own + "/retry", watcher, "", 403, "IM002", ""},
		"other scenario's": {"GET", "/dlqs?scenarioId=901", root, "", 404, "SC404", ""},
		"other company's":  {"GET", "/dlqs/ada87173334b44d1907270064edbd7dd/bundle", root, "", 404, "SC404", ""},
		"unknown":          {"GET", "/dlqs/nope", root, "", 404, "SC404", ""},
		"unknown log":      {"GET", own + "/logs/nope", root, "", 404, "SC404", ""},
	})
}
