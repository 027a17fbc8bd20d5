package makesim

import (
	"net/url"
	"slices"
	"time"
)

// refresh is grant_type=refresh_token.
func (s *Server) refresh(c *call, form url.Values) (any, error) {
	value := form.Get("refresh_token")
	if value == "" {
		return nil, oauthError(invalidRequest, "refresh_token is missing.")
	}
	client, err := s.authenticateClient(c, form)
	if err != nil {
		s.recordPresented(c, KindRefreshToken, value, OutcomeRefused)
		return nil, err
	}
	t := s.state.tokens[value]
	outcome := s.judgeRefresh(c, t, client)
	scopes := splitScopes(form.Get("scope"))
	if outcome == OutcomeOK && len(without(scopes, t.scopes)) > 0 {
		s.recordPresented(c, KindRefreshToken, value, OutcomeRefused)
		return nil, oauthError(invalidScope, "A scope was not granted.")
	}
	s.recordPresented(c, KindRefreshToken, value, outcome)
	if outcome == OutcomeReuse && s.knobsOf(t).RefreshClass == ClassFamily {
		s.revokeGrant(c.x.number, t.grant)
	}
	if outcome != OutcomeOK {
		return nil, oauthError(invalidGrant, "The refresh token is not valid.")
	}
	if len(scopes) == 0 {
		scopes = t.scopes
	}
	return s.tokenResponse(c, s.rotate(c, t, scopes), nil)
}

// judgeRefresh decides about a presentation before anything changes.
func (s *Server) judgeRefresh(c *call, t *token, client *OAuthClient) Outcome {
	switch {
	case t == nil || t.kind != KindRefreshToken:
		return OutcomeUnknown
	case t.grant.client != client:
		return OutcomeRefused
	case t.state == StateRevoked:
		return OutcomeRevoked
	case !c.now.Before(t.expires):
		s.see(t, c.x.number)
		return OutcomeExpired
	case t.state == StateRotated && !s.retryAllowed(c.now, t):
		return OutcomeReuse
	}
	return OutcomeOK
}

// retryAllowed says whether a rotated refresh token is still accepted.
func (s *Server) retryAllowed(now time.Time, t *token) bool {
	k := s.knobsOf(t)
	grace := time.Duration(k.RefreshGraceSeconds) * time.Second
	inGrace := !now.After(t.rotated.Add(grace))
	newest := !slices.ContainsFunc(t.successors, func(next *token) bool { return next.state == StateRotated })
	unused := !slices.ContainsFunc(t.successors, func(next *token) bool { return next.used })
	switch k.RefreshClass {
	case ClassGrace:
		return inGrace && newest
	case ClassUntilUsed:
		return unused
	case ClassBuggyGrace:
		return inGrace
	}
	return false
}

// rotate issues the next generation, or what the refresh class gives in its place.
func (s *Server) rotate(c *call, t *token, scopes []string) issued {
	t.used = true
	class := s.knobsOf(t).RefreshClass
	if class == ClassNoRotation || class == ClassBuggyGrace && t.state == StateRotated {
		return s.issue(c, t.grant, scopes, t.generation, t)
	}
	next := s.issue(c, t.grant, scopes, t.generation+1, nil)
	if next.refresh == nil { // the knob for public clients was turned off meanwhile
		return next
	}
	t.successors = append(t.successors, next.refresh)
	if s.takeLostRotation(t) {
		c.x.discard, c.x.record.Fault = true, FaultLostRotation
	}
	if t.state == StateAlive {
		t.state, t.rotated = StateRotated, c.now
		s.recordToken(c.x.number, t.record(TokenRotated))
	}
	return next
}
