package makeapi

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

// OAuthClient is an application registered with Make. It prints as "[redacted]".
type OAuthClient struct {
	// ID is public.
	ID string
	// Secret is empty for a public client.
	Secret string
	// RedirectURL is one of those registered with Make, to the letter.
	RedirectURL string
}

// OAuth speaks to the authorization server of one zone as one client: www.make.com
// for Make's own zones, the zone itself for those in Config.ExtraZones. It is
// cheap, immutable and safe for concurrent use. Get one from Client.OAuth.
type OAuth struct {
	client *Client
	base   string // "https://host/oauth/v2"; "" when the zone is not allowed
	app    OAuthClient
}

// Client is the application that o speaks as.
func (o *OAuth) Client() OAuthClient { return o.app }

// OAuth does no I/O; calls for a zone that is not allowed fail as ZoneNotAllowed.
func (c *Client) OAuth(zone string, cl OAuthClient) *OAuth {
	host, ok := c.zones.allowed(zone)
	if !ok {
		return &OAuth{client: c, app: cl}
	}
	return &OAuth{client: c, base: "https://" + c.zones.authorizationServer(host) + "/oauth/v2", app: cl}
}

// Issuer is what the authorization server calls itself, in its discovery document
// and in the parameter iss of its answers (RFC 9207); "" for a zone that is not
// allowed. Source: issuer of Make's discovery document.
func (o *OAuth) Issuer() string { return strings.TrimSuffix(o.base, "/oauth/v2") }

// AuthCodeURL is where a browser asks the user for consent, or "" for a zone that
// is not allowed. state and verifier are fresh secrets of the caller; the URL
// carries the state and the verifier's S256 challenge (RFC 7636).
func (o *OAuth) AuthCodeURL(state, verifier string, scopes []string) string {
	if o.base == "" {
		return ""
	}
	config := oauth2.Config{
		ClientID:    o.app.ID,
		RedirectURL: o.app.RedirectURL,
		Scopes:      scopes,
		Endpoint:    oauth2.Endpoint{AuthURL: o.base + "/authorize"},
	}
	return config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier))
}

// Exchange trades an authorization code for tokens. A code works once: after
// UnknownOutcome only a new consent helps.
func (o *OAuth) Exchange(ctx context.Context, code, verifier string) (TokenResponse, error) {
	return o.token(ctx, "exchange authorization code", url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"redirect_uri":  {o.app.RedirectURL},
		"code_verifier": {verifier},
	})
}

// Refresh trades a refresh token for new tokens. It writes exactly one request,
// to a connection of its own: Make replaces the refresh token, and presenting the
// old one again may end the grant. Store TokenResponse.Raw before anything else,
// also beside an error of kind Invalid.
func (o *OAuth) Refresh(ctx context.Context, refreshToken string) (TokenResponse, error) {
	return o.token(ctx, "refresh access token", url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {refreshToken},
	})
}

// Revoke ends a token and, if it is a refresh token, its grant. Revoking an
// unknown token is no error (RFC 7009 §2.2).
func (o *OAuth) Revoke(ctx context.Context, token string) error {
	const op = "revoke token"
	got, failed := o.post(ctx, "/revoke", url.Values{"token": {token}}, false)
	if failed == nil && (got.status < 200 || got.status > 299) {
		failed = o.refusal(got, false)
	}
	if failed != nil {
		failed.Op = op
		return failed
	}
	return nil
}

func (o *OAuth) token(ctx context.Context, op string, form url.Values) (TokenResponse, error) {
	got, failed := o.post(ctx, "/token", form, true)
	if failed == nil && (got.status < 200 || got.status > 299) {
		failed = o.refusal(got, true)
	}
	if failed != nil {
		failed.Op = op
		return TokenResponse{}, failed
	}
	tokens, failed := parseTokenResponse(got.body, o.client.clock.Now())
	if failed != nil {
		failed.Op, failed.Status = op, got.status
		return tokens, failed
	}
	return tokens, nil
}

// post sends a form with the client's credentials in it (client_secret_post, the
// only method in Make's discovery document).
func (o *OAuth) post(ctx context.Context, path string, form url.Values, once bool) (answer, *Error) {
	if o.base == "" {
		return answer{}, &Error{Kind: ZoneNotAllowed, Reason: errNotAllowed.Error()}
	}
	form.Set("client_id", o.app.ID)
	if o.app.Secret != "" {
		form.Set("client_secret", o.app.Secret)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, &Error{Kind: Invalid, Reason: "request cannot be encoded"}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return o.client.send(o.client.grant, req, once)
}

// refusal says what an answer of the authorization server other than 2xx means.
func (o *OAuth) refusal(got answer, once bool) *Error {
	code := parseOAuthError(got.body)
	return &Error{
		Kind:       classifyOAuth(got.status, code, once),
		Status:     got.status,
		Code:       code,
		RetryAfter: retryAfter(got.header.Get("Retry-After"), o.client.clock.Now()),
	}
}
