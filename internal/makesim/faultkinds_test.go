package makesim_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/makeops/make-operator/internal/makesim"
)

const teams = "/api/v2/teams?organizationId=42"

func TestStatusAfterProcessesTheRequest(t *testing.T) {
	s := start(t)
	_, first := s.tokens("user:read")
	s.faults(makesim.Fault{Kind: makesim.FaultStatusAfter, Status: 504, JSON: true, RetryAfterSeconds: 2, Credential: makesim.Fingerprint(first), Count: 1})
	a := s.refresh(first)
	if a.status != 504 || a.json["message"] != "Gateway Timeout" || a.header.Get("Retry-After") != "2" || a.json["access_token"] != nil {
		t.Errorf("answer: %d %s", a.status, a.text)
	}
	entries := s.Ledger()
	if last := entries[len(entries)-1].Request; s.TokenState(first) != makesim.StateRotated || last.Status != 200 || last.Fault != makesim.FaultStatusAfter {
		t.Errorf("state %s, ledger %+v", s.TokenState(first), last)
	}
}

func TestFaultsSelectByWhatABodyShows(t *testing.T) {
	s := start(t)
	_, mine := s.tokens("user:read")
	_, theirs := s.tokens("user:read")
	s.faults(
		makesim.Fault{Kind: makesim.FaultStatus, Status: 500, Credential: makesim.Fingerprint(mine), Count: 1},
		makesim.Fault{Kind: makesim.FaultStatus, Status: 503, Credential: makesim.PublicClientID, Count: 1},
	)
	if a := s.refresh(theirs); a.status != 200 {
		t.Errorf("another token: %d", a.status)
	}
	if a := s.refresh(mine); a.status != 500 {
		t.Errorf("this token: %d", a.status)
	}
	if a := s.form("/oauth/v2/revoke", url.Values{"client_id": {makesim.PublicClientID}, "token": {"x"}}); a.status != 503 {
		t.Errorf("this client: %d", a.status)
	}
}

func TestStatusFaultBodies(t *testing.T) {
	s := start(t)
	for _, test := range []struct {
		json              bool
		contentType, body string
	}{
		{false, "text/plain; charset=utf-8", "Requests limit for organization exceeded, please try again later."},
		{true, "application/json; charset=utf-8", `{"message":"Requests limit for organization exceeded, please try again later."}`},
	} {
		s.faults(makesim.Fault{Kind: makesim.FaultStatus, Status: 429, JSON: test.json, Count: 1})
		if a := s.get(teams, root); a.text != test.body || a.header.Get("Content-Type") != test.contentType {
			t.Errorf("got %q %q", a.header.Get("Content-Type"), a.text)
		}
	}
}

func TestTruncatedBody(t *testing.T) {
	s := start(t)
	whole := s.get("/api/v2/users/me", root)
	s.faults(makesim.Fault{Kind: makesim.FaultTruncate, Count: 1})
	response := s.open("/api/v2/users/me")
	got, err := io.ReadAll(response.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) || response.StatusCode != 200 || response.ContentLength != int64(len(whole.text)) || len(got) != len(whole.text)/2 {
		t.Errorf("status %d, length %d, %d bytes, %v", response.StatusCode, response.ContentLength, len(got), err)
	}
}

func TestSlowBodyArrivesInParts(t *testing.T) {
	s := start(t)
	s.faults(makesim.Fault{Kind: makesim.FaultSlowBody, DelayMilliseconds: 1, Count: 1})
	response := s.open("/api/v2/users/me")
	if response.ContentLength != -1 {
		t.Error("the body was sent at once")
	}
	got, err := io.ReadAll(response.Body)
	if err != nil || !strings.HasPrefix(string(got), `{"authUser":`) || !strings.HasSuffix(string(got), "}}") {
		t.Errorf("%v, %s", err, got)
	}
}

// open sends a GET and leaves the body to be read.
func (s *sim) open(path string) *http.Response {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.URL+path, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", root)
	response, err := s.http.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

func TestHangLastsUntilTheClientGivesUp(t *testing.T) {
	s := start(t)
	s.faults(makesim.Fault{Kind: makesim.FaultHang, Count: 1})
	ctx, giveUp := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+teams, http.NoBody)
		if err == nil {
			_, err = s.http.Do(r)
		}
		failed <- err
	}()
	for len(s.Knobs().Faults) > 0 { // until the request has met it
		select {
		case err := <-failed:
			t.Fatalf("ended early: %v", err)
		default:
		}
	}
	giveUp()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func TestDelayGoesOnAsUsual(t *testing.T) {
	s := start(t)
	s.faults(makesim.Fault{Kind: makesim.FaultDelay, DelayMilliseconds: 1, Count: 1})
	if a := s.get(teams, root); a.status != 200 || len(s.Knobs().Faults) != 0 {
		t.Errorf("got %d", a.status)
	}
}

func TestChanceIsTheSameWithTheSameSeed(t *testing.T) {
	s := start(t)
	const asked = 100
	met := func(seed uint64) (pattern string) {
		s.knobs(func(k *makesim.Knobs) {
			k.Seed = seed + 1 // setting another starts anew
			k.Faults = nil
		})
		s.knobs(func(k *makesim.Knobs) {
			k.Seed = seed
			k.Faults = []makesim.Fault{{Kind: makesim.FaultStatus, Status: 500, Percent: 30, Count: asked}}
		})
		for range asked {
			pattern += map[int]string{200: ".", 500: "x"}[s.get("/api/v2/ping", "").status]
		}
		return pattern
	}
	first, again, other := met(7), met(7), met(8)
	if n := strings.Count(first, "x"); first != again || first == other || n < 15 || n > 45 {
		t.Errorf("\n%s\n%s\n%s", first, again, other)
	}
}

func TestTLSFaults(t *testing.T) {
	s := start(t)
	fresh := func() error { // a connection of its own
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.CAPool(), MinVersion: tls.VersionTLS12}}
		defer transport.CloseIdleConnections()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/api/v2/ping", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(r)
		if err == nil {
			_ = response.Body.Close()
		}
		return err
	}
	is := func(target any) func(error) bool {
		return func(err error) bool { return errors.As(err, target) }
	}
	for fault, expected := range map[makesim.TLSFault]func(error) bool{
		makesim.TLSClosed:    func(err error) bool { return err != nil },
		makesim.TLSWrongCert: is(new(x509.UnknownAuthorityError)),
		makesim.TLSWrongName: is(new(x509.HostnameError)),
		makesim.TLSExpiredCert: func(err error) bool {
			invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
			return ok && invalid.Reason == x509.Expired
		},
		makesim.TLSOldVersion: func(err error) bool { return err != nil && strings.Contains(err.Error(), "protocol version") },
	} {
		t.Run(string(fault), func(t *testing.T) {
			s.get("/api/v2/ping", "") // opens a connection that stays
			s.knobs(func(k *makesim.Knobs) { k.TLSFault, k.TLSFaultCount = fault, 2 })
			for range 2 {
				if err := fresh(); !expected(err) {
					t.Errorf("got %v", err)
				}
			}
			if s.get("/api/v2/ping", "").status != 200 {
				t.Error("an open connection is disturbed")
			}
			if err := fresh(); err != nil || s.Knobs().TLSFault != "" {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestHosts(t *testing.T) {
	s := start(t)
	status := func(host, path string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		response, err := s.http.Do(r)
		if err != nil {
			return 0 // its part is down
		}
		_ = response.Body.Close()
		return response.StatusCode
	}
	for _, test := range []struct {
		host, path string
		part       makesim.Part
	}{
		{"eu1.make.test", "/api/v2/ping", makesim.PartZone},
		{"www.make.test", "/.well-known/openid-configuration", makesim.PartAuthorization},
		{"www.make.test", "/oauth/v2/oidc/jwks", makesim.PartAuthorization},
		{"hook.eu1.make.test", "/0123456789abcdef", makesim.PartHooks},
		{"eu1.make.test", "/wh/0123456789abcdef", makesim.PartHooks},
		{"mcp.make.test", "/stateless", makesim.PartMCP},
		{"eu1.make.test", "/mcp/stateless", makesim.PartMCP},
	} {
		s.knobs(func(k *makesim.Knobs) { k.Down = []makesim.Part{test.part} })
		if got := status(test.host, test.path); got != 0 {
			t.Errorf("%s%s is not part of %s: %d", test.host, test.path, test.part, got)
		}
	}
	if got := status("hook.eu1.make.test", "/_sim/clock"); got != 200 {
		t.Errorf("control on a host of its own: %d", got)
	}
}
