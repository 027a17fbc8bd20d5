package makesim

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// serveWithFaults answers a request, or disturbs it as the knobs say.
func (s *Server) serveWithFaults(x *exchange, r *http.Request) {
	shown := s.showCredentials(x, r)
	fault, latency := s.takeFault(x, r, shown)
	pause(r.Context(), latency)
	switch fault.Kind {
	case FaultStatus:
		s.recordDropped(x, shown)
		write(x, fault.reply())
		return
	case FaultResetBefore:
		s.recordDropped(x, shown)
		panic(http.ErrAbortHandler) // how net/http closes a connection without an answer
	case FaultHang:
		s.recordDropped(x, shown)
		_, _ = io.Copy(io.Discard, r.Body) // net/http notices a client that leaves after its body only
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case FaultStatusAfter, FaultResetAfter:
		x.discard = true
	case FaultDelay:
		pause(r.Context(), time.Duration(fault.DelayMilliseconds)*time.Millisecond)
	case FaultSlowBody:
		x.slow = func() { pause(r.Context(), time.Duration(fault.DelayMilliseconds)*time.Millisecond) }
	case FaultTruncate:
		x.truncate = true
	}
	s.mux.ServeHTTP(x, r)
	if fault.Kind == FaultStatusAfter {
		x.replace(fault.reply())
		return
	}
	if x.discard || x.truncate {
		panic(http.ErrAbortHandler)
	}
}

// takeFault counts the first matching fault down and returns it, or none, and how long to wait first.
func (s *Server) takeFault(x *exchange, r *http.Request, by shown) (Fault, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := &s.state.knobs
	if slices.Contains(k.Down, partOf(r.URL.Path)) {
		x.record.Fault = FaultDown
		return Fault{Kind: FaultResetBefore}, 0
	}
	latency := s.knobsOf(s.state.tokens[by.authorization]).latency(s.state.random)
	for i, f := range k.Faults {
		if !f.matches(r, by.names, s.state.random) {
			continue
		}
		k.Faults[i].Count--
		if k.Faults[i].Count == 0 {
			k.Faults = append(k.Faults[:i:i], k.Faults[i+1:]...)
		}
		s.touch()
		x.record.Fault = f.Kind
		return f, latency
	}
	return Fault{}, latency
}

// shown is what a request shows of credentials before it is processed.
type shown struct {
	authorization string // the value in the Authorization header
	form          url.Values
	names         []string // fingerprints, and the client's ID
}

// credentialParameters are the tokens that a body for the authorization server can hold.
var credentialParameters = []struct {
	name string
	kind TokenKind
}{{"refresh_token", KindRefreshToken}, {"code", KindCode}, {"token", ""}}

// showCredentials reads the credentials of a request, and leaves its body to be read again.
func (s *Server) showCredentials(x *exchange, r *http.Request) shown {
	var by shown
	if _, by.authorization, _ = strings.Cut(r.Header.Get("Authorization"), " "); by.authorization != "" {
		x.record.Credential = Fingerprint(by.authorization)
		by.names = append(by.names, x.record.Credential)
	}
	if r.Method != http.MethodPost || r.URL.Path != tokenPath && r.URL.Path != revokePath {
		return by
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil {
		return by
	}
	form, err := (&call{x: x, r: r, body: body}).form()
	if err != nil {
		return by // the endpoint will say so
	}
	by.form = form
	if id := form.Get("client_id"); id != "" {
		by.names = append(by.names, id)
	}
	for _, p := range credentialParameters {
		if value := form.Get(p.name); value != "" {
			by.names = append(by.names, Fingerprint(value))
		}
	}
	return by
}

// recordDropped notes a refresh token or code that reached the token endpoint and was not processed.
func (s *Server) recordDropped(x *exchange, by shown) {
	if by.form.Get("grant_type") == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range credentialParameters {
		if value := by.form.Get(p.name); value != "" && p.kind != "" {
			s.recordPresented(&call{x: x}, p.kind, value, OutcomeDropped)
		}
	}
}
