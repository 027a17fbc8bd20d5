package makesim_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVariableLife(t *testing.T) {
	s := start(t)
	for place, test := range map[string]struct {
		kind  string
		names []any
	}{
		"teams/7":          {"teamVariable", []any{"rate", "region"}},
		"organizations/42": {"organizationVariable", []any{"fiscalYear", "rate"}},
	} {
		path := "/api/v2/" + place + "/variables"
		created := s.send("POST", path, root, `{"name":"rate","typeId":1,"value":0.5}`)
		want := map[string]any{test.kind: map[string]any{"name": "rate", "typeId": 1.0, "value": 0.5, "isSystem": false}}
		if diff := cmp.Diff(want, created.json); diff != "" {
			t.Errorf("%s: created: %d %s", place, created.status, diff)
		}
		if a := s.send("PATCH", path+"/rate", root, `{"typeId":4,"value":"2026-03-01T12:00:00.000Z"}`); at(a, test.kind, "typeId") != 4.0 {
			t.Errorf("%s: update: %s", place, a.text)
		}
		if diff := cmp.Diff(test.names, column(s.get(path, root), test.kind+"s", "name")); diff != "" {
			t.Errorf("%s: %s", place, diff)
		}
		if a := s.send("DELETE", path+"/rate?confirmed=true", root, ""); a.status != 200 {
			t.Errorf("%s: delete: %s", place, a.text)
		}
		if a := s.send("DELETE", path+"/rate?confirmed=true", root, ""); a.status != 404 {
			t.Errorf("%s: deleted: %d", place, a.status)
		}
	}
}

func TestVariableRefusals(t *testing.T) {
	s := start(t)
	watcher := s.as(monitor, "team-variables:read organization-variables:write")
	s.send("POST", "/api/v2/teams/7/variables", root, `{"name":"a","typeId":2,"value":"x"}`)
	s.refuses(map[string]refusal{
		"missing scope":  {"GET", "/teams/7/variables", reader, "", 403, "SC403", ""},
		"missing role":   {"GET", "/teams/7/variables", watcher, "", 403, "IM002", ""},
		"missing role 2": {"POST", "/organizations/42/variables", watcher, `{}`, 403, "IM002", ""},
		"other's":        {"GET", "/organizations/77/variables", root, "", 404, "SC404", ""},
		"license":        {"POST", "/organizations/77/variables", other, `{"name":"a","typeId":2,"value":"x"}`, 404, "SC404", ""},
		"name":           {"POST", "/teams/7/variables", root, `{"name":"a b","typeId":2,"value":"x"}`, 400, "SC400", "'name'"},
		"same name":      {"POST", "/teams/7/variables", root, `{"name":"a","typeId":2,"value":"x"}`, 400, "IM005", "already"},
		"type":           {"POST", "/teams/7/variables", root, `{"name":"b","typeId":9,"value":"x"}`, 400, "SC400", "'typeId'"},
		"value":          {"PATCH", "/teams/7/variables/a", root, `{"value":5}`, 400, "SC400", "'value'"},
		"not a date":     {"PATCH", "/teams/7/variables/a", root, `{"typeId":4}`, 400, "SC400", "'value'"},
		"not found":      {"PATCH", "/teams/7/variables/b", root, `{}`, 404, "SC404", ""},
		"unconfirmed":    {"DELETE", "/teams/7/variables/a", root, "", 406, "IM004", ""},
		"unknown member": {"PATCH", "/teams/7/variables/a", root, `{"name":"b"}`, 400, "SC400", "Unknown parameter 'name'."},
	})
}
