package makesim

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// authorizeRequest is what a client asks for, checked.
type authorizeRequest struct {
	client *OAuthClient
	state  string

	// What the code remembers, in a state file too.
	RedirectURI string   `json:"redirectURI"`
	Scopes      []string `json:"scopes"`
	Challenge   string   `json:"challenge,omitempty"` // of PKCE, empty without
	Nonce       string   `json:"nonce,omitempty"`
}

// askConsent shows the consent page.
func (s *Server) askConsent(c *call) (any, error) {
	parameters := c.r.URL.Query()
	request, err := s.readAuthorize(parameters)
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	if err := consentPage.Execute(&page, map[string]any{
		"Client": request.client.Name, "Scopes": request.Scopes, "Action": authorizePath,
		"Parameters": parameters, "Users": s.state.users, "Redirect": request.RedirectURI,
	}); err != nil {
		return nil, err
	}
	header := map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
	}
	return reply{status: http.StatusOK, header: header, body: page.Bytes()}, nil
}

// decideConsent is the submitted consent page: it sends the browser back with a code or with an error.
func (s *Server) decideConsent(c *call) (any, error) {
	parameters, err := c.form()
	if err != nil {
		return nil, err
	}
	request, err := s.readAuthorize(parameters)
	if err != nil {
		return nil, err
	}
	switch parameters.Get("decision") {
	case "approve":
	case "deny":
		return nil, request.refuse("access_denied", "The user denied the request.")
	default:
		return nil, pageError("decision must be approve or deny.")
	}
	user := s.state.users[0]
	if text := parameters.Get("user"); text != "" {
		id, _ := strconv.ParseInt(text, 10, 64)
		if user = s.state.user(id); user == nil {
			return nil, pageError("There is no such user.")
		}
	}
	value := s.newCode(c, request, user)
	return request.redirect(url.Values{"code": {value}}), nil
}

func (s *Server) newCode(c *call, request authorizeRequest, user *User) string {
	s.forgetOld()
	k := s.knobsOfClient(request.client)
	scopes := request.Scopes
	if k.GrantedScopes != nil {
		scopes = slices.Clone(k.GrantedScopes)
	}
	s.state.families++
	g := &grant{family: s.state.families, client: request.client, user: user, scopes: scopes}
	g.code = &token{
		value: randomText(32), kind: KindCode, user: user, scopes: scopes, state: StateAlive,
		created: c.now, expires: c.now.Add(time.Duration(k.CodeSeconds) * time.Second),
		grant: g, request: &request,
	}
	s.state.grants[g.family] = g
	s.state.add(g.code)
	s.recordToken(c.x.number, g.code.record(TokenMinted))
	return g.code.value
}

// readAuthorize checks a request. While client and redirect URI are in doubt errors stay on the page, after
// that they go back to the client (RFC 6749 §4.1.2.1).
func (s *Server) readAuthorize(parameters url.Values) (authorizeRequest, error) {
	for _, values := range parameters {
		if len(values) > 1 {
			return authorizeRequest{}, pageError("A parameter is repeated.")
		}
	}
	r := authorizeRequest{
		client:      s.knownClient(parameters.Get("client_id")),
		RedirectURI: parameters.Get("redirect_uri"),
		state:       parameters.Get("state"),
		Scopes:      splitScopes(parameters.Get("scope")),
		Challenge:   parameters.Get("code_challenge"),
		Nonce:       parameters.Get("nonce"),
	}
	if r.client == nil {
		return r, pageError("The client is unknown.")
	}
	if !r.client.allowsRedirect(r.RedirectURI) {
		return r, pageError("The redirect_uri is not registered for this client.")
	}
	method := parameters.Get("code_challenge_method")
	switch {
	case parameters.Get("response_type") != "code":
		return r, r.refuse(unsupportedResponseType, "response_type must be code.")
	case r.Challenge == "" && (r.client.Secret == "" || method != ""):
		return r, r.refuse(invalidRequest, "code_challenge is missing.")
	case r.Challenge != "" && method != "S256":
		return r, r.refuse(invalidRequest, "code_challenge_method must be S256.")
	case r.Challenge != "" && !isChallenge(r.Challenge):
		return r, r.refuse(invalidRequest, "code_challenge is not the SHA-256 of a verifier.")
	case len(unknownScopes(without(r.Scopes, oidcScopes))) > 0:
		return r, r.refuse(invalidScope, "A scope is unknown.")
	}
	return r, nil
}

// redirect sends the browser back to the client, with the client's state.
func (r authorizeRequest) redirect(answer url.Values) reply {
	if r.state != "" {
		answer.Set("state", r.state)
	}
	u, err := url.Parse(r.RedirectURI)
	if err != nil { // registered URIs parse
		return textReply(http.StatusInternalServerError, "parse redirect_uri")
	}
	query := u.Query()
	for name := range answer {
		query.Set(name, answer.Get(name))
	}
	u.RawQuery = query.Encode()
	return reply{status: http.StatusSeeOther, header: map[string]string{"Location": u.String(), "Cache-Control": "no-store"}}
}

func (r authorizeRequest) refuse(code, description string) error {
	return &replyError{r.redirect(url.Values{"error": {code}, "error_description": {description}})}
}

func pageError(text string) error {
	return &replyError{textReply(http.StatusBadRequest, text)}
}

// isChallenge tells whether a text can be an S256 challenge: 32 bytes in base64url (RFC 7636 §4.2).
func isChallenge(text string) bool {
	sum, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(sum) == sha256.Size
}

// verifies checks a PKCE verifier against the challenge. A verifier without a challenge is wrong too, else
// an attacker could strip the challenge (RFC 9700 §2.1.1).
func (r authorizeRequest) verifies(verifier string) bool {
	if r.Challenge == "" {
		return verifier == ""
	}
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:]) == r.Challenge
}
