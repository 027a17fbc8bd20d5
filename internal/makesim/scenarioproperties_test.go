package makesim_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const properties = "/api/v2/scenarios/503/custom-properties"

func TestScenarioPropertyLife(t *testing.T) {
	s := start(t)
	shown := func() any { return s.get(properties, reader).json["customProperties"] }
	for _, step := range []struct {
		method, body string
		want         map[string]any
	}{
		{"GET", "", map[string]any{}},
		{"POST", `{"owner":"Ada"}`, map[string]any{"owner": "Ada"}},
		{"PATCH", `{"companyTeam":"Sales"}`, map[string]any{"owner": "Ada", "companyTeam": "Sales"}},
		{"PATCH", `{"owner":null}`, map[string]any{"companyTeam": "Sales"}},
		{"PUT", `{"owner":"Mona"}`, map[string]any{"owner": "Mona"}},
	} {
		a := s.send(step.method, properties, root, step.body)
		if diff := cmp.Diff(map[string]any{"customProperties": step.want, "scenarioId": 503.0}, a.json); diff != "" {
			t.Errorf("%s %s: %s", step.method, step.body, diff)
		}
		if diff := cmp.Diff(any(step.want), shown()); diff != "" {
			t.Errorf("after %s %s: %s", step.method, step.body, diff)
		}
	}
	list := s.get("/api/v2/scenarios?teamId=7&id[]=503", root)
	if diff := cmp.Diff([]any{map[string]any{"owner": "Mona"}}, column(list, "scenarios", "customProperties")); diff != "" {
		t.Errorf("list: %s", diff)
	}
	if a := s.send("DELETE", properties, root, ""); a.text != `{"ok":1}` {
		t.Errorf("delete: %s", a.text)
	}
	if diff := cmp.Diff(any(map[string]any{}), shown()); diff != "" {
		t.Errorf("deleted: %s", diff)
	}
}

func TestScenarioPropertyTypes(t *testing.T) {
	s := start(t)
	values := map[string]string{
		"boolean": `true`, "number": `4.5`, "shortText": `"a"`, "longText": `"a\nb"`, "date": `"2026-03-01T12:00:00.000Z"`,
		"dropdown": `"x"`, "multiselect": `["x","y"]`,
	}
	// What else fits: every one-line text is a long text too, and so on.
	also := map[string]string{
		"shortText/dropdown": "", "shortText/date": "", "longText/shortText": "", "longText/dropdown": "", "longText/date": "",
	}
	for kind := range values {
		options := ""
		if kind == "dropdown" || kind == "multiselect" {
			options = `,"options":[{"value":"x"},{"value":"y"}]`
		}
		a := s.send("POST", "/api/v2/custom-property-structures/71/custom-property-structure-items", root,
			`{"name":"`+kind+`","label":"l","type":"`+kind+`","required":false`+options+`}`)
		if a.status != 200 {
			t.Fatalf("item %s: %s", kind, a.text)
		}
		for given, value := range values {
			_, fits := also[kind+"/"+given]
			a := s.send("PUT", properties, root, `{"`+kind+`":`+value+`}`)
			if (a.status == 200) != (fits || kind == given) {
				t.Errorf("%s for %s: %d %s", given, kind, a.status, a.text)
			}
		}
	}
	for name, value := range map[string]string{"dropdown": `"z"`, "multiselect": `["x","z"]`} {
		if a := s.send("PUT", properties, root, `{"`+name+`":`+value+`}`); a.status != 400 {
			t.Errorf("%s takes what is no option", name)
		}
	}
}

func TestScenarioPropertyRefusals(t *testing.T) {
	s := start(t)
	watcher := s.as(monitor, "scenarios:read scenarios:write")
	s.send("POST", "/api/v2/custom-property-structures/71/custom-property-structure-items", root,
		`{"name":"cost","label":"l","type":"number","required":true}`)
	own := strings.TrimPrefix(properties, "/api/v2")
	s.refuses(map[string]refusal{
		"missing scope":    {"PUT", own, reader, `{"cost":1}`, 403, "SC403", ""},
		"missing role":     {"PUT", own, watcher, `{"cost":1}`, 403, "IM002", ""},
		"not found":        {"GET", "/scenarios/999/custom-properties", root, "", 404, "SC404", ""},
		"other company's":  {"GET", "/scenarios/901/custom-properties", root, "", 404, "SC404", ""},
		"feature off":      {"GET", "/scenarios/901/custom-properties", other, "", 403, "IM027", ""},
		"unknown property": {"PUT", own, root, `{"cost":1,"colour":"red"}`, 400, "SC400", "Unknown custom property 'colour'."},
		"required missing": {"POST", own, root, `{"owner":"Ada"}`, 400, "SC400", "parameter 'cost'"},
		"required dropped": {"PATCH", own, root, `{"cost":null}`, 400, "SC400", "parameter 'cost'"},
		"no option":        {"PUT", own, root, `{"cost":1,"companyTeam":"Fleet"}`, 400, "SC400", "'companyTeam': dropdown expected"},
		"already there":    {"POST", "/scenarios/501/custom-properties", root, `{"cost":1}`, 400, "IM005", "already"},
	})
}
