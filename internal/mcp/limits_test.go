package mcp_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/makeops/make-operator/internal/mcp"
)

const tooMany = `{"error":"too_many_requests"}` + "\n"

// lastLine is the newest audit line.
func (e *env) lastLine() auditLine {
	e.t.Helper()
	all := e.auditLines()
	return all[len(all)-1]
}

func TestLimitPerCaller(t *testing.T) {
	e := start(t, func(c *mcp.Config) { c.Limits.Standard = mcp.Rate{PerHour: 60, Burst: 3} })
	call := request{body: callBody("scenarios_list"), authorization: e.as(agent)}
	for i := range 3 {
		got := e.send(call)
		if got.status != 200 || got.header.Get("RateLimit-Policy") != `"standard";q=60;w=3600` ||
			got.header.Get("RateLimit") != fmt.Sprintf(`"standard";r=%d;t=%d`, 2-i, 60*(i+1)) {
			t.Errorf("call %d: status %d, %s, %s", i, got.status, got.header.Get("RateLimit-Policy"), got.header.Get("RateLimit"))
		}
	}
	got := e.send(call)
	if got.status != 429 || got.body != tooMany || got.header.Get("Retry-After") != "60" || got.header.Get("RateLimit") != `"standard";r=0;t=180` {
		t.Errorf("fourth call: %+v", got)
	}
	if line := e.lastLine(); line.Outcome != "rate_limited" || line.Reason != "rate_limited" || line.HTTPStatus != 429 || line.Sub != agent || line.Tool != "scenarios_list" {
		t.Errorf("audit line %+v", line)
	}
	if got := e.send(request{body: callBody("scenarios_list"), authorization: e.as(reader)}); got.status != 200 {
		t.Errorf("another caller: %d", got.status)
	}
	if got := e.send(request{authorization: e.as(agent)}); got.status != 200 || !strings.HasPrefix(got.header.Get("RateLimit"), `"protocol"`) {
		t.Errorf("a list of tools: %d, %s", got.status, got.header.Get("RateLimit"))
	}
	e.clock.Step(time.Minute)
	if got := e.send(request{body: callBody("scenarios_list"), authorization: e.as(agent)}); got.status != 200 {
		t.Errorf("a minute later: %d", got.status)
	}
	_, metrics := probe(t, e.server.Operations(), "/metrics")
	if !strings.Contains(metrics, `make_mcp_limit_decisions_total{limit="standard",outcome="limited"} 1`+"\n") {
		t.Error("no metric counts what was limited")
	}
}

// TestClassesAreCountedApart: each class has its own limit, with the defaults.
func TestClassesAreCountedApart(t *testing.T) {
	scopes := []string{"scenarios:read", "scenarios:run", "scenarios:write", "teams:write", "teams:read", "keys:write", "connections:read"}
	e := start(t, func(c *mcp.Config) {
		c.Scopes, c.Limits, c.TeamID = scopes, mcp.Limits{}, 0
		c.Rules = []mcp.Rule{{Issuer: issuer, Subjects: []string{agent}, Scopes: scopes}}
	})
	for tool, policy := range map[string]string{
		"users_me": `"standard";q=1000;w=3600`, "scenarios_run": `"standard";q=1000;w=3600`, "scenario_501_x": `"standard";q=1000;w=3600`,
		"no_such_tool": `"standard";q=1000;w=3600`, "teams_list": `"standard";q=1000;w=3600`, "connections_list": `"standard";q=1000;w=3600`,
		"scenarios_delete": `"sensitive";q=100;w=3600`, "keys_create": `"sensitive";q=100;w=3600`,
		"teams_create": `"admin";q=500;w=3600`, "teams_delete": `"admin";q=500;w=3600`,
	} {
		got := e.send(request{body: callBody(tool), authorization: e.as(agent)})
		if got.header.Get("RateLimit-Policy") != policy {
			t.Errorf("%s: policy %s, want %s; status %d", tool, got.header.Get("RateLimit-Policy"), policy, got.status)
		}
	}
}

func TestLimitPerOrganization(t *testing.T) {
	e := start(t, func(c *mcp.Config) { c.Limits.OrganizationPerMinute = 2 })
	for i, subject := range []string{agent, reader, agent} {
		got := e.send(request{body: callBody("scenarios_list"), authorization: e.as(subject)})
		if limited := got.status == 429; limited != (i == 2) || !strings.HasPrefix(got.header.Get("RateLimit"), `"organization"`) {
			t.Errorf("call %d: status %d, %s", i, got.status, got.header.Get("RateLimit"))
		}
	}
}

// TestFailedAuthentications: bad tokens are counted per address, and good ones from there are still served.
func TestFailedAuthentications(t *testing.T) {
	e := start(t, func(c *mcp.Config) {
		c.Limits.FailedAuthenticationsPerMinute = 0 // the default
		c.TrustedProxies = []string{"127.0.0.0/8"}
	})
	from := func(address string, authorization ...string) response {
		return e.sendFrom(address, request{authorization: authorization})
	}
	for i := range 10 {
		if got := from("10.0.0.1", "Bearer x"); got.status != 401 {
			t.Errorf("failure %d: %d", i, got.status)
		}
	}
	for _, bad := range [][]string{{"Bearer x"}, nil} {
		got := from("10.0.0.1", bad...)
		if got.status != 429 || got.body != tooMany || got.header.Get("Retry-After") != "6" || got.challenge == badToken && len(bad) == 0 {
			t.Errorf("one more failure: %+v", got)
		}
		if line := e.lastLine(); line.Outcome != "rate_limited" || line.Reason != "too_many_failed_authentications" {
			t.Errorf("audit line %+v", line)
		}
	}
	for name, got := range map[string]response{
		"good token from there": from("10.0.0.1", e.as(agent)...),
		"good token, spoofed":   from("10.0.0.2, 10.0.0.1", e.as(agent)...),
	} {
		if got.status != 200 {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	if got := from("10.0.0.2", "Bearer x"); got.status != 401 {
		t.Errorf("another address: %d", got.status)
	}
	if got := from("10.0.0.99, 10.0.0.1", "Bearer x"); got.status != 429 {
		t.Errorf("an address that the caller made up counts: %d", got.status)
	}
	for range 10 {
		from("2001:db8::1", "Bearer x")
	}
	if got := from("2001:db8::ffff", "Bearer x"); got.status != 429 {
		t.Errorf("another address of the same IPv6 network: %d", got.status)
	}
	e.clock.Step(6 * time.Second)
	if first, second := from("10.0.0.1", "Bearer x"), from("10.0.0.1", "Bearer x"); first.status != 401 || second.status != 429 {
		t.Errorf("six seconds later: %d and %d", first.status, second.status)
	}
}

// TestDegradedLimitsAreTold: without Redis the server counts alone, is ready, and tells whoever watches it.
func TestDegradedLimitsAreTold(t *testing.T) {
	const watcher = "system:serviceaccount:make-operator-system:make-operator"
	e := start(t, func(c *mcp.Config) {
		c.Rules = append(c.Rules, mcp.Rule{Issuer: issuer, Subjects: []string{watcher}, Scopes: []string{"scenarios:read"}, ListOnly: true})
		c.Limits.Standard, c.Limits.Redis = mcp.Rate{PerHour: 60, Burst: 4}, mcp.Redis{Address: freeAddress(t), Replicas: 2}
	})
	passed := 0
	for range 6 {
		if e.send(request{body: callBody("scenarios_list"), authorization: e.as(agent)}).status == 200 {
			passed++
		}
	}
	if passed != 2 {
		t.Errorf("%d calls passed, want half of the burst", passed)
	}
	if code, _ := probe(t, e.server.Operations(), "/readyz"); code != 200 {
		t.Errorf("readyz: %d", code)
	}
	const mark = `"makeops.dev/limits":"degraded"`
	if got := e.send(request{authorization: e.as(watcher)}); !strings.Contains(got.body, mark) {
		t.Errorf("whoever watches is not told: %s", got.body)
	}
	if got := e.send(request{authorization: e.as(agent)}); strings.Contains(got.body, mark) {
		t.Error("everybody is told")
	}
	if _, metrics := probe(t, e.server.Operations(), "/metrics"); !strings.Contains(metrics, "make_mcp_limits_shared 0\n") {
		t.Error("no metric tells")
	}
}

func (e *env) sendFrom(address string, r request) response {
	e.t.Helper()
	r.forwardedFor = address
	return e.send(r)
}

func TestUntrustedProxiesNameNobody(t *testing.T) {
	e := start(t, func(c *mcp.Config) { c.Limits.FailedAuthenticationsPerMinute = 1 })
	if got := e.sendFrom("10.0.0.1", request{}); got.status != 401 {
		t.Errorf("first: %d", got.status)
	}
	if got := e.sendFrom("10.0.0.2", request{}); got.status != 429 {
		t.Errorf("second, with another address made up: %d", got.status)
	}
}

// TestReviewsAreNotForStrangers: an address that sent too many bad tokens makes the server ask nobody.
func TestReviewsAreNotForStrangers(t *testing.T) {
	asked := 0
	reviewer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		_, _ = w.Write([]byte(`{"status":{"authenticated":false}}`))
	}))
	defer reviewer.Close()
	e := start(t, func(c *mcp.Config) {
		c.Limits.FailedAuthenticationsPerMinute = 2
		c.Issuers[0] = mcp.Issuer{Issuer: issuer, TokenReviewURL: reviewer.URL, AllowLoopbackHTTP: true}
	})
	for i, want := range []int{401, 401, 429, 429, 429} {
		got := e.send(request{authorization: []string{"Bearer " + e.token(agent, map[string]any{"jti": fmt.Sprint(i)})}})
		if got.status != want {
			t.Errorf("token %d: status %d, want %d", i, got.status, want)
		}
	}
	if asked != 3 {
		t.Errorf("the API server was asked %d times", asked)
	}
}

// TestTooManyAtOnce: a caller's requests under way are bounded, all callers' too, and both end.
func TestTooManyAtOnce(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	slow := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case entered <- struct{}{}:
			<-release
		case <-release:
		}
		_, _ = w.Write([]byte(`{"scenarios":[]}`))
	}))
	defer slow.Close()
	e := start(t, nil)
	e.reconfigure(func(c *mcp.Config) {
		c.Upstream = mcp.Upstream{TokenDir: slowToken(t, slow), CAFile: serverCA(t, slow), ExtraZones: []string{strings.TrimPrefix(slow.URL, "https://")}}
		c.Limits.CallsAtOnce, c.Limits.CallsAtOncePerCaller = 2, 1
	})
	done := make(chan int, 2)
	for _, subject := range []string{agent, reader} {
		r := request{body: callBody("scenarios_list"), authorization: e.as(subject)}
		go func() { done <- e.send(r).status }()
		<-entered
	}
	if got := e.send(request{authorization: e.as(agent)}); got.status != 429 || got.body != tooMany || got.header.Get("Retry-After") != "1" {
		t.Errorf("the same caller once more: %+v", got)
	}
	if line := e.lastLine(); line.Outcome != "rate_limited" || line.Reason != "too_many_at_once" {
		t.Errorf("audit line %+v", line)
	}
	if got := e.send(request{authorization: e.as(picker)}); got.status != 503 || got.header.Get("Retry-After") != "1" {
		t.Errorf("one more caller: %+v", got)
	}
	close(release)
	for range 2 {
		if code := <-done; code != 200 {
			t.Errorf("a call under way: %d", code)
		}
	}
	if got := e.send(request{authorization: e.as(agent)}); got.status != 200 {
		t.Errorf("afterwards: %d", got.status)
	}
}

// TestLongCallsOutliveDeadlines: the deadlines for reading a request and for the next piece of an answer do not end a call that
// takes longer, with neither version of HTTP.
func TestLongCallsOutliveDeadlines(t *testing.T) {
	const deadline = 200 * time.Millisecond
	slow := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(3 * deadline):
		case <-r.Context().Done():
		}
		_, _ = w.Write([]byte(`{"scenarios":[]}`))
	}))
	defer slow.Close()
	e := start(t, nil)
	e.reconfigure(func(c *mcp.Config) {
		c.Upstream = mcp.Upstream{TokenDir: slowToken(t, slow), CAFile: serverCA(t, slow), ExtraZones: []string{strings.TrimPrefix(slow.URL, "https://")}}
	})
	for _, version := range []int{1, 2} {
		server := httptest.NewUnstartedServer(e.server.Handler())
		server.Config.ReadTimeout, server.Config.WriteTimeout = deadline, deadline
		server.EnableHTTP2 = version == 2
		server.StartTLS()
		defer server.Close()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/mcp", strings.NewReader(callBody("scenarios_list")))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{
			"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Authorization": e.as(agent)[0], "Mcp-Protocol-Version": "2025-11-25",
		} {
			req.Header.Set(name, value)
		}
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Errorf("HTTP/%d: %v", version, err)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || resp.ProtoMajor != version || strings.Contains(string(body), `"isError":true`) {
			t.Errorf("HTTP/%d: status %d, error %v: %s", resp.ProtoMajor, resp.StatusCode, err, body)
		}
	}
}
