package makesim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// controlPrefix is where the simulator itself is controlled. Make has nothing there.
const controlPrefix = "/_sim/"

// handleControl registers the control endpoints. They need no credential, are not in the ledger's requests
// and meet no fault.
func (s *Server) handleControl() {
	routes := append(s.knobRoutes(), []route{
		{pattern: "GET /_sim/clock", open: true, do: s.showClock},
		{pattern: "POST /_sim/clock", open: true, do: s.moveClock},
		{pattern: "GET /_sim/ledger", open: true, do: s.showLedger},
		{pattern: "GET /_sim/tokens", open: true, do: s.showTokens},
		{pattern: "GET /_sim/tokens/{fingerprint}", open: true, do: s.showToken},
		{pattern: "DELETE /_sim/tokens/{fingerprint}", open: true, do: s.killToken},
		{pattern: controlPrefix, open: true, do: func(c *call) (any, error) {
			return nil, controlError(http.StatusNotFound, "no control endpoint "+c.r.Method+" "+c.r.URL.Path)
		}},
	}...)
	for _, r := range routes {
		s.mux.HandleFunc(r.pattern, s.serve(r))
	}
}

// controlError is one clear line.
func controlError(status int, text string) error {
	return &replyError{textReply(status, text+"\n")}
}

// strict decodes a control request's body: an unknown member is an error.
func strict(body []byte, into any) error {
	if err := decodeStrictly(body, into); err != nil {
		return controlError(http.StatusBadRequest, err.Error())
	}
	return nil
}

func (s *Server) showClock(*call) (any, error) {
	return object{"now": s.now().Format(time.RFC3339Nano), "offsetSeconds": s.state.offset.Seconds()}, nil
}

// moveClock moves the clock from where it is, or sets its offset from the real one.
func (s *Server) moveClock(c *call) (any, error) {
	var body struct {
		AdvanceSeconds *float64 `json:"advanceSeconds"`
		OffsetSeconds  *float64 `json:"offsetSeconds"`
	}
	if err := strict(c.body, &body); err != nil {
		return nil, err
	}
	seconds := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	switch {
	case body.AdvanceSeconds != nil && body.OffsetSeconds != nil:
		return nil, controlError(http.StatusBadRequest, "advanceSeconds and offsetSeconds exclude each other")
	case body.AdvanceSeconds != nil:
		s.state.offset += seconds(*body.AdvanceSeconds)
	case body.OffsetSeconds != nil:
		s.state.offset = seconds(*body.OffsetSeconds)
	default:
		return nil, controlError(http.StatusBadRequest, "advanceSeconds is missing")
	}
	return s.showClock(c)
}

// showLedger answers lines of JSON, with ?after=SEQ only later entries. It does not hold up the state.
func (s *Server) showLedger(c *call) (any, error) {
	var after int64
	if text := c.r.URL.Query().Get("after"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, controlError(http.StatusBadRequest, "after is not a number")
		}
		after = n
	}
	return waiting(func(context.Context) any { return s.ledgerLines(after) }), nil
}

func (s *Server) ledgerLines(after int64) reply {
	entries, err := s.ledger.after(after)
	if err != nil {
		return textReply(http.StatusInternalServerError, err.Error()+"\n")
	}
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for _, e := range entries {
		if err := encoder.Encode(e); err != nil {
			return textReply(http.StatusInternalServerError, fmt.Sprintf("encode ledger: %v\n", err))
		}
	}
	return reply{status: http.StatusOK, header: map[string]string{"Content-Type": "application/x-ndjson"}, body: lines.Bytes()}
}

func (s *Server) showTokens(c *call) (any, error) {
	rows := []object{}
	for _, t := range s.state.tokens {
		rows = append(rows, s.tokenObject(t))
	}
	slices.SortFunc(rows, func(a, b object) int {
		return compare(fmt.Sprint(a["created"], a["fingerprint"]), fmt.Sprint(b["created"], b["fingerprint"]))
	})
	return object{"tokens": rows}, nil
}

func (s *Server) showToken(c *call) (any, error) {
	t, err := s.byFingerprint(c)
	if err != nil {
		return nil, err
	}
	return s.tokenObject(t), nil
}

// killToken revokes a token behind its holder's back, a refresh token with its family.
func (s *Server) killToken(c *call) (any, error) {
	t, err := s.byFingerprint(c)
	if err != nil {
		return nil, err
	}
	s.kill(t)
	return s.tokenObject(t), nil
}

func (s *Server) kill(t *token) {
	if t.kind == KindRefreshToken {
		s.revokeGrant(0, t.grant)
		return
	}
	s.revokeToken(0, t)
}

func (s *Server) byFingerprint(c *call) (*token, error) {
	t := s.state.byFingerprint(c.r.PathValue("fingerprint"))
	if t == nil {
		return nil, controlError(http.StatusNotFound, "no token has this fingerprint")
	}
	return t, nil
}

func (s *Server) tokenObject(t *token) object {
	state := s.stateOf(t)
	o := object{
		"fingerprint": Fingerprint(t.value), "kind": t.kind, "state": state, "alive": state == StateAlive,
		"userID": t.user.ID, "label": t.label, "scopes": t.scopes, "created": t.created.Format(time.RFC3339Nano),
	}
	if !t.expires.IsZero() {
		o["expires"] = t.expires.Format(time.RFC3339Nano)
	}
	if t.grant != nil {
		o["clientID"], o["family"], o["generation"] = t.grant.client.ID, t.grant.family, t.generation
	}
	return o
}

// TokenAlive tells whether a token of any kind would be accepted now. A rotated refresh token counts as dead,
// also where the refresh class would still allow a retry.
func (s *Server) TokenAlive(value string) bool { return s.TokenState(value) == StateAlive }

// TokenState is the state of a token of any kind, StateUnknown for a value never issued.
func (s *Server) TokenState(value string) TokenState {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.state.tokens[value]
	if t == nil {
		return StateUnknown
	}
	return s.stateOf(t)
}

// RevokeToken revokes a token behind its holder's back, a refresh token with its family. It returns false
// for a value never issued.
func (s *Server) RevokeToken(value string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.state.tokens[value]
	if t == nil {
		return false
	}
	s.kill(t)
	return true
}
