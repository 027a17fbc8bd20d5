package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/makeops/make-operator/internal/makesim"
)

// asMakesim makes this test binary the command itself, so that tests can start and kill real processes.
const asMakesim = "TEST_AS_MAKESIM"

func TestMain(m *testing.M) {
	if os.Getenv(asMakesim) != "" {
		main() // exits
	}
	os.Exit(m.Run())
}

// command is makesim in a process of its own.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), asMakesim+"=1")
	return cmd
}

// child is a running makesim with its files in a folder.
type child struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	http *http.Client
}

func startChild(t *testing.T, dir string, args ...string) *child {
	t.Helper()
	file := func(name string) string { return filepath.Join(dir, name) }
	args = append(args, "--listen", "127.0.0.1:0", "--tls-dir", file("tls"), "--state", file("state"), "--ledger", file("ledger"))
	c := &child{t: t, cmd: command(t, args...)}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	c.cmd.Stderr = &stderr
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("did not start: %v, %s", err, stderr.String())
	}
	_, url, _ := strings.Cut(line, "listening on ")
	c.url, _, _ = strings.Cut(url, ",")
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(read(t, file("tls/ca.pem")))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	c.http = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// kill is kill -9.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may be dead already
	_ = c.cmd.Wait()         // it was killed
}

// send returns the status and the decoded answer; the error is for a process that was killed meanwhile.
func (c *child) send(method, path, contentType, body string) (*http.Response, map[string]any, error) {
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", "Token "+makesim.RootToken)
	response, err := c.http.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, nil, err
	}
	answer := map[string]any{}
	if len(data) > 0 && data[0] == '{' {
		err = json.Unmarshal(data, &answer)
	}
	return response, answer, err
}

func (c *child) ok(method, path, contentType, body string) map[string]any {
	c.t.Helper()
	response, answer, err := c.send(method, path, contentType, body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	if response.StatusCode >= 400 {
		c.t.Fatalf("%s %s: %d %v", method, path, response.StatusCode, answer)
	}
	return answer
}

func (c *child) json(method, path, body string) map[string]any {
	c.t.Helper()
	return c.ok(method, path, "application/json", body)
}

func (c *child) form(path, body string) map[string]any {
	c.t.Helper()
	return c.ok("POST", path, "application/x-www-form-urlencoded", body)
}

// state is what the simulator says of a token.
func (c *child) state(token string) any {
	c.t.Helper()
	return c.json("GET", "/_sim/tokens/"+makesim.Fingerprint(token), "")["state"]
}
