package makesim

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Paths of the authorization server. Source: Make's page on OAuth 2.0.
const (
	discoveryPath = "/.well-known/openid-configuration"
	authorizePath = "/oauth/v2/authorize"
	tokenPath     = "/oauth/v2/token"
	revokePath    = "/oauth/v2/revoke"
	jwksPath      = "/oauth/v2/oidc/jwks"
	userinfoPath  = "/oauth/v2/oidc/userinfo"
	renamePath    = "/oauth/v2/rename"
)

// authorizationRoutes are the authorization server. Its endpoints authenticate clients, not API tokens.
func (s *Server) authorizationRoutes() []route {
	return []route{
		{pattern: "GET " + discoveryPath, open: true, do: s.discovery},
		{pattern: "GET /oauth/v2/oidc" + discoveryPath, open: true, do: s.discovery},
		{pattern: "GET /oidc" + discoveryPath, open: true, do: s.discovery},
		{pattern: "GET " + authorizePath, open: true, do: s.askConsent},
		{pattern: "POST " + authorizePath, open: true, do: s.decideConsent},
		{pattern: "POST " + tokenPath, open: true, do: s.issueTokens},
		{pattern: "POST " + revokePath, open: true, do: s.revoke},
		{pattern: "GET " + jwksPath, open: true, do: s.jwks},
		{pattern: "GET " + userinfoPath, open: true, do: s.userinfo},
		{pattern: "POST " + userinfoPath, open: true, do: s.userinfo},
		{pattern: "POST " + renamePath, open: true, do: s.renameConnection},
	}
}

// issuer is the public URL, or the request's own host.
func (s *Server) issuer(c *call) string {
	if s.publicURL != "" {
		return s.publicURL
	}
	if c.r.TLS == nil {
		return "http://" + c.r.Host
	}
	return "https://" + c.r.Host
}

// discovery has the members that Make documents; refresh_token is not listed, but works.
func (s *Server) discovery(c *call) (any, error) {
	issuer := s.issuer(c)
	return object{
		"issuer":                                issuer,
		"authorization_endpoint":                issuer + authorizePath,
		"token_endpoint":                        issuer + tokenPath,
		"revocation_endpoint":                   issuer + revokePath,
		"jwks_uri":                              issuer + jwksPath,
		"userinfo_endpoint":                     issuer + userinfoPath,
		"rename_connection_endpoint":            issuer + renamePath,
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported":                      []string{"openid"},
		"claims_supported":                      []string{"sub"},
		"grant_types_supported":                 []string{"authorization_code"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post"},
		"code_challenge_methods_supported":      []string{"S256"},
		"request_uri_parameter_supported":       true,
	}, nil
}

// Error codes of RFC 6749 §4.1.2.1 and §5.2.
const (
	invalidRequest          = "invalid_request"
	invalidClient           = "invalid_client"
	invalidGrant            = "invalid_grant"
	invalidScope            = "invalid_scope"
	unsupportedGrantType    = "unsupported_grant_type"
	unsupportedResponseType = "unsupported_response_type"
)

// oauthError is an error of the token and revocation endpoints, RFC 6749 §5.2.
func oauthError(code, description string) error {
	status := http.StatusBadRequest
	if code == invalidClient {
		status = http.StatusUnauthorized
	}
	r := jsonReply(status, object{"error": code, "error_description": description})
	r.header["Cache-Control"] = "no-store"
	return &replyError{r}
}

// form reads the body's parameters, form-encoded or as a JSON object of texts. A repeated parameter is an
// error by RFC 6749 §3.2.
func (c *call) form() (url.Values, error) {
	form := url.Values{}
	if c.isJSON() {
		var body map[string]string
		if err := json.Unmarshal(c.body, &body); err != nil {
			return nil, oauthError(invalidRequest, "The body is not a JSON object of texts.")
		}
		for name, value := range body {
			form.Set(name, value)
		}
		return form, nil
	}
	if !strings.HasPrefix(c.r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return nil, oauthError(invalidRequest, "The body is neither form-encoded nor JSON.")
	}
	form, err := url.ParseQuery(string(c.body))
	if err != nil {
		return nil, oauthError(invalidRequest, "The body is not form-encoded.")
	}
	for name, values := range form {
		if len(values) > 1 {
			return nil, oauthError(invalidRequest, "The parameter "+name+" is repeated.")
		}
	}
	return form, nil
}

// authenticateClient takes client_id and client_secret from the body (client_secret_post), as Make does.
func (s *Server) authenticateClient(c *call, form url.Values) (*OAuthClient, error) {
	client := s.knownClient(form.Get("client_id"))
	if client == nil || client.Secret != form.Get("client_secret") {
		return nil, oauthError(invalidClient, "The client is unknown or its secret is wrong.")
	}
	c.x.record.ClientID = client.ID
	return client, nil
}

// knownClient finds a client; one that a knob revoked is not found.
func (s *Server) knownClient(id string) *OAuthClient {
	if slices.Contains(s.state.knobs.RevokedClients, id) {
		return nil
	}
	return s.state.client(id)
}

// readForm reads a body for the token or revocation endpoint; which encodings these take is a knob.
func (s *Server) readForm(c *call) (url.Values, error) {
	takes := s.state.knobs.TokenEncoding
	if takes == EncodingForm && c.isJSON() || takes == EncodingJSON && !c.isJSON() {
		return nil, oauthError(invalidRequest, "The body must be "+string(takes)+"-encoded.")
	}
	return c.form()
}

// allowsRedirect compares exactly; only the port of a loopback host is free (RFC 8252 §7.3).
func (o *OAuthClient) allowsRedirect(uri string) bool {
	return slices.ContainsFunc(o.RedirectURIs, func(registered string) bool {
		return registered == uri || withoutLoopbackPort(registered) == withoutLoopbackPort(uri)
	})
}

func withoutLoopbackPort(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return uri
	}
	switch u.Hostname() {
	case "127.0.0.1", "localhost":
		u.Host = u.Hostname()
	case "::1":
		u.Host = "[::1]"
	}
	return u.String()
}

// splitScopes separates at spaces and commas, as Make's authorize endpoint does.
func splitScopes(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' })
}
