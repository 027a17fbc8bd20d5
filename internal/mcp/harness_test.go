package mcp_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/makeapi/catalogue"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/mcp"
)

const (
	issuer   = "https://kubernetes.default.svc"
	resource = "http://tools.sales.svc/mcp"
	agent    = "system:serviceaccount:sales:agent"  // may read and run
	reader   = "system:serviceaccount:sales:reader" // may read
	picker   = "system:serviceaccount:sales:picker" // may run one scenario
	admin    = "system:serviceaccount:sales:admin"  // has every scope that the server's token has
	guest    = "system:serviceaccount:sales:guest"  // has no rule
)

// env is a server in front of a simulated Make, on loopback.
type env struct {
	t      *testing.T
	clock  *clocktesting.FakeClock
	make   *makesim.TLSServer
	server *mcp.Server
	url    string // of the MCP endpoint
	audit  *lines
	logs   *lines
	key    *ecdsa.PrivateKey
	dir    string // holds jwks.json, ca.pem and token/
	tokens int    // generations of token/
}

// lines is a writer that tests read.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// start starts a server; change may alter its config first.
func start(t *testing.T, change func(*mcp.Config)) *env {
	t.Helper()
	e := &env{t: t, clock: clocktesting.NewFakeClock(time.Now()), audit: &lines{}, logs: &lines{}, dir: t.TempDir()}
	var err error
	if e.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if e.make, err = makesim.NewTLSServer(makesim.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.make.Close)
	e.writeKeys()
	e.write("ca.pem", e.make.CAPEM())
	if err := os.Mkdir(filepath.Join(e.dir, "token"), 0o700); err != nil {
		t.Fatal(err)
	}
	e.publish(makesim.RootToken)
	cfg := e.config()
	if change != nil {
		change(&cfg)
	}
	e.serve(cfg)
	t.Cleanup(func() {
		for _, secret := range []string{makesim.RootToken, makesim.ReaderToken} {
			if strings.Contains(e.audit.String()+e.logs.String(), secret) {
				t.Error("a Make token is in the logs")
			}
		}
	})
	return e
}

// reconfigure starts another server in place of the first one.
func (e *env) reconfigure(change func(*mcp.Config)) {
	e.t.Helper()
	cfg := e.config()
	change(&cfg)
	e.serve(cfg)
}

func (e *env) serve(cfg mcp.Config) {
	e.t.Helper()
	t := e.t
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	var err error
	e.server, err = mcp.New(cfg, mcp.Options{Version: "test", Audit: e.audit, Log: slog.New(slog.NewJSONHandler(e.logs, nil)), Clock: e.clock})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(e.server.Handler())
	t.Cleanup(listener.Close)
	e.url = listener.URL + "/mcp"
}

// allScopes are those that some tool of the catalogue needs.
func allScopes() []string {
	var scopes []string
	for _, t := range catalogue.Tools() {
		if t.Scope != "" && !slices.Contains(scopes, t.Scope) {
			scopes = append(scopes, t.Scope)
		}
	}
	return scopes
}

// wholeServer is a change of the config: a server with every scope, for every team of the organization.
func wholeServer(c *mcp.Config) { c.Scopes, c.TeamID = allScopes(), 0 }

func (e *env) config() mcp.Config {
	rule := func(subject string, scopes, tools []string) mcp.Rule {
		return mcp.Rule{Issuer: issuer, Subjects: []string{subject}, Scopes: scopes, Tools: tools}
	}
	return mcp.Config{
		Listen: "127.0.0.1:0", OperationsListen: "127.0.0.1:0",
		Resource: resource, AllowedHosts: []string{"127.0.0.1"},
		Issuers: []mcp.Issuer{{Issuer: issuer, JWKSFile: filepath.Join(e.dir, "jwks.json")}},
		Rules: []mcp.Rule{
			rule(agent, []string{"scenarios:read", "scenarios:run"}, nil),
			rule(reader, []string{"scenarios:read"}, nil),
			rule(picker, []string{"scenarios:read", "scenarios:run"}, []string{"scenario_501"}),
			rule(admin, allScopes(), nil),
		},
		Upstream: mcp.Upstream{
			TokenDir: filepath.Join(e.dir, "token"), CAFile: filepath.Join(e.dir, "ca.pem"), ExtraZones: []string{e.make.Zone},
		},
		OrganizationID: makesim.OrganizationID, TeamID: makesim.TeamID,
		Scopes: []string{"scenarios:read", "scenarios:run"},
		Tools:  mcp.Tools{Scenarios: true},
		Limits: mcp.Limits{ // out of the way: tests of limits set their own
			Standard: mcp.Rate{PerHour: 1_000_000}, Sensitive: mcp.Rate{PerHour: 1_000_000}, Admin: mcp.Rate{PerHour: 1_000_000},
			Protocol: mcp.Rate{PerHour: 1_000_000}, OrganizationPerMinute: 100_000, FailedAuthenticationsPerMinute: 1000,
		},
	}
}

func (e *env) write(name string, content []byte) {
	e.t.Helper()
	if err := os.WriteFile(filepath.Join(e.dir, name), content, 0o600); err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) writeKeys() {
	e.t.Helper()
	raw, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: e.key.Public(), KeyID: "k", Use: "sig"}}})
	if err != nil {
		e.t.Fatal(err)
	}
	e.write("jwks.json", raw)
}

// publish replaces the mounted Secret as the kubelet does.
func (e *env) publish(token string) {
	e.t.Helper()
	e.tokens++
	generation := fmt.Sprintf("token/..%d", e.tokens)
	if err := os.Mkdir(filepath.Join(e.dir, generation), 0o700); err != nil {
		e.t.Fatal(err)
	}
	for key, value := range map[string]string{"token": token, "authorization": "Token " + token, "zone": e.make.Zone} {
		e.write(filepath.Join(generation, key), []byte(value))
	}
	link := filepath.Join(e.dir, "token", "..tmp")
	if err := os.Symlink(filepath.Base(generation), link); err != nil {
		e.t.Fatal(err)
	}
	if err := os.Rename(link, filepath.Join(e.dir, "token", "..data")); err != nil {
		e.t.Fatal(err)
	}
}

// claims is a good set of claims for subject; override replaces some, nil removes.
func (e *env) claims(subject string, override map[string]any) map[string]any {
	now := e.clock.Now()
	claims := map[string]any{
		"iss": issuer, "sub": subject, "aud": []string{resource},
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(claims, override)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

// sign signs any payload with the issuer's key.
func (e *env) sign(payload []byte) string {
	e.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: e.key, KeyID: "k"}}, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		e.t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		e.t.Fatal(err)
	}
	return compact
}

func (e *env) token(subject string, override map[string]any) string {
	e.t.Helper()
	raw, err := json.Marshal(e.claims(subject, override))
	if err != nil {
		e.t.Fatal(err)
	}
	return e.sign(raw)
}

// bearer adds a token to each request.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// connect opens a session of the SDK's client for subject. An empty version means the newest.
func (e *env) connect(subject, version string) *sdk.ClientSession {
	e.t.Helper()
	return e.connectAs(subject, version, nil)
}

func (e *env) connectAs(subject, version string, options *sdk.ClientOptions) *sdk.ClientSession {
	e.t.Helper()
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, options)
	session, err := client.Connect(e.t.Context(), &sdk.StreamableClientTransport{
		Endpoint:             e.url,
		HTTPClient:           &http.Client{Transport: bearer(e.token(subject, nil))},
		DisableStandaloneSSE: true,
		MaxRetries:           -1,
	}, &sdk.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = session.Close() })
	return session
}

func (e *env) call(session *sdk.ClientSession, name string, args any) *sdk.CallToolResult {
	e.t.Helper()
	res, err := session.CallTool(e.t.Context(), &sdk.CallToolParams{Name: name, Arguments: args})
	if err != nil {
		e.t.Fatalf("call %s: %v", name, err)
	}
	return res
}

// toolNames lists the tools that subject sees, in order.
func (e *env) toolNames(subject string) []string {
	e.t.Helper()
	res, err := e.connect(subject, "").ListTools(e.t.Context(), nil)
	if err != nil {
		e.t.Fatal(err)
	}
	var names []string
	for _, tool := range res.Tools {
		names = append(names, tool.Name)
	}
	return names
}

// auditLine is what tests look at in an audit line.
type auditLine struct {
	Outcome, Reason, Sub, Tool string
	HTTPStatus                 int
	ScopesNeeded, ScopesHeld   []string
	ArgumentsDigest            string
	ScenarioID                 int64
	ExecutionID                string
	TraceID, TokenID           string
}

func (e *env) auditLines() []auditLine {
	e.t.Helper()
	var out []auditLine
	for line := range strings.Lines(e.audit.String()) {
		var l auditLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			e.t.Fatal(err)
		}
		out = append(out, l)
	}
	return out
}

// paths are the requests that Make has seen, as "METHOD /path".
func (e *env) paths() []string {
	var all []string
	for _, entry := range e.make.Ledger() {
		if entry.Request != nil {
			all = append(all, entry.Request.Method+" "+strings.TrimPrefix(entry.Request.Path, "/api/v2"))
		}
	}
	return all
}

// requests counts the requests that Make has seen on a path.
func (e *env) requests(method, path string) int {
	n := 0
	for _, entry := range e.make.Ledger() {
		if entry.Request != nil && entry.Request.Method == method && entry.Request.Path == "/api/v2"+path {
			n++
		}
	}
	return n
}

// watch keeps the server's files fresh until the test ends.
func (e *env) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.server.Watch(ctx)
	}()
	e.t.Cleanup(func() {
		cancel()
		<-done
	})
}

func text(res *sdk.CallToolResult) string {
	var b strings.Builder
	for _, c := range res.Content {
		if t, ok := c.(*sdk.TextContent); ok {
			b.WriteString(t.Text)
		}
	}
	return b.String()
}
