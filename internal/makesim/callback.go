package makesim

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

const (
	// longestRun is how long Make lets a scenario run. Source: Make's documentation of MCP.
	longestRun = 40 * time.Minute
	// callbackDeadline is how long the receiver of a callback has, in real time.
	callbackDeadline = 5 * time.Second
)

// callbackTo is who has to be told that a run has ended.
type callbackTo struct {
	url       string // empty: nobody
	scenario  int64
	execution string
	statusURL string
}

// checkCallback accepts loopback only: a simulator does not send requests into the world.
func checkCallback(address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return badRequest("Invalid URL in parameter 'callbackUrl'.")
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if u.Hostname() != "localhost" && (err != nil || !ip.IsLoopback()) {
		return badRequest("Invalid host in parameter 'callbackUrl': this simulator calls loopback only.")
	}
	return nil
}

// callBack waits for a run without holding up anybody, then calls back. Whether the receiver listens makes no
// difference.
func (s *Server) callBack(to callbackTo) {
	if to.url == "" {
		return
	}
	s.background.start(func(ctx context.Context) {
		if _, ended := s.awaitExecution(ctx, to.scenario, to.execution, longestRun); ended {
			_ = to.send(ctx)
		}
	})
}

func (to callbackTo) send(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callbackDeadline)
	defer cancel()
	body := encode(object{"executionId": to.execution, "statusUrl": to.statusURL})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.url, bytes.NewReader([]byte(body)))
	if err != nil {
		return fmt.Errorf("make callback: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := callbackClient.Do(r)
	if err != nil {
		return fmt.Errorf("call back: %w", err)
	}
	return response.Body.Close() // is not read
}

// callbackClient reaches loopback only, follows no redirect and keeps no connection.
var callbackClient = &http.Client{
	Transport: &http.Transport{
		DialContext:       (&net.Dialer{Control: loopbackOnly}).DialContext,
		DisableKeepAlives: true,
	},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// loopbackOnly judges the address that a name was resolved to.
func loopbackOnly(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !to.Addr().IsLoopback() {
		return fmt.Errorf("dial %s: not loopback", address)
	}
	return nil
}
