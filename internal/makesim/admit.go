package makesim

import (
	"slices"
	"strings"
)

// admit checks the credential, then the budget, then the scopes.
func (s *Server) admit(c *call, rt route) error {
	if err := s.authenticate(c); err != nil {
		return err
	}
	if !rt.exempt {
		if err := s.spend(c); err != nil {
			return err
		}
	}
	k := s.knobsOf(c.token)
	if len(without(k.needed(rt.scopes), c.token.scopes)) > 0 {
		return accessDenied(k.MissingScopeStatus)
	}
	return nil
}

// needed are the scopes that a route asks for. Which ones a run needs is a knob, because Make's own documents
// differ.
func (k Knobs) needed(scopes []string) []string {
	if k.RunNeedsReadWrite && slices.Contains(scopes, "scenarios:run") {
		return []string{"scenarios:read", "scenarios:write", "scenarios:run"}
	}
	return scopes
}

// authenticate finds the token of the Authorization header. "Token" takes API tokens only and "Bearer"
// access tokens only.
func (s *Server) authenticate(c *call) error {
	scheme, value, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	return s.present(c, value, func(kind TokenKind) bool { return takes(scheme, kind) })
}

// present notes a credential in the ledger and makes its token and user the call's, if it is alive and of a kind
// that is taken.
func (s *Server) present(c *call, value string, taken func(TokenKind) bool) error {
	if value == "" {
		return unauthorized()
	}
	c.x.record.Credential = Fingerprint(value)
	t := s.state.tokens[value]
	if t == nil || !taken(t.kind) {
		c.x.record.CredentialState = StateUnknown
		return unauthorized()
	}
	state := s.see(t, c.x.number)
	c.x.record.CredentialState = state
	if state != StateAlive {
		return unauthorized()
	}
	if t.sibling != nil && !t.sibling.used {
		t.sibling.used = true
		s.touch()
	}
	if t.grant != nil {
		t.grant.lastUsed = c.now
	}
	c.token, c.user = t, t.user
	return nil
}

func takes(scheme string, kind TokenKind) bool {
	return strings.EqualFold(scheme, "Token") && kind == KindAPIToken ||
		strings.EqualFold(scheme, "Bearer") && kind == KindAccessToken
}

// stateOf is a token's state now. A token of a client that a knob revoked counts as revoked.
func (s *Server) stateOf(t *token) TokenState {
	if t.grant != nil && slices.Contains(s.state.knobs.RevokedClients, t.grant.client.ID) {
		return StateRevoked
	}
	return t.stateAt(s.now())
}

// see returns a token's state and notes its expiry in the ledger the first time.
func (s *Server) see(t *token, number int64) TokenState {
	state := s.stateOf(t)
	if state == StateExpired && !t.expiryNoted {
		t.expiryNoted = true
		s.touch()
		s.recordToken(number, t.record(TokenExpired))
	}
	return state
}
