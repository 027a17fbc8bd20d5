package makesim_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFunctionLife(t *testing.T) {
	s := start(t)
	created := s.send("POST", "/api/v2/functions?teamId=7", root,
		`{"name":"add","code":"function add(a, b) { return a + b; }","description":"Adds."}`)
	function := map[string]any{
		"id": 1001.0, "name": "add", "description": "Adds.", "code": "function add(a, b) { return a + b; }", "args": "(a, b)",
		"createdAt": "2026-03-01T12:00:00.000Z", "updatedAt": "2026-03-01T12:00:00.000Z",
		"createdByUser": map[string]any{"id": 1001.0, "name": "Ada Example", "email": "ada@acme.example"},
		"scenarios":     []any{},
	}
	if diff := cmp.Diff(map[string]any{"function": function}, created.json); diff != "" {
		t.Errorf("created: %d %s", created.status, diff)
	}
	s.Advance(time.Minute)
	updated := s.send("PATCH", "/api/v2/functions/1001", root, `{"code":"function add(a) { return a + 1; }"}`)
	function["code"], function["args"], function["updatedAt"] = "function add(a) { return a + 1; }", "(a)", "2026-03-01T12:01:00.000Z"
	if diff := cmp.Diff(map[string]any{"function": function}, updated.json); diff != "" {
		t.Errorf("updated: %s", diff)
	}
	if diff := cmp.Diff(map[string]any{"function": function}, s.get("/api/v2/functions/1001", root).json); diff != "" {
		t.Errorf("get: %s", diff)
	}
	history := s.get("/api/v2/functions/1001/history?teamId=7", root)
	if diff := cmp.Diff(map[string]any{"functionHistory": []any{map[string]any{
		"id": 1001.0, "previousCode": "function add(a, b) { return a + b; }",
		"updatedAt": "2026-03-01T12:01:00.000Z", "updatedBy": "Ada Example",
	}}}, history.json); diff != "" {
		t.Errorf("history: %s", diff)
	}
	list := s.get("/api/v2/functions?teamId=7", root)
	if diff := cmp.Diff([]any{"add", "initials"}, column(list, "functions", "name")); diff != "" {
		t.Errorf("list: %s", diff)
	}
	if list.json["pg"] != nil || column(list, "functions", "code")[0] != nil {
		t.Errorf("list without cols: %s", list.text)
	}
	if a := s.get("/api/v2/functions?teamId=7&cols[]=*", root); column(a, "functions", "code")[0] == nil {
		t.Errorf("list of all columns: %s", a.text)
	}
	if a := s.send("DELETE", "/api/v2/functions/1001", root, ""); a.text != `{"function":1001}` {
		t.Errorf("deleted: %s", a.text)
	}
	if a := s.get("/api/v2/functions/1001", root); a.status != 404 {
		t.Errorf("get after deletion: %d", a.status)
	}
}

func TestFunctionShowsItsScenarios(t *testing.T) {
	s := start(t)
	for name, formula := range map[string]string{"Greet": "{{initials(1.name)}}", "Shout": "{{myinitials(1.name)}}"} {
		blueprint := `{"name":"` + name + `","flow":[{"id":1,"module":"util:SetVariables","version":1,"mapper":{"a":"` + formula + `"}}],"metadata":{}}`
		body, err := json.Marshal(map[string]any{"teamId": 7, "blueprint": blueprint, "scheduling": `{"type":"on-demand"}`})
		if err != nil {
			t.Fatal(err)
		}
		if a := s.send("POST", "/api/v2/scenarios?confirmed=true", root, string(body)); a.status != 200 {
			t.Fatal(a.text)
		}
	}
	a := s.get("/api/v2/functions/61", root)
	scenarios, _ := at(a, "function", "scenarios").([]any)
	if len(scenarios) != 1 || scenarios[0].(map[string]any)["name"] != "Greet" {
		t.Errorf("scenarios: %v", scenarios)
	}
}

func TestCheckFunction(t *testing.T) {
	s := start(t)
	for code, want := range map[string]bool{
		`function f(x) { return x * 2; }`:              true,
		`function f({a, b}, ...rest) { return rest; }`: true,
		`function f(x) { return x * ; }`:               false,
		`function f(x) {`:                              false,
		`1 + 1`:                                        false,
	} {
		body, err := json.Marshal(map[string]any{"code": code})
		if err != nil {
			t.Fatal(err)
		}
		a := s.send("POST", "/api/v2/functions/eval?teamId=7", root, string(body))
		if a.status != 200 || a.json["success"] != want || (a.json["error"] == nil) != want {
			t.Errorf("%s: got %d %s", code, a.status, a.text)
		}
	}
}

func TestFunctionRefusals(t *testing.T) {
	s := start(t)
	watcher := s.as(monitor, "functions:read functions:write")
	s.refuses(map[string]refusal{
		"missing scope":      {"GET", "/functions?teamId=7", reader, "", 403, "SC403", "Access denied."},
		"missing role":       {"GET", "/functions/61", watcher, "", 403, "IM002", ""},
		"no such function":   {"GET", "/functions/999", root, "", 404, "SC404", ""},
		"somebody else's":    {"DELETE", "/functions/61", other, "", 404, "SC404", ""},
		"another plan":       {"POST", "/functions?teamId=70", other, `{"name":"a","code":"function a() {}"}`, 403, "IM001", "custom functions"},
		"no team":            {"POST", "/functions", root, `{"name":"a","code":"function a() {}"}`, 400, "SC400", "parameter 'teamId'"},
		"no code":            {"POST", "/functions?teamId=7", root, `{"name":"a"}`, 400, "SC400", "parameter 'code'"},
		"broken code":        {"PATCH", "/functions/61", root, `{"code":"function ("}`, 400, "IM005", "not valid"},
		"history of no team": {"GET", "/functions/61/history", root, "", 400, "SC400", "parameter 'teamId'"},
		"history of another": {"GET", "/functions/61/history?teamId=8", root, "", 404, "SC404", ""},
		"check for others":   {"POST", "/functions/eval?teamId=70", root, `{"code":"1"}`, 403, "IM002", ""},
	})
}
