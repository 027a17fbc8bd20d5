package makesim_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	testclock "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/makesim"
)

// bearer adds a token to each request.
type bearer struct {
	next  http.RoundTripper
	token string
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

// mcp connects the official client; an empty token sends none.
func (s *sim) mcp(path, token string) (*sdk.ClientSession, error) {
	s.t.Helper()
	transport := s.http.Transport
	if token != "" {
		transport = bearer{next: transport, token: token}
	}
	session, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(s.t.Context(), &sdk.StreamableClientTransport{
		Endpoint: s.URL + path, HTTPClient: &http.Client{Transport: transport}, DisableStandaloneSSE: true, MaxRetries: -1,
	}, nil)
	if err == nil {
		s.t.Cleanup(func() { _ = session.Close() })
	}
	return session, err
}

func (s *sim) connect(path string) *sdk.ClientSession {
	s.t.Helper()
	session, err := s.mcp(path, makesim.RootToken)
	if err != nil {
		s.t.Fatal(err)
	}
	return session
}

func (s *sim) tools(path string) []string {
	s.t.Helper()
	list, err := s.connect(path).ListTools(s.t.Context(), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	names := []string{}
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
	}
	slices.Sort(names)
	return names
}

// tool calls one and returns its first text.
func (s *sim) tool(session *sdk.ClientSession, name string, arguments map[string]any) (said string, result *sdk.CallToolResult) {
	s.t.Helper()
	result, err := session.CallTool(s.t.Context(), &sdk.CallToolParams{Name: name, Arguments: arguments})
	if err != nil {
		s.t.Fatal(err)
	}
	content, ok := result.Content[0].(*sdk.TextContent)
	if !ok {
		s.t.Fatalf("content: %v", result.Content)
	}
	return content.Text, result
}

const leadTool = "scenario_501_create_a_crm_lead"

var lead = map[string]any{"email": "a@b.example", "name": "Ann"}

func TestMCPTools(t *testing.T) {
	s := start(t)
	s.send("POST", s.scenario(blueprint("A name that is far too long for the names of tools, by any count", ""), onDemand, "")+"/start", root, "")
	const long = "scenario_1001_a_name_that_is_far_too_long_for_the_names"
	for path, want := range map[string][]string{
		"/mcp/stateless": {long, leadTool},
		"/mcp/stream":    {long, leadTool},
		"/mcp/u/" + makesim.RootToken + "/stateless":    {long, leadTool},
		"/mcp/u/" + makesim.RootToken + "/stream":       {long, leadTool},
		"/mcp/stateless?teamId=7&maxToolNameLength=32":  {"scenario_1001_a_name_that_is_far", "scenario_501_create_a_crm_lead"},
		"/mcp/stateless?teamId=8":                       {},
		"/mcp/stateless?teamId[]=8&teamId[]=7":          {long, leadTool},
		"/mcp/stateless?organizationId=42":              {long, leadTool},
		"/mcp/stateless?organizationId=77":              {},
		"/mcp/stateless?scenarioId=501,901":             {leadTool},
		"/mcp/stateless?scenarioId=502&scenarioId=503":  {},
		"/mcp/stateless?maxToolNameLength=160&teamId=7": {"scenario_1001_a_name_that_is_far_too_long_for_the_names_of_tools_by_any_count", leadTool},
	} {
		if diff := cmp.Diff(want, s.tools(path)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

func TestMCPToolIsDescribed(t *testing.T) {
	s := start(t)
	list, err := s.connect("/mcp/stateless?scenarioId=501").ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"type": "object", "required": []any{"email", "name"},
		"properties": map[string]any{
			"email": map[string]any{"type": "string", "description": "E-mail"}, "name": map[string]any{"type": "string", "description": "Full name"},
			"company": map[string]any{"type": "string"},
			"value":   map[string]any{"type": "number", "description": "Expected value in euro", "default": 0.0},
			"source":  map[string]any{"type": "string", "enum": []any{"web", "fair", "call"}, "default": "web"},
		},
	}
	if diff := cmp.Diff(want, list.Tools[0].InputSchema); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(list.Tools[0].Description, "Creates a lead") {
		t.Errorf("description: %s", list.Tools[0].Description)
	}
}

func TestMCPCall(t *testing.T) {
	s := start(t)
	session := s.connect("/mcp/stateless")
	said, result := s.tool(session, leadTool, lead)
	want := map[string]any{"leadId": "L-1001", "email": "a@b.example", "status": "created"}
	if diff := cmp.Diff(want, result.StructuredContent); diff != "" || result.IsError || !strings.Contains(said, "L-1001") {
		t.Errorf("%s %s", said, diff)
	}
	if a := s.get("/api/v2/scenarios/501/logs", reader); len(column(a, "scenarioLogs", "id")) != 1 {
		t.Errorf("log: %s", a.text)
	}
	if said, result := s.tool(session, leadTool, map[string]any{"email": 7}); !result.IsError || !strings.Contains(said, "'email'") {
		t.Errorf("wrong input: %s", said)
	}
	s.knobs(func(k *makesim.Knobs) { k.RunFails = "The CRM is down." })
	if said, result := s.tool(session, leadTool, lead); !result.IsError || said != "The CRM is down." {
		t.Errorf("failed run: %s", said)
	}
	s.knobs(func(k *makesim.Knobs) { k.RunFails, k.RunSeconds = "", 10 })
	s.send("POST", leadRun, root, strings.Replace(leadData, "true", "false", 1))
	if said, result := s.tool(session, leadTool, lead); !result.IsError || !strings.Contains(said, "already being executed") {
		t.Errorf("busy: %s", said)
	}
	s.send("POST", "/api/v2/scenarios/501/stop", root, "")
	if _, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: leadTool, Arguments: lead}); err == nil {
		t.Error("an inactive scenario is a tool")
	}
}

func TestMCPCallThatTakesLong(t *testing.T) {
	clock := watchedClock{testclock.NewFakePassiveClock(noon), make(chan struct{})}
	s := startWith(t, makesim.Options{Clock: clock})
	s.knobs(func(k *makesim.Knobs) { k.RunSeconds = 60 })
	session := make(chan *sdk.ClientSession, 1)
	said := make(chan string, 1)
	go func() {
		c, err := s.mcp("/mcp/stateless", makesim.RootToken)
		session <- c
		if err != nil {
			said <- err.Error()
			return
		}
		result, err := c.CallTool(t.Context(), &sdk.CallToolParams{Name: leadTool, Arguments: lead})
		if err != nil {
			said <- err.Error()
			return
		}
		content, _ := result.Content[0].(*sdk.TextContent)
		said <- content.Text
	}()
	<-session
	for range 20 { // a request reads the clock a few times, only a run that waits goes on
		<-clock.read
	}
	s.Advance(40 * time.Second)
	got := <-said
	id := column(s.get("/api/v2/scenarios/501/logs", reader), "scenarioLogs", "id")
	if len(id) != 0 || !strings.Contains(got, `"scenarioId":501`) || !strings.Contains(got, `"instruction":`) || !strings.Contains(got, `"executionId":`) {
		t.Errorf("after 40 s: %s %v", got, id)
	}
	s.Advance(20 * time.Second)
	if id := column(s.get("/api/v2/scenarios/501/logs", reader), "scenarioLogs", "id"); len(id) != 1 || !strings.Contains(got, id[0].(string)) {
		t.Errorf("the run went on as %v: %s", id, got)
	}
}

func TestMCPRefusals(t *testing.T) {
	seed := makesim.DefaultSeed()
	seed.APITokens = append(seed.APITokens, makesim.APIToken{Value: monitorToken, UserID: monitor, Label: "monitor", EveryUserScope: true})
	s := startWith(t, makesim.Options{Seed: seed})
	access, _ := s.tokens("mcp:use")
	const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	for name, test := range map[string]struct {
		path, authorization string
		status              int
	}{
		"no token":           {"/mcp/stateless", "", 401},
		"word of the API":    {"/mcp/stateless", root, 401},
		"access token":       {"/mcp/stateless", "Bearer " + access, 401},
		"unknown":            {"/mcp/u/00000000-0000-4000-8000-000000000000/stateless", "", 401},
		"without mcp:use":    {"/mcp/stateless", "Bearer " + makesim.ReaderToken, 403},
		"two filters":        {"/mcp/stateless?teamId=7&scenarioId=501", "Bearer " + makesim.RootToken, 400},
		"filter of words":    {"/mcp/stateless?teamId=sales", "Bearer " + makesim.RootToken, 400},
		"short names":        {"/mcp/stateless?maxToolNameLength=31", "Bearer " + makesim.RootToken, 400},
		"long names":         {"/mcp/stateless?maxToolNameLength=161", "Bearer " + makesim.RootToken, 400},
		"unknown transport":  {"/mcp/carrier-pigeon", "Bearer " + makesim.RootToken, 404},
		"good, to be honest": {"/mcp/stateless", "Bearer " + makesim.RootToken, 200},
	} {
		r := s.newRequest("POST", test.path, initialize)
		r.Header.Set("Authorization", test.authorization)
		r.Header.Set("Accept", "application/json, text/event-stream")
		if a := s.do(r); a.status != test.status {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
	}
	session, err := s.mcp("/mcp/stateless", monitorToken)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := session.ListTools(t.Context(), nil); err != nil || len(list.Tools) != 0 {
		t.Errorf("a role that may not run has tools: %v %v", list, err)
	}
	for _, entry := range s.Ledger() {
		if entry.Request != nil && strings.Contains(entry.Request.Path, makesim.RootToken) {
			t.Errorf("the ledger holds a token: %s", entry.Request.Path)
		}
	}
}
