package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/makeops/make-operator/internal/mcp"
)

// mostGrowthMiB is how much memory an attack may cost. The pods have 128 MiB.
const mostGrowthMiB = 48

// bounded fails if the server's memory has grown too much since before.
func (c *child) bounded(before float64) {
	c.t.Helper()
	after, known := c.residentMiB()
	if !known {
		c.t.Log("this system does not tell the memory of a process")
		return
	}
	c.t.Logf("resident memory before %.0f MiB, after %.0f MiB", before, after)
	if after-before > mostGrowthMiB {
		c.t.Errorf("memory grew by %.0f MiB", after-before)
	}
}

func (c *child) dial() net.Conn {
	c.t.Helper()
	conn, err := net.Dial("tcp", c.address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// expectServed fails if a good caller is not served.
func (c *child) expectServed(token string) {
	c.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if code, body := status(c.t, client, c.request(token, call("users_me"))); code != http.StatusOK {
		c.t.Errorf("a good caller got %d: %s", code, body)
	}
}

// endless is a body that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// answer sends a request by hand and returns status and body of the answer. Whoever is refused may be cut off while still sending.
func (c *child) answer(head string, body io.Reader) (int, string) {
	c.t.Helper()
	conn := c.dial()
	defer conn.Close()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if _, err := io.WriteString(conn, head); err == nil {
			_, _ = io.Copy(conn, body)
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		c.t.Fatalf("no answer: %v", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		c.t.Error(err)
	}
	_ = conn.Close()
	<-sent
	return resp.StatusCode, string(raw)
}

func head(token, length string) string {
	return "POST /mcp HTTP/1.1\r\nHost: tools.sales.svc\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n" +
		"Mcp-Protocol-Version: 2025-11-25\r\nAuthorization: Bearer " + token + "\r\n" + length + "\r\n\r\n"
}

func TestHugeBodies(t *testing.T) {
	w := newWorld(t)
	c := start(t, w.config())
	token := w.token()
	c.expectServed(token)
	before, _ := c.residentMiB()
	const gigabyte = 1 << 30
	chunked := io.MultiReader(strings.NewReader(fmt.Sprintf("%x\r\n", gigabyte)), io.LimitReader(endless{}, gigabyte))
	for _, tt := range []struct {
		name, head string
		body       io.Reader
		status     int
		want       string
	}{
		{"a gigabyte", head(token, fmt.Sprintf("Content-Length: %d", gigabyte)), io.LimitReader(endless{}, gigabyte), 413, `{"error":"request_entity_too_large"}` + "\n"},
		{"a gigabyte in chunks", head(token, "Transfer-Encoding: chunked"), chunked, 413, `{"error":"request_entity_too_large"}` + "\n"},
		{"a gigabyte of a stranger", head("x", fmt.Sprintf("Content-Length: %d", gigabyte)), io.LimitReader(endless{}, gigabyte), 401, `{"error":"unauthorized"}` + "\n"},
		{"a gigabyte in headers", strings.Replace(head(token, "Content-Length: 2"), "Host:", "X: "+strings.Repeat("x", 64<<10)+"\r\nHost:", 1), strings.NewReader("{}"), 431, "431 Request Header Fields Too Large"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if code, body := c.answer(tt.head, tt.body); code != tt.status || body != tt.want {
				t.Errorf("status %d, body %q, want %d, %q", code, body, tt.status, tt.want)
			}
		})
	}
	c.expectServed(token)
	c.bounded(before)
}

// TestSlowSenders: headers and bodies that come byte by byte end the connection, and hold up nobody meanwhile.
func TestSlowSenders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := start(t, w.config())
	token := w.token()
	before, _ := c.residentMiB()
	var loris []net.Conn
	for range 200 {
		conn := c.dial()
		if _, err := io.WriteString(conn, "POST /mcp HTTP/1.1\r\nHost: tools.sales.svc\r\nX: "); err != nil {
			t.Fatal(err)
		}
		loris = append(loris, conn)
	}
	body := c.dial()
	if _, err := io.WriteString(body, head(token, "Content-Length: 100")+"{"); err != nil {
		t.Fatal(err)
	}
	c.expectServed(token)
	for _, conn := range loris {
		if raw, err := io.ReadAll(conn); err != nil && !errors.Is(err, syscall.ECONNRESET) || len(raw) > 0 {
			t.Fatalf("slow headers got %q, %v", raw, err)
		}
	}
	resp, err := http.ReadResponse(bufio.NewReader(body), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if raw, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusRequestTimeout || string(raw) != `{"error":"request_timeout"}`+"\n" {
		t.Errorf("a slow body got %d: %s", resp.StatusCode, raw)
	}
	c.bounded(before)
}

// TestIdleConnections: ten thousand connections that say nothing cost bounded memory and keep nobody out.
func TestIdleConnections(t *testing.T) {
	w := newWorld(t)
	c := start(t, w.config())
	token := w.token()
	before, _ := c.residentMiB()
	const kept = 1000 // the default of limits.connections
	want := 10_000
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	if room := int(files.Cur) - 200; room < want {
		t.Logf("this process may open %d files, so %d connections are opened instead of %d", files.Cur, room, want)
		want = room
	}
	if want <= kept {
		t.Skipf("%d connections are no more than the server keeps", want)
	}
	conns := make([]net.Conn, 0, want)
	for range want {
		conns = append(conns, c.dial())
	}
	c.expectServed(token)
	eventually(t, "the server keeps its limit", func() bool { return c.metric("make_mcp_connections") <= kept })
	closed := 0
	for _, conn := range conns[:want-kept] { // the oldest ones
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := conn.Read(make([]byte, 1)); errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
			closed++
		}
	}
	if closed != want-kept {
		t.Errorf("%d of %d idle connections were closed", closed, want-kept)
	}
	c.bounded(before)
}

// TestSlowReader: whoever does not take its answers loses its connection.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config()
	cfg.Limits.Protocol = mcp.Rate{PerHour: 1_000_000}
	c := start(t, cfg)
	token := w.token()
	before, _ := c.residentMiB()
	conn := c.dial()
	one := strings.TrimSuffix(head(token, fmt.Sprintf("Content-Length: %d", len(list))), "") + list
	const many = 5000
	go func() { _, _ = io.WriteString(conn, strings.Repeat(one, many)) }() // ends when the server closes
	eventually(t, "the first answers fill the buffers", func() bool {
		return c.metric("make_mcp_connections") >= 1
	})
	c.expectServed(token)
	eventually(t, "the reader is cut off", func() bool { return c.metric("make_mcp_connections") == 0 })
	reader := bufio.NewReader(conn)
	answers := 0
	for ; ; answers++ {
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			break
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			break
		}
	}
	if answers >= many {
		t.Error("the server wrote all answers, so nothing was tested")
	}
	t.Logf("%d answers of %d were taken by the system's buffers", answers, many)
	c.bounded(before)
}
