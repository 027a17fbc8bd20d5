package makesim

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// serveWithFaults answers a request, or disturbs it as the knobs say.
func (s *Server) serveWithFaults(x *exchange, r *http.Request) {
	fault, latency := s.takeFault(x, r)
	if latency > 0 {
		delay := time.NewTimer(latency)
		defer delay.Stop()
		select {
		case <-delay.C:
		case <-r.Context().Done():
		}
	}
	switch fault.Kind {
	case FaultStatus:
		s.recordDropped(x, r)
		write(x, fault.reply())
	case FaultResetBefore:
		s.recordDropped(x, r)
		panic(http.ErrAbortHandler) // how net/http closes a connection without an answer
	case FaultResetAfter:
		x.discard = true
		s.mux.ServeHTTP(x, r)
		panic(http.ErrAbortHandler)
	default:
		s.mux.ServeHTTP(x, r)
	}
}

// takeFault counts the first matching fault down and returns it, or none.
func (s *Server) takeFault(x *exchange, r *http.Request) (Fault, time.Duration) {
	if _, value, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
		x.record.Credential = Fingerprint(value)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := &s.state.knobs
	latency := time.Duration(k.LatencyMilliseconds) * time.Millisecond
	for i, f := range k.Faults {
		if !strings.HasPrefix(r.URL.Path, f.PathPrefix) ||
			f.Method != "" && f.Method != r.Method ||
			f.Credential != "" && f.Credential != x.record.Credential {
			continue
		}
		k.Faults[i].Count--
		if k.Faults[i].Count == 0 {
			k.Faults = append(k.Faults[:i:i], k.Faults[i+1:]...)
		}
		x.record.Fault = f.Kind
		return f, latency
	}
	return Fault{}, latency
}

func (f Fault) reply() reply {
	r := textReply(f.Status, http.StatusText(f.Status))
	if f.Status == http.StatusTooManyRequests {
		r = textReply(f.Status, limitMessage)
	}
	if f.RetryAfterSeconds > 0 {
		r.header["Retry-After"] = strconv.Itoa(f.RetryAfterSeconds)
	}
	return r
}

// recordDropped notes a refresh token or code that reached the server and was not processed.
func (s *Server) recordDropped(x *exchange, r *http.Request) {
	if r.URL.Path != tokenPath {
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return
	}
	c := &call{x: x, r: r, body: body}
	form, err := c.form()
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for kind, name := range map[TokenKind]string{KindRefreshToken: "refresh_token", KindCode: "code"} {
		if value := form.Get(name); value != "" {
			s.recordPresented(c, kind, value, OutcomeDropped)
		}
	}
}
