package makesim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// controlPrefix is where the simulator itself is controlled. Make has nothing there.
const controlPrefix = "/_sim/"

// handleControl registers the control endpoints. They need no credential, are not in the ledger's requests
// and meet no fault.
func (s *Server) handleControl() {
	for _, r := range []route{
		{pattern: "GET /_sim/clock", open: true, do: s.showClock},
		{pattern: "POST /_sim/clock", open: true, do: s.moveClock},
		{pattern: "GET /_sim/knobs", open: true, do: s.showKnobs},
		{pattern: "PUT /_sim/knobs", open: true, do: s.replaceKnobs},
		{pattern: "PATCH /_sim/knobs", open: true, do: s.changeKnobs},
		{pattern: "GET /_sim/ledger", open: true, do: s.showLedger},
		{pattern: "GET /_sim/tokens", open: true, do: s.showTokens},
		{pattern: "GET /_sim/tokens/{fingerprint}", open: true, do: s.showToken},
		{pattern: "DELETE /_sim/tokens/{fingerprint}", open: true, do: s.killToken},
		{pattern: controlPrefix, open: true, do: func(c *call) (any, error) {
			return nil, controlError(http.StatusNotFound, "no control endpoint "+c.r.Method+" "+c.r.URL.Path)
		}},
	} {
		s.mux.HandleFunc(r.pattern, s.serve(r))
	}
}

// controlError is one clear line.
func controlError(status int, text string) error {
	return &replyError{textReply(status, text+"\n")}
}

// strict decodes a control request's body: an unknown member is an error.
func strict(body []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil && decoder.More() {
		err = fmt.Errorf("more than one JSON value")
	}
	if err != nil {
		return controlError(http.StatusBadRequest, strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

func (s *Server) showClock(*call) (any, error) {
	return object{"now": s.now().Format(time.RFC3339Nano), "offsetSeconds": s.state.offset.Seconds()}, nil
}

func (s *Server) moveClock(c *call) (any, error) {
	var body struct {
		AdvanceSeconds *float64 `json:"advanceSeconds"`
	}
	if err := strict(c.body, &body); err != nil {
		return nil, err
	}
	if body.AdvanceSeconds == nil {
		return nil, controlError(http.StatusBadRequest, "advanceSeconds is missing")
	}
	s.state.offset += time.Duration(*body.AdvanceSeconds * float64(time.Second))
	return s.showClock(c)
}

func (s *Server) showKnobs(*call) (any, error) {
	return s.state.knobs.clone(), nil // encoded after the lock is gone
}

// replaceKnobs sets what the body does not name to its default.
func (s *Server) replaceKnobs(c *call) (any, error) {
	return s.decodeKnobs(c, DefaultKnobs())
}

// changeKnobs keeps what the body does not name. Faults are replaced as a whole.
func (s *Server) changeKnobs(c *call) (any, error) {
	return s.decodeKnobs(c, s.state.knobs.clone())
}

func (s *Server) decodeKnobs(c *call, next Knobs) (any, error) {
	faults := next.Faults
	next.Faults = nil // decoding into a list would mix old members into new elements
	if err := strict(c.body, &next); err != nil {
		return nil, err
	}
	if next.Faults == nil {
		next.Faults = faults
	}
	if err := next.validate(); err != nil {
		return nil, controlError(http.StatusBadRequest, err.Error())
	}
	s.state.knobs = next
	return s.showKnobs(c)
}

// showLedger answers lines of JSON, with ?after=SEQ only later entries.
func (s *Server) showLedger(c *call) (any, error) {
	var after int64
	if text := c.r.URL.Query().Get("after"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, controlError(http.StatusBadRequest, "after is not a number")
		}
		after = n
	}
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for _, e := range s.ledger.after(after) {
		if err := encoder.Encode(e); err != nil {
			return nil, fmt.Errorf("encode ledger: %w", err)
		}
	}
	return reply{status: http.StatusOK, header: map[string]string{"Content-Type": "application/x-ndjson"}, body: lines.Bytes()}, nil
}

func (s *Server) showTokens(c *call) (any, error) {
	rows := []object{}
	for _, t := range s.state.tokens {
		rows = append(rows, tokenObject(t, c.now))
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
	return tokenObject(t, c.now), nil
}

// killToken revokes a token behind its holder's back, a refresh token with its family.
func (s *Server) killToken(c *call) (any, error) {
	t, err := s.byFingerprint(c)
	if err != nil {
		return nil, err
	}
	s.kill(t)
	return tokenObject(t, c.now), nil
}

func (s *Server) kill(t *token) {
	if t.kind == KindRefreshToken {
		s.revokeGrant(0, t.grant)
		return
	}
	s.revokeToken(0, t)
}

func (s *Server) byFingerprint(c *call) (*token, error) {
	wanted := c.r.PathValue("fingerprint")
	for value, t := range s.state.tokens {
		if Fingerprint(value) == wanted {
			return t, nil
		}
	}
	return nil, controlError(http.StatusNotFound, "no token has this fingerprint")
}

func tokenObject(t *token, now time.Time) object {
	o := object{
		"fingerprint": Fingerprint(t.value), "kind": t.kind, "state": t.stateAt(now), "alive": t.stateAt(now) == StateAlive,
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
	return t.stateAt(s.now())
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
