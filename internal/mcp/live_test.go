package mcp_test

import (
	"context"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/mcp"
)

var (
	callLead = &sdk.CallToolParams{Name: lead, Arguments: map[string]any{"email": "a@b.c", "name": "A"}}
	callMe   = &sdk.CallToolParams{Name: "users_me"}
)

// TestRotationLosesNoCall: tokens are replaced, and the old ones killed, while callers call without pause.
func TestRotationLosesNoCall(t *testing.T) {
	e := start(t, nil)
	e.watch()
	client, err := makeapi.New(makeapi.Config{ExtraZones: []string{e.make.Zone}, RootCAs: e.make.CAPool()})
	if err != nil {
		t.Fatal(err)
	}
	root := client.Zone(e.make.Zone, makeapi.APIToken(makesim.RootToken))
	rotate := func() string {
		token, err := root.CreateToken(t.Context(), "mcp", []string{"scenarios:read", "scenarios:run"})
		if err != nil {
			t.Fatal(err)
		}
		e.publish(token.Value)
		return token.Value
	}
	current := rotate()

	const callers = 4
	stop, answered := make(chan struct{}), [callers]chan struct{}{}
	var wg sync.WaitGroup
	for i := range callers {
		session := e.connect(agent, "")
		answered[i] = make(chan struct{})
		wg.Go(func() {
			for {
				res, err := session.CallTool(t.Context(), callLead)
				if err != nil || res.IsError {
					t.Errorf("a call was lost: error %v, result %+v", err, res)
					if res != nil {
						t.Error(text(res))
					}
				}
				select {
				case answered[i] <- struct{}{}:
				case <-stop:
					return
				}
			}
		})
	}
	for range 15 {
		next := rotate()
		e.make.RevokeToken(current) // at once, also under calls that carry it
		current = next
		for _, one := range answered { // two answers each, so that no call meets two rotations
			<-one
			<-one
		}
	}
	close(stop)
	wg.Wait()
	if strings.Contains(e.audit.String()+e.logs.String(), current) {
		t.Error("a Make token is in the logs")
	}
}

// TestRefusedCredentialIsReadAgain: without notification or rhythm, the refusal itself makes the server look.
func TestRefusedCredentialIsReadAgain(t *testing.T) {
	e := start(t, nil) // nobody watches
	session := e.connect(agent, "")
	e.publish(makesim.ReaderToken)
	e.make.RevokeToken(makesim.RootToken)
	if res := e.call(session, "scenarios_get", map[string]any{"scenarioId": 501}); res.IsError {
		t.Error(text(res))
	}
	e.make.RevokeToken(makesim.ReaderToken)
	res := e.call(session, "scenarios_get", map[string]any{"scenarioId": 501})
	if !res.IsError || !strings.Contains(text(res), "does not accept this server's token") {
		t.Error(text(res))
	}
}

func TestServerTokenWithoutScope(t *testing.T) {
	e := start(t, nil)
	e.make.RevokeToken(makesim.RootToken)
	e.publish(makesim.ReaderToken) // has no scenarios:run
	e.watch()
	res := e.call(e.connect(agent, ""), "scenarios_run", map[string]any{"scenarioId": 501, "data": map[string]any{"email": "a@b.c", "name": "A"}})
	if !res.IsError || !strings.Contains(text(res), "lacks the scope scenarios:run") {
		t.Error(text(res))
	}
}

func TestIssuerKeysAreReadAgain(t *testing.T) {
	e := start(t, nil)
	e.watch()
	other := start(t, nil)
	token := other.as(agent)
	if got := e.send(request{authorization: token}); got.status != 401 {
		t.Fatalf("status %d", got.status)
	}
	raw, err := os.ReadFile(filepath.Join(other.dir, "jwks.json"))
	if err != nil {
		t.Fatal(err)
	}
	e.write("jwks.json", raw)
	eventually(t, func() bool { return e.send(request{authorization: token}).status == 200 })
}

// eventually waits for what another goroutine will do; it fails after a time that only a broken server needs.
func eventually(t *testing.T, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen")
		}
		runtime.Gosched()
	}
}

func probe(t *testing.T, handler http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestReadiness(t *testing.T) {
	e := start(t, func(c *mcp.Config) {
		c.Upstream.TokenDir += "-later"
		c.Issuers[0].JWKSFile += "-later"
	})
	e.watch()
	ready := func() (int, string) { return probe(t, e.server.Operations(), "/readyz") }
	if code, body := ready(); code != 503 || !strings.Contains(body, "tokenDir") {
		t.Errorf("without credential: %d %s", code, body)
	}
	if code, _ := probe(t, e.server.Operations(), "/healthz"); code != 200 {
		t.Errorf("healthz: %d", code)
	}
	if got := e.send(request{authorization: e.as(agent)}); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("call without issuer keys: %d", got.status)
	}
	if err := os.Rename(filepath.Join(e.dir, "token"), filepath.Join(e.dir, "token-later")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(e.dir, "jwks.json"), filepath.Join(e.dir, "jwks.json-later")); err != nil {
		t.Fatal(err)
	}
	e.make.Close() // Make need not be there
	eventually(t, func() bool {
		e.clock.Step(time.Minute)
		code, _ := ready()
		return code == 200
	})
}

func TestMetrics(t *testing.T) {
	e := start(t, nil)
	e.call(e.connect(agent, ""), lead, map[string]any{"email": "a@b.c", "name": "A"})
	e.send(request{})
	_, body := probe(t, e.server.Operations(), "/metrics")
	for _, want := range []string{
		`make_mcp_tool_calls_total{outcome="allowed",tool="scenario"} 1`,
		`make_mcp_requests_refused_total{reason="no_bearer_token"} 1`,
		`make_mcp_scenario_refreshes_total{outcome="success"} 1`,
		`make_mcp_tool_call_duration_seconds_count{tool="scenario"} 1`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
}

// TestDrainEndsEventStreams: a caller that only listens does not hold up the end.
func TestDrainEndsEventStreams(t *testing.T) {
	e := start(t, nil)
	cfg := e.config()
	cfg.Listen, cfg.OperationsListen = freeAddress(t), freeAddress(t)
	_, stop, ended := run(t, e, cfg)
	body := `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{},"_meta":{` +
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Authorization": e.as(agent)[0],
		"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen",
	} {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	first := make([]byte, 1)
	if _, err := io.ReadFull(resp.Body, first); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, error %v", resp.StatusCode, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// run starts cfg with real listeners and waits until it accepts.
func run(t *testing.T, e *env, cfg mcp.Config) (server *mcp.Server, stop context.CancelFunc, ended <-chan error) {
	t.Helper()
	server, err := mcp.New(cfg, mcp.Options{Audit: e.audit, Log: slog.New(slog.DiscardHandler), Clock: e.clock, DrainTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- server.Run(ctx) }()
	e.url = "http://" + cfg.Listen + "/mcp"
	eventually(t, func() bool {
		conn, err := net.Dial("tcp", cfg.Listen)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return server, stop, result
}

// TestDrain: a call that runs when the server is asked to stop still gets its answer.
func TestDrain(t *testing.T) {
	e := start(t, nil)
	entered, release := make(chan struct{}), make(chan struct{})
	slow := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		_, _ = io.WriteString(w, `{"authUser":{"id":1,"name":"Slow"}}`)
	}))
	defer slow.Close()
	cfg := e.config()
	cfg.Listen, cfg.OperationsListen = freeAddress(t), freeAddress(t)
	cfg.Upstream = mcp.Upstream{TokenDir: slowToken(t, slow), CAFile: serverCA(t, slow), ExtraZones: []string{strings.TrimPrefix(slow.URL, "https://")}}
	server, stop, ended := run(t, e, cfg)
	session := e.connect(agent, "")
	answer := make(chan string, 1)
	go func() {
		res, err := session.CallTool(context.WithoutCancel(t.Context()), callMe)
		if err != nil {
			answer <- err.Error()
			return
		}
		answer <- text(res)
	}()
	<-entered
	stop()
	eventually(t, func() bool {
		code, _ := probe(t, server.Operations(), "/readyz")
		return code == 503
	})
	close(release)
	if got := <-answer; !strings.Contains(got, `"name":"Slow"`) {
		t.Errorf("the call under way got: %s", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func slowToken(t *testing.T, server *httptest.Server) string {
	t.Helper()
	dir := t.TempDir()
	for key, value := range map[string]string{
		"token": makesim.RootToken, "authorization": "Token " + makesim.RootToken, "zone": strings.TrimPrefix(server.URL, "https://"),
	} {
		if err := os.WriteFile(filepath.Join(dir, key), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func serverCA(t *testing.T, server *httptest.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	raw := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
