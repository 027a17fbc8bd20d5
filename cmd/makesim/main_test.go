package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// startMakesim runs the command until stop is called, which returns its exit code. lines are what it printed.
func startMakesim(t *testing.T, wantLines int, args ...string) (lines []string, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	var stderr bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, args, in, &stderr)
		_ = in.Close()
	}()
	scanner := bufio.NewScanner(out)
	for len(lines) < wantLines && scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	stop = func() int {
		cancel()
		return <-code
	}
	if len(lines) < wantLines {
		t.Fatalf("did not start: exit code %d, %s", stop(), stderr.String())
	}
	return lines, stop
}

func get(t *testing.T, url string, ca []byte) string {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestServesAndStops(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	args := []string{
		"--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--tls-dir", file("tls"), "--ledger", file("ledger"),
		"--address-file", file("addresses"), "--san", "make.example",
	}
	lines, stop := startMakesim(t, 2, args...)
	urls := strings.Fields(string(read(t, file("addresses"))))
	if len(urls) != 2 || lines[0] != "makesim: listening on "+urls[0]+", CA "+file("tls/ca.pem") || lines[1] != "makesim: listening on "+urls[1] {
		t.Fatalf("printed %q, wrote %q", lines, urls)
	}
	ca := read(t, file("tls/ca.pem"))
	for _, url := range urls {
		if got := get(t, url+"/api/v2/ping", ca); got != "pong" {
			t.Errorf("%s: %q", url, got)
		}
	}
	if code := stop(); code != 0 {
		t.Errorf("exit code %d after a signal", code)
	}
	if got := strings.Count(string(read(t, file("ledger"))), "\n"); got != 2 {
		t.Errorf("%d lines in the ledger, want 2", got)
	}

	_, stop = startMakesim(t, 2, args...)
	if !bytes.Equal(ca, read(t, file("tls/ca.pem"))) {
		t.Error("the second start made another CA")
	}
	if code := stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// The real command is started for each mistake.
func TestMistakesAreOneLineAndExitCode2(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	broken := file("seed.yaml", "organizations:\n- {id: 1, plan: gold}\nusers: [{id: 1}]\n")
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"unknown flag":     {[]string{"--sed", "x"}, "-sed"},
		"argument":         {[]string{"serve"}, `unexpected argument "serve"`},
		"broken seed":      {[]string{"--seed", broken}, `organizations[0].plan: "gold"`},
		"seed is no YAML":  {[]string{"--seed", file("tab.yaml", "\tx: [")}, "parse seed"},
		"no seed":          {[]string{"--seed", filepath.Join(dir, "none")}, "open seed"},
		"unknown knob":     {[]string{"--knob", "refreshClas=E"}, `--knob: unknown knob "refreshClas"`},
		"ill-typed knob":   {[]string{"--knob", "codeSeconds=soon"}, "--knob: codeSeconds: a JSON string does not fit"},
		"knob of no class": {[]string{"--knob", "refreshClass=Z"}, `refreshClass: "Z" is none of A, B, C, D, E, F`},
		"knob, no value":   {[]string{"--knob", "refreshClass"}, "want name=value"},
		"broken state":     {[]string{"--state", file("state", "{")}, "read state"},
		"old state":        {[]string{"--state", file("old", `{"version":0}`)}, "it has version 0"},
		"state nowhere":    {[]string{"--state", filepath.Join(dir, "no", "state")}, "write state"},
		"port in use":      {[]string{"--listen", taken.Addr().String(), "--tls-dir", dir}, "address already in use"},
		"http in use":      {[]string{"--listen", "", "--http", taken.Addr().String()}, "address already in use"},
		"http for all":     {[]string{"--http", ":8080"}, "loopback only"},
		"http no port":     {[]string{"--http", "127.0.0.1"}, "want host:port"},
		"nothing":          {[]string{"--listen", ""}, "nothing to serve"},
		"strange name":     {[]string{"--san", "https://make.example"}, "neither a host name nor an IP address"},
		"ledger nowhere":   {[]string{"--ledger", filepath.Join(dir, "no", "ledger")}, "open ledger"},
		"no ledger":        {[]string{"--ledger", file("ledger", "hello\n")}, "not a ledger"},
		"no TLS dir":       {[]string{"--tls-dir", filepath.Join(broken, "tls")}, "create TLS directory"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			cmd := command(t, test.args...)
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			exit, ok := errors.AsType[*exec.ExitError](cmd.Run())
			if !ok || exit.ExitCode() != 2 || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), test.says) || stdout.Len() > 0 {
				t.Errorf("%v, %q, %q", exit, stderr.String(), stdout.String())
			}
		})
	}
}

func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"--help"}, &stdout, &stderr)
	for _, flag := range []string{"-listen", "-tls-dir", "-seed", "-ledger", "-http", "-san", "-address-file", "-state", "-knob"} {
		if !strings.Contains(stdout.String(), flag) {
			t.Errorf("help does not name %s", flag)
		}
	}
	if code != 0 || stderr.Len() > 0 {
		t.Errorf("exit code %d, %q", code, stderr.String())
	}
}
