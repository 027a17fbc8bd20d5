package mcp_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/makeops/make-operator/internal/makeapi/catalogue"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/mcp"
)

// TestEveryToolIsOffered compares what a caller with every scope sees with the catalogue, tool by tool.
func TestEveryToolIsOffered(t *testing.T) {
	e := start(t, func(c *mcp.Config) {
		wholeServer(c)
		c.Tools.Scenarios = false
	})
	listed, err := e.connect(admin, "").ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(listed.Tools) != 181 || len(catalogue.Tools()) != 181 {
		t.Fatalf("%d tools are offered, %d known", len(listed.Tools), len(catalogue.Tools()))
	}
	for i, want := range catalogue.Tools() {
		got := listed.Tools[i]
		if got.Name != want.Name || got.Title != want.Title || got.Description == "" {
			t.Errorf("tool %d: %s, want %s", i, got.Name, want.Name)
		}
		a := got.Annotations
		if got := (catalogue.Hints{ReadOnly: a.ReadOnlyHint, Destructive: *a.DestructiveHint, Idempotent: a.IdempotentHint, OpenWorld: *a.OpenWorldHint}); got != want.Hints {
			t.Errorf("%s: annotations %+v", want.Name, got)
		}
		for _, problem := range schemaProblems(t, got, want) {
			t.Errorf("%s: %s", want.Name, problem)
		}
	}
}

// schemaProblems says what is wrong with the input schema of a tool: each argument is described and bounded.
func schemaProblems(t *testing.T, got *sdk.Tool, want catalogue.Tool) []string {
	t.Helper()
	raw, err := json.Marshal(got.InputSchema)
	if err != nil {
		t.Fatal(err)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(raw, &schema); err != nil {
		return []string{err.Error()}
	}
	if _, err := schema.Resolve(nil); err != nil {
		return []string{err.Error()}
	}
	var problems []string
	for _, a := range want.Arguments {
		property := schema.Properties[a.Name]
		switch {
		case a.Name == "callbackUrl":
			if property != nil {
				problems = append(problems, "takes callbackUrl")
			}
			continue
		case property == nil || property.Description == "":
			problems = append(problems, a.Name+" is missing or not described")
			continue
		case a.Required != slices.Contains(schema.Required, a.Name) && a.Name != "organizationId" && a.Name != "belongerId":
			problems = append(problems, a.Name+" is required, or is not")
		}
		if unbounded(property) {
			problems = append(problems, a.Name+" has no bound")
		}
	}
	return problems
}

func unbounded(s *jsonschema.Schema) bool {
	if len(s.Enum) > 0 {
		return false
	}
	return s.Type == "string" && s.MaxLength == nil || (s.Type == "number" || s.Type == "integer") && (s.Minimum == nil || s.Maximum == nil) ||
		s.Type == "array" && (s.MaxItems == nil || s.Items != nil && unbounded(s.Items)) || slices.ContainsFunc(s.OneOf, unbounded)
}

// TestAnswersOfEveryKind: whatever Make answers arrives as structured content, and as something to show.
func TestAnswersOfEveryKind(t *testing.T) {
	for _, version := range []string{"2026-07-28", "2025-06-18"} {
		t.Run(version, func(t *testing.T) {
			e := start(t, wholeServer)
			session := e.connect(admin, version)
			structured := func(res *sdk.CallToolResult) string {
				raw, err := json.Marshal(res.StructuredContent)
				if err != nil {
					t.Fatal(err)
				}
				return string(raw)
			}
			app := map[string]any{"name": "webshop", "version": 1}
			for _, tt := range []struct {
				tool       string
				args       map[string]any
				structured string
			}{
				{"organizations_get", nil, `"name":`},
				{"scenarios_get", map[string]any{"scenarioId": 501.0}, `"blueprint":`},
				{"sdk-apps_get-docs", app, `"text":`},
				{"sdk-apps_get-icon", app, `"mediaType":"image/png"`},
				{"hooks_list", map[string]any{"teamId": makesim.TeamID}, `"hooks":[`},
			} {
				res := e.call(session, tt.tool, tt.args)
				if res.IsError || !strings.HasPrefix(structured(res), "{") || !strings.Contains(structured(res), tt.structured) || len(res.Content) != 1 {
					t.Errorf("%s: error %v, %s, structured %.200s", tt.tool, res.IsError, text(res), structured(res))
				}
			}
			icon := e.call(session, "sdk-apps_get-icon", app)
			if image, ok := icon.Content[0].(*sdk.ImageContent); !ok || image.MIMEType != "image/png" || !strings.HasPrefix(string(image.Data), "\x89PNG") {
				t.Errorf("icon: %T", icon.Content[0])
			}
		})
	}
}

// TestTheOrganizationIsFixed: the token reaches every organization of its user, the server one.
func TestTheOrganizationIsFixed(t *testing.T) {
	e := start(t, wholeServer)
	session := e.connect(admin, "")
	other := map[string]any{"organizationId": makesim.OrganizationID + 1}
	for _, tool := range []string{"teams_list", "organizations_get", "private-spaces_list", "roles_list"} {
		if res := e.call(session, tool, other); !res.IsError || !strings.Contains(text(res), "do not fit") {
			t.Errorf("%s: %s", tool, text(res))
		}
	}
	if paths := e.paths(); len(paths) != 0 {
		t.Errorf("Make was asked: %v", paths)
	}
	if res := e.call(session, "teams_list", nil); res.IsError || !strings.Contains(text(res), fmt.Sprintf(`"id":%d`, makesim.TeamID)) {
		t.Error(text(res))
	}
}

// TestOneTeamsObjects: in a server for one team, what belongs to another team is not there, for any kind of object.
func TestOneTeamsObjects(t *testing.T) {
	e := start(t, func(c *mcp.Config) { c.Scopes, c.TeamID = allScopes(), 8 }) // the seed's objects are in team 7
	session := e.connect(admin, "")
	for tool, args := range map[string]map[string]any{
		"scenarios_interface":     {"scenarioId": makesim.LeadScenarioID},
		"data-stores_get":         {"dataStoreId": 51},
		"data-store-records_list": {"dataStoreId": 51},
	} {
		for range 2 {
			if res := e.call(session, tool, args); !res.IsError || !strings.Contains(text(res), "no such object") {
				t.Errorf("%s: %s", tool, text(res))
			}
		}
	}
	want := []string{"GET /data-stores/51", "GET /scenarios/501"} // asked once each, and nothing else
	if diff := cmp.Diff(want, sorted(e.paths())); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	for _, hidden := range []string{"folders_delete", "incomplete-executions_get", "credential-requests_get"} {
		if slices.Contains(e.toolNames(admin), hidden) {
			t.Errorf("%s is offered, but whose its object is cannot be told", hidden)
		}
	}
}

// TestChangedScenariosAreSeenAtOnce: what a caller changes through the server need not wait for the next refresh.
func TestChangedScenariosAreSeenAtOnce(t *testing.T) {
	e := start(t, wholeServer)
	session := e.connect(admin, "")
	if !slices.Contains(e.toolNames(admin), lead) {
		t.Fatal("no scenario tool")
	}
	if res := e.call(session, "scenarios_deactivate", map[string]any{"scenarioId": makesim.LeadScenarioID}); res.IsError {
		t.Fatal(text(res))
	}
	if slices.Contains(e.toolNames(admin), lead) {
		t.Error("an inactive scenario is a tool")
	}
}
