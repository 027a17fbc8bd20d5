package mcp_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/makeops/make-operator/internal/makeapi/catalogue"
	"github.com/makeops/make-operator/internal/mcp"
)

// writeCertificate makes a certificate with this serial number, as somebody who renews Secrets does.
func (e *env) writeCertificate(serial int64) {
	e.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		e.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "tools"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		e.t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		e.t.Fatal(err)
	}
	e.write("tls.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
	e.write("tls.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// shake connects and returns what was negotiated.
func shake(address string, version uint16) (tls.ConnectionState, error) {
	conn, err := tls.Dial("tcp", address, &tls.Config{MaxVersion: version, InsecureSkipVerify: true}) // the test looks at the certificate itself
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.ConnectionState(), nil
}

func TestOwnTLS(t *testing.T) {
	e := start(t, nil)
	cfg := e.config()
	cfg.Listen, cfg.OperationsListen = freeAddress(t), freeAddress(t)
	cfg.TLS = mcp.TLS{CertFile: filepath.Join(e.dir, "tls.crt"), KeyFile: filepath.Join(e.dir, "tls.key")}
	e.clock.Step(0)
	server, stop, ended := run(t, e, cfg)
	if code, body := probe(t, server.Operations(), "/readyz"); code != 503 || !strings.Contains(body, "certFile") {
		t.Errorf("ready without a certificate: %d %s", code, body)
	}
	e.writeCertificate(1)
	serial := func() int64 {
		state, err := shake(cfg.Listen, tls.VersionTLS13)
		if err != nil {
			return 0
		}
		return state.PeerCertificates[0].SerialNumber.Int64()
	}
	eventually(t, func() bool { return serial() == 1 })
	if code, _ := probe(t, server.Operations(), "/readyz"); code != 200 {
		t.Errorf("not ready with a certificate: %d", code)
	}
	if state, err := shake(cfg.Listen, tls.VersionTLS13); err != nil || state.Version != tls.VersionTLS13 {
		t.Errorf("version %x, %v", state.Version, err)
	}
	if state, err := shake(cfg.Listen, tls.VersionTLS12); err != nil || state.Version != tls.VersionTLS12 {
		t.Errorf("version %x, %v", state.Version, err)
	}
	if _, err := shake(cfg.Listen, tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	e.write("tls.key", []byte("half written"))
	e.writeCertificate(2)
	eventually(t, func() bool { return serial() == 2 })

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+cfg.Listen+"/mcp", strings.NewReader(listBody))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Authorization": e.as(agent)[0], "Mcp-Protocol-Version": "2025-11-25",
	} {
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Error(err)
	}
	if resp.StatusCode != 200 || resp.ProtoMajor != 2 || resp.Header.Get("Strict-Transport-Security") != "max-age=31536000" {
		t.Errorf("status %d over HTTP/%d, HSTS %q", resp.StatusCode, resp.ProtoMajor, resp.Header.Get("Strict-Transport-Security"))
	}
	client.CloseIdleConnections()
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestOnlyTLS13(t *testing.T) {
	e := start(t, nil)
	e.writeCertificate(1)
	cfg := e.config()
	cfg.Listen, cfg.OperationsListen = freeAddress(t), freeAddress(t)
	cfg.TLS = mcp.TLS{CertFile: filepath.Join(e.dir, "tls.crt"), KeyFile: filepath.Join(e.dir, "tls.key"), MinVersion: "1.3"}
	_, stop, ended := run(t, e, cfg)
	if _, err := shake(cfg.Listen, tls.VersionTLS12); err == nil {
		t.Error("TLS 1.2 is spoken")
	}
	if _, err := shake(cfg.Listen, tls.VersionTLS13); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestNoHSTSWithoutTLS(t *testing.T) {
	e := start(t, nil)
	if got := e.send(request{authorization: e.as(agent)}); got.header.Get("Strict-Transport-Security") != "" {
		t.Error("HSTS over plain HTTP")
	}
}

const (
	callersTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	callersSpan  = "00f067aa0ba902b7"
	otherTrace   = "0af7651916cd43dd8448eb211c80319c"
)

// TestTraceIDInAudit: the caller's trace is in the audit log, by header or by _meta, and one of our own when it sent none.
func TestTraceIDInAudit(t *testing.T) {
	e := start(t, nil)
	meta := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"no_such","_meta":{"traceparent":"00-` + otherTrace + `-b7ad6b7169203331-01"}}}`
	header := "00-" + callersTrace + "-" + callersSpan + "-01"
	for name, tt := range map[string]struct {
		request request
		want    string // empty: any
	}{
		"header":               {request{body: callBody("no_such"), authorization: e.as(agent), traceparent: header}, callersTrace},
		"header, refused":      {request{traceparent: header}, callersTrace},
		"meta":                 {request{body: meta, authorization: e.as(agent)}, otherTrace},
		"meta before header":   {request{body: meta, authorization: e.as(agent), traceparent: header}, otherTrace},
		"none":                 {request{body: callBody("no_such"), authorization: e.as(agent)}, ""},
		"malformed":            {request{body: callBody("no_such"), authorization: e.as(agent), traceparent: "00-x"}, ""},
		"malformed in meta":    {request{body: strings.Replace(meta, otherTrace, "zz", 1), authorization: e.as(agent)}, ""},
		"something else there": {request{body: strings.Replace(meta, `{"traceparent"`, `{"x":1,"traceparent"`, 1), authorization: e.as(agent)}, otherTrace},
	} {
		e.send(tt.request)
		got := e.lastLine().TraceID
		if tt.want != "" && got != tt.want {
			t.Errorf("%s: trace id %q, want %s", name, got, tt.want)
		}
		if raw, err := hex.DecodeString(got); err != nil || len(raw) != 16 || bytes.Equal(raw, make([]byte, 16)) {
			t.Errorf("%s: trace id %q", name, got)
		}
	}
}

// TestSpansAreExported: a configured collector gets the spans of a call, in the caller's trace, and no argument and no token.
func TestSpansAreExported(t *testing.T) {
	bodies := make(chan []byte, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/v1/traces" {
			bodies <- raw
		}
	}))
	defer collector.Close()
	e := start(t, nil)
	cfg := e.config()
	cfg.Listen, cfg.OperationsListen = freeAddress(t), freeAddress(t)
	cfg.Tracing = mcp.Tracing{Endpoint: collector.URL + "/v1/traces"}
	_, stop, ended := run(t, e, cfg)
	token := e.as(agent)
	e.send(request{body: strings.Replace(callBody("scenarios_get"), "{}}", `{"scenarioId":424242}}`, 1), authorization: token, traceparent: "00-" + callersTrace + "-" + callersSpan + "-01"})
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	close(bodies)
	var all []byte
	for raw := range bodies {
		all = append(all, raw...)
	}
	trace, _ := hex.DecodeString(callersTrace)
	for _, want := range [][]byte{trace, []byte("tools/call scenarios_get"), []byte("mcp.method.name"), []byte("HTTP request"), []byte("make-mcp")} {
		if !bytes.Contains(all, want) {
			t.Errorf("no %q among %d bytes of spans", want, len(all))
		}
	}
	for _, secret := range []string{strings.TrimPrefix(token[0], "Bearer "), "424242", agent} {
		if bytes.Contains(all, []byte(secret)) {
			t.Errorf("%q is in the spans", secret)
		}
	}
}

// TestAllowedOrigins: pages of other hosts may call when they are named, port and scheme included.
func TestAllowedOrigins(t *testing.T) {
	e := start(t, func(c *mcp.Config) { c.AllowedOrigins = []string{"https://app.example.com:8443"} })
	for origin, want := range map[string]int{
		"https://app.example.com:8443": 200, "https://APP.example.com:8443": 200,
		"https://app.example.com": 403, "http://app.example.com:8443": 403, "https://app.example.com:8443.evil.example": 403, "null": 403,
	} {
		if got := e.send(request{origin: origin, authorization: e.as(agent)}); got.status != want {
			t.Errorf("%s: %d, want %d", origin, got.status, want)
		}
	}
}

// TestScopesOfTheToken: a token without the scope is told which one to get.
func TestScopesOfTheToken(t *testing.T) {
	e := start(t, func(c *mcp.Config) { c.Issuers[0].ScopeClaim = "scope" })
	with := func(scope any) []string { return []string{"Bearer " + e.token(agent, map[string]any{"scope": scope})} }
	if got := e.send(request{body: callBody("scenarios_list"), authorization: with("scenarios:read")}); got.status != 200 {
		t.Errorf("with the scope: %d", got.status)
	}
	for name, authorization := range map[string][]string{"another scope": with("scenarios:read"), "no scope": e.as(agent)} {
		got := e.send(request{body: callBody("scenarios_run"), authorization: authorization})
		if got.status != 403 || !strings.Contains(got.challenge, `error="insufficient_scope"`) || !strings.Contains(got.challenge, `scope="scenarios:run"`) {
			t.Errorf("%s: %d, %s", name, got.status, got.challenge)
		}
	}
	var list struct {
		Result struct {
			Tools []struct{ Name string }
		}
	}
	got := e.send(request{authorization: with("scenarios:run")})
	if err := json.Unmarshal([]byte(got.body[strings.Index(got.body, "{"):]), &list); err != nil {
		t.Fatal(err, got.body)
	}
	for _, tool := range list.Result.Tools {
		if tool.Name == "scenarios_list" {
			t.Error("a tool is listed whose scope the token lacks")
		}
	}
}

// TestHeadersMustAgreeWithTheBody: whoever judges by headers and whoever judges by the body see the same call.
func TestHeadersMustAgreeWithTheBody(t *testing.T) {
	e := start(t, nil)
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"scenarios_list","arguments":{},"_meta":{` +
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	for name, headers := range map[string]map[string]string{
		"another method": {"Mcp-Method": "tools/list", "Mcp-Name": "scenarios_list"},
		"another tool":   {"Mcp-Method": "tools/call", "Mcp-Name": "users_me"},
		"no method":      {"Mcp-Name": "scenarios_list"},
		"no tool":        {"Mcp-Method": "tools/call"},
	} {
		got := e.send(request{body: body, version: "2026-07-28", authorization: e.as(agent), headers: headers})
		if got.status != 400 || !strings.Contains(got.body, "-32020") {
			t.Errorf("%s: status %d: %s", name, got.status, got.body)
		}
		if line := e.lastLine(); line.Outcome != "denied" || line.Reason != "protocol_error" {
			t.Errorf("%s: audit line %+v", name, line)
		}
	}
	good := map[string]string{"Mcp-Method": "tools/call", "Mcp-Name": "scenarios_list"}
	if got := e.send(request{body: body, version: "2026-07-28", authorization: e.as(agent), headers: good}); got.status != 200 {
		t.Errorf("agreeing headers: %d: %s", got.status, got.body)
	}
}

// TestMissingScopeOfEachTool: every tool that needs a scope is refused to a caller without it, by the name of the scope.
func TestMissingScopeOfEachTool(t *testing.T) {
	const poor = "system:serviceaccount:sales:poor"
	e := start(t, func(c *mcp.Config) {
		wholeServer(c)
		c.Rules = append(c.Rules, mcp.Rule{Issuer: issuer, Subjects: []string{poor}, Scopes: []string{"devices:read"}})
	})
	scopes := map[string]string{}
	for _, tool := range catalogue.Tools() {
		scopes[tool.Name] = tool.Scope
	}
	token, checked := e.as(poor), 0
	for _, name := range e.toolNames(admin) {
		scope, known := scopes[name]
		if !known || scope == "" || scope == "devices:read" {
			continue
		}
		checked++
		got := e.send(request{body: callBody(name), authorization: token})
		if got.status != 403 || !strings.Contains(got.challenge, `error="insufficient_scope"`) || !strings.HasSuffix(got.challenge, `scope="`+scope+`"`) {
			t.Errorf("%s: status %d, challenge %s, want %s", name, got.status, got.challenge, scope)
		}
	}
	if checked < 150 {
		t.Errorf("%d tools were checked", checked)
	}
}

// TestAnswersDoNotMix: of a thousand requests at once each gets its own answer.
func TestAnswersDoNotMix(t *testing.T) {
	e := start(t, func(c *mcp.Config) { c.Limits.CallsAtOnce, c.Limits.CallsAtOncePerCaller = 1000, 1000 })
	subjects := []string{agent, reader, picker}
	var wg sync.WaitGroup
	for worker := range 50 {
		subject := subjects[worker%len(subjects)]
		token := e.as(subject)
		wg.Go(func() {
			for i := range 20 {
				id := fmt.Sprintf(`"id":"%s-%d-%d"`, subject, worker, i)
				got := e.send(request{body: strings.Replace(listBody, `"id":1`, id, 1), authorization: token})
				if got.status != 200 || !strings.Contains(got.body, id) || strings.Contains(got.body, `"scenarios_run"`) != (subject == agent) {
					t.Errorf("%s got status %d", id, got.status)
				}
			}
		})
	}
	wg.Wait()
}
