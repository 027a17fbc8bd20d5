package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"sigs.k8s.io/yaml"

	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/mcp"
)

// asMakeMCP makes this test binary the command itself, so that tests can start real processes.
const asMakeMCP = "TEST_AS_MAKE_MCP"

func TestMain(m *testing.M) {
	if os.Getenv(asMakeMCP) != "" {
		main() // exits
	}
	os.Exit(m.Run())
}

const (
	issuer   = "https://kubernetes.default.svc"
	resource = "http://tools.sales.svc/mcp"
	agent    = "system:serviceaccount:sales:agent"
)

// world is a simulated Make and an issuer of tokens, for any number of servers.
type world struct {
	t    *testing.T
	dir  string
	key  *ecdsa.PrivateKey
	make *makesim.TLSServer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	var err error
	if w.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if w.make, err = makesim.NewTLSServer(makesim.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.make.Close)
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: w.key.Public(), KeyID: "k", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"jwks.json": string(keys), "ca.pem": string(w.make.CAPEM()),
		"token": makesim.RootToken, "authorization": "Token " + makesim.RootToken, "zone": w.make.Zone,
	} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// config is for a server on any free port.
func (w *world) config() mcp.Config {
	scopes := []string{"scenarios:read", "scenarios:run"}
	return mcp.Config{
		Listen: "127.0.0.1:0", OperationsListen: "127.0.0.1:0", Resource: resource, AllowedHosts: []string{"127.0.0.1"},
		Issuers:        []mcp.Issuer{{Issuer: issuer, JWKSFile: filepath.Join(w.dir, "jwks.json")}},
		Rules:          []mcp.Rule{{Issuer: issuer, Subjects: []string{agent}, Scopes: scopes}},
		Upstream:       mcp.Upstream{TokenDir: w.dir, CAFile: filepath.Join(w.dir, "ca.pem"), ExtraZones: []string{w.make.Zone}},
		OrganizationID: makesim.OrganizationID, TeamID: makesim.TeamID, Scopes: scopes,
	}
}

// token is the agent's, good for an hour.
func (w *world) token() string {
	w.t.Helper()
	now := time.Now()
	claims, err := json.Marshal(map[string]any{"iss": issuer, "sub": agent, "aud": resource, "exp": now.Add(time.Hour).Unix(), "iat": now.Unix()})
	if err != nil {
		w.t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: w.key, KeyID: "k"}}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		w.t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// child is a running make-mcp.
type child struct {
	t                   *testing.T
	cmd                 *exec.Cmd
	address, operations string
	audit, logs         lockedBuffer
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// start runs make-mcp in a process of its own until the test ends.
func start(t *testing.T, cfg mcp.Config) *child {
	t.Helper()
	raw, err := yaml.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: exec.CommandContext(t.Context(), self, "--config", path)}
	c.cmd.Env = append(os.Environ(), asMakeMCP+"=1")
	c.cmd.Stdout = &c.audit
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(io.TeeReader(stderr, &c.logs))
	for c.address == "" {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			t.Fatalf("make-mcp did not start: %v, %s", err, c.logs.String())
		}
		var entry struct{ Msg, Address, Operations string }
		if json.Unmarshal(line, &entry) == nil && entry.Msg == "serving" {
			c.address, c.operations = entry.Address, entry.Operations
		}
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.Copy(io.Discard, lines)
	}()
	t.Cleanup(func() {
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
		<-drained
		_ = c.cmd.Wait()
		for _, secret := range []string{makesim.RootToken, "eyJ"} {
			if strings.Contains(c.audit.String()+c.logs.String(), secret) {
				t.Error("a token is in the logs")
			}
		}
	})
	return c
}

// request is a POST to the MCP endpoint.
func (c *child) request(token, body string) *http.Request {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, "http://"+c.address+"/mcp", strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Mcp-Protocol-Version": "2025-11-25", "Authorization": "Bearer " + token,
	} {
		r.Header.Set(name, value)
	}
	return r
}

func call(tool string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `","arguments":{}}}`
}

const list = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`

// status does a request and returns the status and the body.
func status(t *testing.T, client *http.Client, r *http.Request) (int, string) {
	t.Helper()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// metric reads one number.
func (c *child) metric(name string) float64 {
	c.t.Helper()
	_, text := c.get("/metrics")
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				c.t.Fatal(err)
			}
			return f
		}
	}
	c.t.Fatalf("no metric %s", name)
	return 0
}

// get reads a page of the operations listener.
func (c *child) get(path string) (int, string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, "http://"+c.operations+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return status(c.t, http.DefaultClient, r)
}

// residentMiB is the process' resident memory; not everywhere can it be told.
func (c *child) residentMiB() (float64, bool) {
	c.t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(raw)) {
		var kilobytes float64
		if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kilobytes); n == 1 {
			return kilobytes / 1024, true
		}
	}
	return 0, false
}

// eventually waits for what another process will do; it fails after a time that only a broken one needs.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: it did not happen", what)
		}
	}
}
