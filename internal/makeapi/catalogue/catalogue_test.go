package catalogue

import (
	"strings"
	"testing"

	"github.com/makeops/make-operator/internal/scope"
)

func TestBuiltIn(t *testing.T) {
	tools := Tools()
	if len(tools) != 181 {
		t.Errorf("%d tools, want 181", len(tools))
	}
	for _, tool := range tools {
		if tool.Scope == "" {
			continue
		}
		if _, known := scope.Lookup(tool.Scope); !known {
			t.Errorf("%s: scope %q is unknown", tool.Name, tool.Scope)
		}
		if tool.Hints.ReadOnly && tool.Hints.Destructive {
			t.Errorf("%s says that it only reads, and that it destroys", tool.Name)
		}
	}
	if _, ok := Lookup("scenarios_run"); !ok {
		t.Error("scenarios_run is missing")
	}
	if _, ok := Lookup("scenarios"); ok {
		t.Error("a tool was found that is none")
	}
}

func TestParseRefuses(t *testing.T) {
	const good = `
- name: things_get
  title: Get thing
  description: Gets it.
  category: things
  resourceId: thingId
  arguments: [{name: thingId, required: true, schema: {type: number, description: "Which."}}]
  requests: [{method: GET, path: "/things/{thingId}"}]
`
	if _, err := parse([]byte("tools:" + good)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"an unknown field":           {"title:", "heading:"},
		"a name of another form":     {"things_get", "thingsGet"},
		"no title":                   {"Get thing", `""`},
		"no such resource argument":  {"resourceId: thingId", "resourceId: id"},
		"a path without argument":    {"/things/{thingId}", "/things/{id}"},
		"an optional path argument":  {"required: true, ", ""},
		"an unused argument":         {"/things/{thingId}", "/things"},
		"a method of another kind":   {"GET", "FETCH"},
		"a type that JSON lacks":     {"type: number", "type: integer"},
		"an argument without a type": {"type: number, ", ""},
		"a query of no argument":     {`{thingId}"`, `{thingId}", query: {a: "{b}"}`},
		"a body of two forms":        {`{thingId}"`, `{thingId}", body: {whole: thingId, text: thingId, type: text/plain}`},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(good, change[0], change[1], 1)
			if changed == good {
				t.Fatal("nothing was changed")
			}
			if _, err := parse([]byte("tools:" + changed)); err == nil {
				t.Error("it was accepted")
			}
		})
	}
	if _, err := parse([]byte("tools:" + good + good)); err == nil {
		t.Error("a second tool of that name was accepted")
	}
}
