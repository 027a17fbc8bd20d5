package makesim

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// issueTokens is the token endpoint.
func (s *Server) issueTokens(c *call) (any, error) {
	s.forgetOld()
	form, err := s.readForm(c)
	if err != nil {
		return nil, err
	}
	switch form.Get("grant_type") {
	case "authorization_code":
		return s.exchangeCode(c, form)
	case "refresh_token":
		return s.refresh(c, form)
	case "":
		return nil, oauthError(invalidRequest, "grant_type is missing.")
	}
	return nil, oauthError(unsupportedGrantType, "grant_type must be authorization_code or refresh_token.")
}

// exchangeCode turns a code into tokens, once. A code that comes again revokes what it gave (RFC 6749 §4.1.2).
func (s *Server) exchangeCode(c *call, form url.Values) (any, error) {
	value := form.Get("code")
	for _, name := range []string{"code", "redirect_uri"} {
		if form.Get(name) == "" {
			return nil, oauthError(invalidRequest, name+" is missing.")
		}
	}
	client, err := s.authenticateClient(c, form)
	if err != nil {
		s.recordPresented(c, KindCode, value, OutcomeRefused)
		return nil, err
	}
	t := s.state.tokens[value]
	outcome := s.judgeCode(c, t, client, form)
	s.recordPresented(c, KindCode, value, outcome)
	if outcome == OutcomeReuse {
		s.revokeGrant(c.x.number, t.grant)
	}
	if outcome != OutcomeOK {
		return nil, oauthError(invalidGrant, "The code is not valid for this client, redirect_uri and code_verifier.")
	}
	t.state = StateRotated
	return s.tokenResponse(c, s.issue(c, t.grant, t.scopes, 1, nil), t.request)
}

func (s *Server) judgeCode(c *call, t *token, client *OAuthClient, form url.Values) Outcome {
	switch {
	case t == nil || t.kind != KindCode:
		return OutcomeUnknown
	case t.grant.client != client:
		return OutcomeRefused
	case t.state == StateRotated:
		return OutcomeReuse
	case s.see(t, c.x.number) == StateExpired:
		return OutcomeExpired
	case t.state == StateRevoked:
		return OutcomeRevoked
	case form.Get("redirect_uri") != t.request.RedirectURI, !t.request.verifies(form.Get("code_verifier")):
		return OutcomeRefused
	}
	return OutcomeOK
}

// issued is what one call to the token endpoint gives.
type issued struct{ access, refresh *token }

// issue makes an access token and, unless refresh is passed in or the client gets none, a refresh token.
func (s *Server) issue(c *call, g *grant, scopes []string, generation int, refresh *token) issued {
	k := s.knobsOfGrant(g)
	made := func(kind TokenKind, scopes []string, seconds int) *token {
		t := &token{
			value: newOAuthValue(), kind: kind, user: g.user, scopes: slices.Clone(scopes), state: StateAlive, grant: g,
			generation: generation, created: c.now, expires: c.now.Add(time.Duration(seconds) * time.Second),
		}
		s.state.add(t)
		g.tokens = append(g.tokens, t)
		s.recordToken(c.x.number, t.record(TokenMinted))
		return t
	}
	if refresh == nil && (g.client.Secret != "" || k.PublicClientRefresh) {
		refresh = made(KindRefreshToken, g.scopes, k.RefreshTokenSeconds)
	}
	access := made(KindAccessToken, scopes, k.AccessTokenSeconds)
	access.sibling = refresh
	return issued{access: access, refresh: refresh}
}

// tokenResponse is the answer of RFC 6749 §5.1. After a code exchange, asked is what the client had asked for:
// the scopes are named only where others were granted.
func (s *Server) tokenResponse(c *call, got issued, asked *authorizeRequest) (any, error) {
	g := got.access.grant
	body := object{
		"access_token": got.access.value,
		"token_type":   "Bearer",
		"expires_in":   int(got.access.expires.Sub(got.access.created).Seconds()),
	}
	if got.refresh != nil {
		body["refresh_token"] = got.refresh.value
	}
	nonce := ""
	if asked != nil {
		nonce = asked.Nonce
		if !slices.Equal(g.scopes, asked.Scopes) {
			body["scope"] = strings.Join(g.scopes, " ")
		}
	}
	if slices.Contains(got.access.scopes, "openid") {
		idToken, err := s.idToken(c, s.knobsOf(got.access), g, nonce)
		if err != nil {
			return nil, err
		}
		body["id_token"] = idToken
	}
	r := jsonReply(200, body)
	r.header["Cache-Control"] = "no-store"
	return r, nil
}

// revokeGrant kills a whole family.
func (s *Server) revokeGrant(number int64, g *grant) {
	for _, t := range g.tokens {
		s.revokeToken(number, t)
	}
}

func (s *Server) revokeToken(number int64, t *token) {
	if t.state == StateRevoked || t.state == StateDeleted {
		return
	}
	t.state = StateRevoked
	s.recordToken(number, t.record(TokenRevoked))
}

// revoke is RFC 7009: a token that is unknown or another client's is answered like one that was revoked.
// An access token goes alone. A refresh token takes its family with it; whether that includes the access
// tokens is a knob.
func (s *Server) revoke(c *call) (any, error) {
	form, err := s.readForm(c)
	if err != nil {
		return nil, err
	}
	client, err := s.authenticateClient(c, form)
	if err != nil {
		return nil, err
	}
	value := form.Get("token")
	if value == "" {
		return nil, oauthError(invalidRequest, "token is missing.")
	}
	if t := s.state.tokens[value]; t != nil && t.grant != nil && t.grant.client == client {
		s.revokeByClient(c, t)
	}
	return object{}, nil
}

func (s *Server) revokeByClient(c *call, t *token) {
	if t.kind != KindRefreshToken {
		s.revokeToken(c.x.number, t)
		return
	}
	keepAccess := s.knobsOf(t).RevocationKeepsAccess
	for _, member := range t.grant.tokens {
		if member.kind == KindRefreshToken || !keepAccess {
			s.revokeToken(c.x.number, member)
		}
	}
}

// recordPresented notes a refresh token or code at the token endpoint, with what was known of its successors.
func (s *Server) recordPresented(c *call, kind TokenKind, value string, outcome Outcome) {
	record := TokenRecord{Event: TokenPresented, Kind: kind, Token: Fingerprint(value), Outcome: outcome}
	if t := s.state.tokens[value]; t != nil && t.kind == kind {
		record = t.record(TokenPresented)
		record.Outcome = outcome
		record.SuccessorIssued = len(t.successors) > 0
		record.SuccessorUsed = slices.ContainsFunc(t.successors, func(next *token) bool { return next.used })
	}
	s.recordToken(c.x.number, record)
}
