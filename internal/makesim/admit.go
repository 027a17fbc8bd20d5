package makesim

import (
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
	if len(without(rt.scopes, c.token.scopes)) > 0 {
		return accessDenied(s.state.knobs.MissingScopeStatus)
	}
	return nil
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
	if t.sibling != nil {
		t.sibling.used = true
	}
	c.token, c.user = t, t.user
	return nil
}

func takes(scheme string, kind TokenKind) bool {
	return strings.EqualFold(scheme, "Token") && kind == KindAPIToken ||
		strings.EqualFold(scheme, "Bearer") && kind == KindAccessToken
}

// see returns a token's state and notes its expiry in the ledger the first time.
func (s *Server) see(t *token, number int64) TokenState {
	state := t.stateAt(s.now())
	if state == StateExpired && !t.expiryNoted {
		t.expiryNoted = true
		s.recordToken(number, t.record(TokenExpired))
	}
	return state
}
