package makesim

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// authorizeRequest is what a client asks for, checked.
type authorizeRequest struct {
	client      *OAuthClient
	redirectURI string
	state       string
	scopes      []string
	challenge   string // of PKCE, empty without
	nonce       string
}

var consentPage = template.Must(template.New("consent").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Consent</title></head><body>
<h1>{{.Client}} asks for access</h1>
<p>Scopes:</p><ul>{{range .Scopes}}<li><code>{{.}}</code></li>{{else}}<li>none</li>{{end}}</ul>
<form method="post" action="{{.Action}}">
{{range $name, $values := .Parameters}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">
{{end}}{{end}}<p><label>Account <select name="user">
{{range .Users}}<option value="{{.ID}}">{{.Name}} ({{.Email}})</option>
{{end}}</select></label></p>
<button name="decision" value="approve">Allow</button>
<button name="decision" value="deny">Deny</button>
</form></body></html>
`))

// askConsent shows the consent page.
func (s *Server) askConsent(c *call) (any, error) {
	parameters := c.r.URL.Query()
	request, err := s.readAuthorize(parameters)
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	if err := consentPage.Execute(&page, map[string]any{
		"Client": request.client.Name, "Scopes": request.scopes, "Action": authorizePath,
		"Parameters": parameters, "Users": s.state.users,
	}); err != nil {
		return nil, err
	}
	header := map[string]string{"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"}
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
	scopes := request.scopes
	if s.state.knobs.GrantedScopes != nil {
		scopes = slices.Clone(s.state.knobs.GrantedScopes)
	}
	s.state.families++
	t := &token{
		value: randomText(32), kind: KindCode, user: user, scopes: scopes, state: StateAlive,
		created: c.now, expires: c.now.Add(time.Duration(s.state.knobs.CodeSeconds) * time.Second),
		grant:   &grant{family: s.state.families, client: request.client, user: user, scopes: scopes},
		request: &request,
	}
	s.state.tokens[t.value] = t
	s.recordToken(c.x.number, t.record(TokenMinted))
	return t.value
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
		client:      s.state.client(parameters.Get("client_id")),
		redirectURI: parameters.Get("redirect_uri"),
		state:       parameters.Get("state"),
		scopes:      splitScopes(parameters.Get("scope")),
		challenge:   parameters.Get("code_challenge"),
		nonce:       parameters.Get("nonce"),
	}
	if r.client == nil {
		return r, pageError("The client is unknown.")
	}
	if !r.client.allowsRedirect(r.redirectURI) {
		return r, pageError("The redirect_uri is not registered for this client.")
	}
	method := parameters.Get("code_challenge_method")
	switch {
	case parameters.Get("response_type") != "code":
		return r, r.refuse(unsupportedResponseType, "response_type must be code.")
	case r.challenge == "" && (r.client.Secret == "" || method != ""):
		return r, r.refuse(invalidRequest, "code_challenge is missing.")
	case r.challenge != "" && method != "S256":
		return r, r.refuse(invalidRequest, "code_challenge_method must be S256.")
	case len(unknownScopes(without(r.scopes, oidcScopes))) > 0:
		return r, r.refuse(invalidScope, "A scope is unknown.")
	}
	return r, nil
}

// redirect sends the browser back to the client, with the client's state.
func (r authorizeRequest) redirect(answer url.Values) reply {
	if r.state != "" {
		answer.Set("state", r.state)
	}
	u, err := url.Parse(r.redirectURI)
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

// verifies checks a PKCE verifier against the challenge. A verifier without a challenge is wrong too, else
// an attacker could strip the challenge (RFC 9700 §2.1.1).
func (r authorizeRequest) verifies(verifier string) bool {
	if r.challenge == "" {
		return verifier == ""
	}
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:]) == r.challenge
}
