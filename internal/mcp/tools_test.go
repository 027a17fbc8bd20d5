package mcp_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/mcp"
)

const lead = "scenario_501_create_a_crm_lead"

// The tools of a server that may read and run scenarios of one team, in the catalogue's order.
var (
	freeTools = []string{"users_me", "enums_countries", "enums_regions", "enums_timezones"}
	readTools = []string{
		"scenarios_list", "scenarios_get", "scenarios_interface", "executions_list", "executions_get-detail", "executions_get",
		"folders_list", "scenario-custom-properties_get",
	}
	runTools = []string{"scenarios_run"}
)

func TestListIsFilteredPerCaller(t *testing.T) {
	e := start(t, nil)
	for subject, want := range map[string][]string{
		agent:  slices.Concat(freeTools, readTools, runTools, []string{lead}),
		reader: slices.Concat(freeTools, readTools),
		picker: {lead},
	} {
		if diff := cmp.Diff(sorted(want), sorted(e.toolNames(subject))); diff != "" {
			t.Errorf("tools of %s (-want +got):\n%s", subject, diff)
		}
	}
	if diff := cmp.Diff(e.toolNames(agent), e.toolNames(agent)); diff != "" {
		t.Errorf("the order changes: %s", diff)
	}
}

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }

func TestListIsFilteredByConfig(t *testing.T) {
	reads := slices.Concat(freeTools, readTools)
	all := slices.Concat(reads, runTools, []string{lead})
	tests := []struct {
		name   string
		change func(*mcp.Config)
		want   []string
	}{
		{"read only", func(c *mcp.Config) { c.Tools.ReadOnly = true }, reads},
		{"include", func(c *mcp.Config) { c.Tools.Include = []string{"scenarios_get", "scenario_501"} }, []string{"scenarios_get", lead}},
		{"exclude", func(c *mcp.Config) { c.Tools.Exclude = []string{"scenarios_run", lead} }, reads},
		{"no scenario tools", func(c *mcp.Config) { c.Tools.Scenarios = false }, slices.Concat(reads, runTools)},
		{"every team", func(c *mcp.Config) { c.TeamID = 0 }, all},
		{"server may only read", func(c *mcp.Config) { c.Scopes = []string{"scenarios:read"} }, reads},
		{"server may only run, in one team", func(c *mcp.Config) { c.Scopes = []string{"scenarios:run"} }, freeTools},
		{"server may only run", func(c *mcp.Config) { c.Scopes, c.TeamID = []string{"scenarios:run"}, 0 }, slices.Concat(freeTools, runTools)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(sorted(tt.want), sorted(start(t, tt.change).toolNames(agent))); diff != "" {
				t.Errorf("tools (-want +got):\n%s", diff)
			}
		})
	}
}

func TestToolsWork(t *testing.T) {
	for _, version := range []string{"2026-07-28", "2025-11-25", "2025-06-18"} {
		t.Run(version, func(t *testing.T) {
			e := start(t, nil)
			session := e.connect(agent, version)
			if got := session.InitializeResult().ProtocolVersion; got != version {
				t.Errorf("protocol %s", got)
			}
			for name, tt := range map[string]struct {
				args any
				want string
			}{
				"users_me":       {nil, `"email":"ada@acme.example"`},
				"scenarios_list": {nil, `"name":"Close a quarter"`},
				"scenarios_get":  {map[string]any{"scenarioId": makesim.LeadScenarioID}, `"name":"Create a CRM lead"`},
				"scenarios_run": {
					map[string]any{"scenarioId": makesim.LeadScenarioID, "data": map[string]any{"email": "a@b.c", "name": "A"}},
					`"email":"a@b.c"`,
				},
				lead: {map[string]any{"email": "x@y.z", "name": "X"}, `"email":"x@y.z"`},
			} {
				res := e.call(session, name, tt.args)
				structured, err := json.Marshal(res.StructuredContent)
				if err != nil || res.IsError || !strings.Contains(string(structured), tt.want) || !strings.Contains(text(res), tt.want) {
					t.Errorf("%s: error %v, text %s, structured %s", name, res.IsError, text(res), structured)
				}
			}
		})
	}
}

func TestRunWithoutWaiting(t *testing.T) {
	e := start(t, nil)
	res := e.call(e.connect(agent, ""), "scenarios_run", map[string]any{
		"scenarioId": makesim.LeadScenarioID, "responsive": false, "data": map[string]any{"email": "a@b.c", "name": "A"},
	})
	if res.IsError || !strings.Contains(text(res), `"status":"started"`) || strings.Contains(text(res), "outputs") {
		t.Error(text(res))
	}
}

func TestScenarioToolDescribesItsInputs(t *testing.T) {
	e := start(t, nil)
	res, err := e.connect(picker, "").ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	tool := res.Tools[0]
	got, err := json.Marshal(tool.InputSchema)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"type":"object","properties":{` +
		`"email":{"type":"string","description":"E-mail."},"name":{"type":"string","description":"Full name."},"company":{"type":"string"},` +
		`"value":{"type":"number","description":"Expected value in euro","default":0},"source":{"enum":["web","fair","call"],"default":"web"}},` +
		`"required":["email","name"],"additionalProperties":false}`
	var gotValue, wantValue any
	if err := json.Unmarshal(got, &gotValue); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &wantValue); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantValue, gotValue); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
	a := tool.Annotations
	if a.ReadOnlyHint || !*a.DestructiveHint || !*a.OpenWorldHint || tool.Title != "Create a CRM lead" || !strings.Contains(tool.Description, "Creates a lead") {
		t.Errorf("tool %+v, annotations %+v", tool, a)
	}
	if res.CacheScope != "private" || res.TTLMs != 60_000 {
		t.Errorf("cache scope %q for %d ms", res.CacheScope, res.TTLMs)
	}
}

func TestCallsThatFail(t *testing.T) {
	e := start(t, nil)
	session := e.connect(agent, "")
	for _, tt := range []struct {
		name, tool string
		args       map[string]any
		want       string
	}{
		{"missing argument", lead, map[string]any{"email": "a@b.c"}, "do not fit"},
		{"unknown argument", lead, map[string]any{"email": "a@b.c", "name": "A", "nmae": "B"}, "do not fit"},
		{"wrong type", "scenarios_get", map[string]any{"scenarioId": "501"}, "do not fit"},
		{"no whole number", "scenarios_get", map[string]any{"scenarioId": 501.5}, "do not fit"},
		{"callback to anywhere", "scenarios_run", map[string]any{"scenarioId": 501, "callbackUrl": "https://x.example"}, "do not fit"},
		{"another team's list", "scenarios_list", map[string]any{"teamId": makesim.OtherTeamID}, "do not fit"},
		{"no such scenario", "scenarios_get", map[string]any{"scenarioId": 999}, "no such object"},
		{"inactive scenario", "scenarios_run", map[string]any{"scenarioId": makesim.InactiveScenarioID, "data": map[string]any{"quarter": "Q4"}}, "inactive"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if res := e.call(session, tt.tool, tt.args); !res.IsError || !strings.Contains(text(res), tt.want) {
				t.Errorf("error %v: %s", res.IsError, text(res))
			}
		})
	}
}

// TestTeamIsALimit: the token reaches other teams of the organization, the server does not.
func TestTeamIsALimit(t *testing.T) {
	e := start(t, func(c *mcp.Config) { c.TeamID = 8 }) // scenario 501 is in team 7
	session := e.connect(agent, "")
	for _, tool := range []string{"scenarios_get", "scenarios_run"} {
		if res := e.call(session, tool, map[string]any{"scenarioId": makesim.LeadScenarioID}); !res.IsError || !strings.Contains(text(res), "no such object") {
			t.Errorf("%s: %s", tool, text(res))
		}
	}
	if n := e.requests("POST", "/scenarios/501/run"); n != 0 {
		t.Errorf("Make was asked to run it %d times", n)
	}
}

func TestRateLimitIsToldInSeconds(t *testing.T) {
	e := start(t, nil)
	knobs := e.make.Knobs()
	knobs.Faults = []makesim.Fault{{Kind: makesim.FaultStatus, PathPrefix: "/api/v2/users/me", Count: 1, Status: 429, RetryAfterSeconds: 17}}
	if err := e.make.SetKnobs(knobs); err != nil {
		t.Fatal(err)
	}
	if res := e.call(e.connect(agent, ""), "users_me", nil); !res.IsError || !strings.Contains(text(res), "17 seconds") {
		t.Error(text(res))
	}
}

func TestScenariosAreReadOnDemandAndCached(t *testing.T) {
	e := start(t, nil)
	if n := len(e.make.Ledger()); e.requests("GET", "/scenarios") != 0 {
		t.Fatalf("the server called Make by itself, %d entries", n)
	}
	count := func(what string, wantLists, wantInterfaces int) {
		t.Helper()
		lists, interfaces := e.requests("GET", "/scenarios"), e.requests("GET", "/scenarios/501/interface")
		if lists != wantLists || interfaces != wantInterfaces {
			t.Errorf("%s: %d lists, %d interfaces read, want %d and %d", what, lists, interfaces, wantLists, wantInterfaces)
		}
	}
	e.toolNames(agent)
	count("first list", 1, 1)
	e.toolNames(agent)
	e.toolNames(picker)
	count("more lists", 1, 1)
	e.toolNames(reader)
	e.clock.Step(time.Minute)
	e.toolNames(reader)
	count("caller without scenario tools", 1, 1)
	e.toolNames(agent)
	count("a minute later", 2, 1)
}

func TestScenariosStayWhileMakeIsDown(t *testing.T) {
	e := start(t, nil)
	want := e.toolNames(agent)
	e.clock.Step(time.Hour - time.Minute) // tokens stay valid
	knobs := e.make.Knobs()
	knobs.Faults = []makesim.Fault{{Kind: makesim.FaultStatus, PathPrefix: "/api/v2/scenarios", Method: "GET", Count: 1000, Status: 503}}
	if err := e.make.SetKnobs(knobs); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, e.toolNames(agent)); diff != "" {
		t.Errorf("tools (-want +got):\n%s", diff)
	}
	before := e.requests("GET", "/scenarios")
	e.toolNames(agent)
	if after := e.requests("GET", "/scenarios"); after != before {
		t.Errorf("Make was asked again at once")
	}
	if res := e.call(e.connect(agent, ""), lead, map[string]any{"email": "a@b.c", "name": "A"}); res.IsError {
		t.Error(text(res))
	}
}

func TestRenamedScenarioKeepsItsOldName(t *testing.T) {
	e := start(t, nil)
	if res := e.call(e.connect(picker, ""), "scenario_501_another_name", map[string]any{"email": "a@b.c", "name": "A"}); res.IsError {
		t.Error(text(res))
	}
}

func TestWhatIsNotOffered(t *testing.T) {
	e := start(t, nil)
	session := e.connect(agent, "")
	capabilities := session.InitializeResult().Capabilities
	if capabilities.Logging != nil || capabilities.Prompts != nil || capabilities.Resources != nil || capabilities.Tools == nil { //nolint:staticcheck // deprecated is why it must be absent
		t.Errorf("capabilities %+v", capabilities)
	}
	for name, call := range map[string]func() error{
		"prompts":   func() error { _, err := session.ListPrompts(t.Context(), nil); return err },
		"resources": func() error { _, err := session.ListResources(t.Context(), nil); return err },
		"unknown tool": func() error {
			_, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "scenarios_delete"})
			return err
		},
		"tool of an inactive scenario": func() error {
			_, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "scenario_502"})
			return err
		},
		"cursor": func() error { _, err := session.ListTools(t.Context(), &sdk.ListToolsParams{Cursor: "x"}); return err },
	} {
		if err := call(); err == nil {
			t.Errorf("%s: answered", name)
		}
	}
}
