package mcp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// request is one raw HTTP request to the endpoint; zero fields are as a good client sends them.
type request struct {
	method, path, host, origin, body, version string
	forwardedFor, traceparent                 string
	headers                                   map[string]string
	authorization                             []string
}

const listBody = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}`

func callBody(tool string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `","arguments":{}}}`
}

type response struct {
	status          int
	body, challenge string
	header          http.Header
}

func (e *env) send(r request) response {
	e.t.Helper()
	if r.method == "" {
		r.method = http.MethodPost
	}
	if r.body == "" {
		r.body = listBody
	}
	req, err := http.NewRequestWithContext(e.t.Context(), r.method, strings.TrimSuffix(e.url, "/mcp")+r.path, strings.NewReader(r.body))
	if err != nil {
		e.t.Fatal(err)
	}
	if r.path == "" {
		req.URL.Path = "/mcp"
	}
	req.Host = r.host
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	switch r.version {
	case "":
		req.Header.Set("Mcp-Protocol-Version", "2025-11-25")
	case "none":
	default:
		req.Header.Set("Mcp-Protocol-Version", r.version)
	}
	if r.origin != "" {
		req.Header.Set("Origin", r.origin)
	}
	for name, value := range r.headers {
		req.Header.Set(name, value)
	}
	for name, value := range map[string]string{"X-Forwarded-For": r.forwardedFor, "Traceparent": r.traceparent} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	for _, a := range r.authorization {
		req.Header.Add("Authorization", a)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return response{resp.StatusCode, string(body), resp.Header.Get("WWW-Authenticate"), resp.Header}
}

func (e *env) as(subject string) []string { return []string{"Bearer " + e.token(subject, nil)} }

const (
	metadataURL = "http://tools.sales.svc/.well-known/oauth-protected-resource/mcp"
	askForToken = `Bearer resource_metadata="` + metadataURL + `", scope="scenarios:read scenarios:run"`
	badToken    = `Bearer error="invalid_token", resource_metadata="` + metadataURL + `", scope="scenarios:read scenarios:run"`
)

func TestRefusals(t *testing.T) {
	e := start(t, nil)
	segment := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	with := func(name string, value any) []string {
		return []string{"Bearer " + e.token(agent, map[string]any{name: value})}
	}
	raw := func(edit func(string) string) []string {
		claims, err := json.Marshal(e.claims(agent, nil))
		if err != nil {
			t.Fatal(err)
		}
		return []string{"Bearer " + e.sign([]byte(edit(string(claims))))}
	}
	add := func(member string) []string {
		return raw(func(c string) string { return strings.TrimSuffix(c, "}") + "," + member + "}" })
	}
	claims, err := json.Marshal(e.claims(agent, nil))
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	forged := func() []string {
		own := e.key
		defer func() { e.key = own }()
		e.key = stranger
		return e.as(agent)
	}()
	good := e.as(agent)

	tests := []struct {
		name      string
		request   request
		status    int
		challenge string
		reason    string
	}{
		{"no token", request{}, 401, askForToken, "no_bearer_token"},
		{"basic", request{authorization: []string{"Basic dTpw"}}, 401, askForToken, "no_bearer_token"},
		{"no value", request{authorization: []string{"Bearer "}}, 401, askForToken, "no_bearer_token"},
		{"two headers", request{authorization: append(e.as(agent), good...)}, 401, askForToken, "no_bearer_token"},
		{"two tokens", request{authorization: []string{good[0] + ", " + good[0]}}, 401, askForToken, "no_bearer_token"},
		{"malformed", request{authorization: []string{"Bearer abc"}}, 401, badToken, "invalid_token_malformed"},
		{"alg none", request{authorization: []string{"Bearer " + segment(`{"alg":"none"}`) + "." + segment(string(claims)) + "."}}, 401, badToken, "invalid_token_malformed"},
		{"HMAC", request{authorization: []string{"Bearer " + segment(`{"alg":"HS256","kid":"k"}`) + "." + segment(string(claims)) + "." + segment("mac")}}, 401, badToken, "invalid_token_malformed"},
		{"stranger's key", request{authorization: forged}, 401, badToken, "invalid_token_signature"},
		{"wrong issuer", request{authorization: with("iss", "https://other")}, 401, badToken, "invalid_token_issuer"},
		{"wrong audience", request{authorization: with("aud", "http://other/mcp")}, 401, badToken, "invalid_token_audience"},
		{"no audience", request{authorization: with("aud", nil)}, 401, badToken, "invalid_token_claims"},
		{"empty audiences", request{authorization: with("aud", []string{})}, 401, badToken, "invalid_token_claims"},
		{"empty subject", request{authorization: with("sub", "")}, 401, badToken, "invalid_token_claims"},
		{"subject as list", request{authorization: with("sub", []string{agent})}, 401, badToken, "invalid_token_claims"},
		{"expired", request{authorization: with("exp", e.clock.Now().Add(-time.Minute).Unix())}, 401, badToken, "invalid_token_time"},
		{"not valid yet", request{authorization: with("nbf", e.clock.Now().Add(time.Minute).Unix())}, 401, badToken, "invalid_token_time"},
		{"duplicate claim", request{authorization: add(`"sub":"` + agent + `"`)}, 401, badToken, "invalid_token_claims"},
		{"claim in another case", request{authorization: add(`"Sub":"` + agent + `"`)}, 401, badToken, "invalid_token_claims"},
		{"no rule", request{authorization: e.as(guest)}, 403, "", "no_access_rule"},
		{"token in query too", request{path: "/mcp?access_token=x", authorization: good}, 400, "", "token_in_query"},
		{"foreign host", request{host: "evil.example", authorization: good}, 403, "", "foreign_host_or_origin"},
		{"foreign origin", request{origin: "https://evil.example", authorization: good}, 403, "", "foreign_host_or_origin"},
		{"rebinding", request{host: "evil.example", origin: "http://evil.example", authorization: good}, 403, "", "foreign_host_or_origin"},
		{"opaque origin", request{origin: "null", authorization: good}, 403, "", "foreign_host_or_origin"},
		{"other path", request{path: "/", authorization: good}, 404, "", "unknown_path"},
		{"path below", request{path: "/mcp/", authorization: good}, 404, "", "unknown_path"},
		{"batch", request{body: "[" + listBody + "]", authorization: good}, 400, "", "malformed_message"},
		{"batch of the oldest revision", request{body: " [" + listBody + "]", version: "2025-03-26", authorization: good}, 400, "", "malformed_message"},
		{"no version", request{version: "none", authorization: good}, 400, "", "no_protocol_version"},
		{"no JSON", request{body: "x", authorization: good}, 400, "", "malformed_message"},
		{"no method", request{body: `{"jsonrpc":"2.0","id":1}`, authorization: good}, 400, "", "malformed_message"},
		{"method twice", request{body: strings.TrimSuffix(listBody, "}") + `,"method":"tools/call"}`, authorization: good}, 400, "", "malformed_message"},
		{"method in another case", request{body: strings.TrimSuffix(listBody, "}") + `,"Method":"tools/call"}`, authorization: good}, 400, "", "malformed_message"},
		{"tool name twice", request{body: strings.Replace(callBody("users_me"), `"arguments"`, `"name":"scenarios_run","arguments"`, 1), authorization: good}, 400, "", "malformed_message"},
		{"no tool name", request{body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}`, authorization: good}, 400, "", "malformed_message"},
		{"body too large", request{body: callBody(strings.Repeat("x", 1<<20)), authorization: good}, 413, "", "body_too_large"},
		{"nested too deep", request{body: strings.Replace(callBody("users_me"), "{}}", `{"a":`+strings.Repeat("[", 64)+strings.Repeat("]", 64)+"}}", 1), authorization: good}, 400, "", "nested_too_deep"},
		{"version that does not exist", request{body: callBody("users_me"), version: "2020-01-01", authorization: good}, 400, "", "protocol_error"},
		{
			"scope missing",
			request{body: callBody("scenarios_run"), authorization: e.as(reader)},
			403,
			`Bearer error="insufficient_scope", resource_metadata="` + metadataURL + `", scope="scenarios:run"`, "insufficient_scope",
		},
		{
			"scope missing for a scenario",
			request{body: callBody("scenario_501_x"), authorization: e.as(reader)},
			403,
			`Bearer error="insufficient_scope", resource_metadata="` + metadataURL + `", scope="scenarios:run"`, "insufficient_scope",
		},
	}
	bodies := map[int]string{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := e.send(tt.request)
			if got.status != tt.status || got.challenge != tt.challenge {
				t.Errorf("status %d, challenge %q, want %d, %q; body %s", got.status, got.challenge, tt.status, tt.challenge, got.body)
			}
			if known, ok := bodies[got.status]; ok && known != got.body && tt.reason != "protocol_error" {
				t.Errorf("body %q differs from that of other %d answers, %q", got.body, got.status, known)
			}
			if tt.reason != "protocol_error" { // the SDK's own words
				bodies[got.status] = got.body
			}
			all := e.auditLines()
			last := all[len(all)-1]
			if last.Outcome != "denied" || last.Reason != tt.reason || last.HTTPStatus != tt.status {
				t.Errorf("audit line %+v, want reason %s", last, tt.reason)
			}
		})
	}
	if n := len(e.auditLines()); n != len(tests) {
		t.Errorf("%d audit lines for %d refusals", n, len(tests))
	}
	for _, entry := range e.make.Ledger() {
		if entry.Request != nil {
			t.Errorf("Make was asked for %s %s", entry.Request.Method, entry.Request.Path)
		}
	}
}

func TestGoodRequestsPass(t *testing.T) {
	e := start(t, nil)
	for name, r := range map[string]request{
		"plain":             {},
		"served host":       {host: "tools.sales.svc:8080"},
		"other spelling":    {host: "Tools.Sales.SVC."},
		"own origin":        {origin: "http://tools.sales.svc"},
		"newest revision":   {version: "2025-06-18"},
		"scheme in capital": {authorization: []string{"BEARER " + e.token(agent, nil)}},
	} {
		if r.authorization == nil {
			r.authorization = e.as(agent)
		}
		got := e.send(r)
		if got.status != 200 || !strings.Contains(got.body, "scenarios_run") {
			t.Errorf("%s: status %d: %s", name, got.status, got.body)
		}
		if got.header.Get("X-Accel-Buffering") != "no" {
			t.Errorf("%s: proxies may hold back events", name)
		}
	}
}

func TestOtherMethods(t *testing.T) {
	e := start(t, nil)
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		if got := e.send(request{method: method, authorization: e.as(agent)}); got.status != 405 || got.header.Get("Allow") != "POST" {
			t.Errorf("%s: status %d", method, got.status)
		}
		if got := e.send(request{method: method}); got.status != 401 {
			t.Errorf("%s without a token: status %d", method, got.status)
		}
	}
}

func TestMethodsThatAreNotOffered(t *testing.T) {
	e := start(t, nil)
	for _, method := range []string{"prompts/list", "resources/list", "resources/templates/list", "logging/setLevel", "completion/complete"} {
		body := `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{"level":"info","ref":{"type":"ref/prompt","name":"x"},"argument":{"name":"a","value":"b"}}}`
		if got := e.send(request{body: body, authorization: e.as(agent)}); !strings.Contains(got.body, "-32601") {
			t.Errorf("%s: status %d: %s", method, got.status, got.body)
		}
	}
}

func TestResourceMetadata(t *testing.T) {
	e := start(t, nil)
	want := map[string]any{
		"resource": resource, "authorization_servers": []any{issuer},
		"scopes_supported": []any{"scenarios:read", "scenarios:run"}, "bearer_methods_supported": []any{"header"},
	}
	for _, path := range []string{"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"} {
		answer := e.send(request{method: http.MethodGet, path: path})
		var got map[string]any
		if err := json.Unmarshal([]byte(answer.body), &got); err != nil || answer.status != 200 {
			t.Fatalf("%s: status %d, error %v", path, answer.status, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestAuditOfCalls(t *testing.T) {
	e := start(t, nil)
	session := e.connect(agent, "")
	e.call(session, lead, map[string]any{"email": "a@b.c", "name": "A"})
	e.call(session, "scenarios_get", map[string]any{"scenarioId": 999})
	if _, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "scenario_502_x"}); err == nil {
		t.Error("a tool that does not exist was called")
	}
	got := e.auditLines()
	if len(got) != 3 || got[0].ExecutionID == "" || len(got[0].ArgumentsDigest) != 64 {
		t.Fatalf("audit lines %+v", got)
	}
	for i := range got {
		if got[i].TraceID == "" {
			t.Error("no trace id")
		}
		got[i].ExecutionID, got[i].ArgumentsDigest, got[i].TraceID = "", "", ""
	}
	held := []string{"scenarios:read", "scenarios:run"}
	want := []auditLine{
		{Outcome: "allowed", Sub: agent, Tool: lead, ScopesNeeded: []string{"scenarios:run"}, ScopesHeld: held, ScenarioID: 501},
		{Outcome: "error", Reason: "not_found", Sub: agent, Tool: "scenarios_get", ScopesNeeded: []string{"scenarios:read"}, ScopesHeld: held},
		{Outcome: "denied", Reason: "unknown_tool", Sub: agent, Tool: "scenario_502_x", ScopesHeld: held},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("audit lines (-want +got):\n%s", diff)
	}
	if strings.Contains(e.audit.String(), "a@b.c") || strings.Contains(e.logs.String(), "a@b.c") {
		t.Error("an argument is in the logs")
	}
}
