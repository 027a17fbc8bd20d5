package makesim_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makesim"
)

func TestDiscovery(t *testing.T) {
	s := start(t)
	a := s.get("/.well-known/openid-configuration", "")
	for member, want := range map[string]any{
		"issuer": s.URL, "token_endpoint": s.URL + "/oauth/v2/token", "authorization_endpoint": s.URL + "/oauth/v2/authorize",
		"jwks_uri": s.URL + "/oauth/v2/oidc/jwks", "revocation_endpoint": s.URL + "/oauth/v2/revoke",
	} {
		if a.json[member] != want {
			t.Errorf("%s: got %v, want %v", member, a.json[member], want)
		}
	}
	if diff := cmp.Diff([]any{"client_secret_post"}, a.json["token_endpoint_auth_methods_supported"]); diff != "" {
		t.Error(diff)
	}
}

// hidden finds the fields that a browser would submit.
var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

func TestConsentPage(t *testing.T) {
	s := start(t)
	query := consentForm(makesim.OAuthClientID, "scenarios:read,user:read")
	query.Del("decision")
	page := s.get("/oauth/v2/authorize?"+query.Encode(), "")
	if page.status != 200 || !strings.Contains(page.text, "<code>user:read</code>") || !strings.Contains(page.text, `<option value="1002">`) {
		t.Fatalf("page: %d %s", page.status, page.text)
	}
	form := url.Values{"decision": {"approve"}, "user": {"1002"}}
	for _, field := range hidden.FindAllStringSubmatch(page.text, -1) {
		form.Set(field[1], strings.ReplaceAll(field[2], "&amp;", "&"))
	}
	back := location(t, s.form("/oauth/v2/authorize", form))
	if back.Query().Get("state") != "st&te" || back.Host != "127.0.0.1:4711" || back.Query().Get("code") == "" {
		t.Fatalf("redirect: %s", back)
	}
	got := s.form("/oauth/v2/token", exchangeForm(makesim.OAuthClientID, back.Query().Get("code")))
	if a := s.get("/api/v2/users/me", "Bearer "+text(got, "access_token")); at(a, "authUser", "id") != 1002.0 {
		t.Errorf("the chosen user did not consent: %s", a.text)
	}

	form.Set("decision", "deny")
	back = location(t, s.form("/oauth/v2/authorize", form))
	if back.Query().Get("error") != "access_denied" || back.Query().Get("state") != "st&te" || back.Query().Has("code") {
		t.Errorf("denied: %s", back)
	}
}

func TestApprove(t *testing.T) {
	s := start(t)
	query := consentForm(makesim.OAuthClientID, "user:read")
	query.Del("decision")
	back, err := s.Approve(t.Context(), s.URL+"/oauth/v2/authorize?"+query.Encode(), makesim.OtherUserID)
	if err != nil {
		t.Fatal(err)
	}
	got := s.form("/oauth/v2/token", exchangeForm(makesim.OAuthClientID, back.Query().Get("code")))
	if a := s.get("/api/v2/users/me", "Bearer "+text(got, "access_token")); at(a, "authUser", "id") != 1002.0 {
		t.Errorf("user: %s", a.text)
	}
	query.Set("client_id", "nobody")
	if _, err := s.Approve(t.Context(), s.URL+"/oauth/v2/authorize?"+query.Encode(), makesim.UserID); err == nil {
		t.Error("an unknown client was approved")
	}
}

func TestAuthorizeErrors(t *testing.T) {
	s := start(t)
	for name, test := range map[string]struct {
		set  url.Values
		code string // empty: stays on the page
	}{
		"unknown client":         {url.Values{"client_id": {"nobody"}}, ""},
		"foreign redirect":       {url.Values{"redirect_uri": {"https://evil.example/oauth/callback"}}, ""},
		"another path":           {url.Values{"redirect_uri": {"http://127.0.0.1:4711/other"}}, ""},
		"user in the redirect":   {url.Values{"redirect_uri": {"http://127.0.0.1:4711@evil.example/oauth/callback"}}, ""},
		"a longer host":          {url.Values{"redirect_uri": {"http://127.0.0.1.evil.example/oauth/callback"}}, ""},
		"no redirect":            {url.Values{"redirect_uri": {""}}, ""},
		"unknown user":           {url.Values{"user": {"5"}}, ""},
		"no decision":            {url.Values{"decision": {""}}, ""},
		"repeated parameter":     {url.Values{"state": {"a", "b"}}, ""},
		"response type":          {url.Values{"response_type": {"token"}}, "unsupported_response_type"},
		"plain challenge":        {url.Values{"code_challenge_method": {"plain"}}, "invalid_request"},
		"no challenge method":    {url.Values{"code_challenge_method": {""}}, "invalid_request"},
		"public client, no PKCE": {url.Values{"client_id": {makesim.PublicClientID}, "code_challenge": {""}, "code_challenge_method": {""}}, "invalid_request"},
		"unknown scope":          {url.Values{"scope": {"scenarios:fly"}}, "invalid_scope"},
	} {
		t.Run(name, func(t *testing.T) {
			form := consentForm(makesim.OAuthClientID, "user:read")
			maps.Copy(form, test.set)
			a := s.form("/oauth/v2/authorize", form)
			if test.code == "" {
				if a.status != 400 || a.header.Get("Location") != "" {
					t.Errorf("got %d %s", a.status, a.header.Get("Location"))
				}
				return
			}
			if back := location(t, a); back.Query().Get("error") != test.code || back.Query().Get("state") != "st&te" {
				t.Errorf("redirect: %s", back)
			}
		})
	}
}

func TestExchange(t *testing.T) {
	s := start(t)
	a := s.form("/oauth/v2/token", exchangeForm(makesim.OAuthClientID, s.code(makesim.OAuthClientID, "scenarios:read")))
	access := text(a, "access_token")
	if a.status != 200 || a.json["token_type"] != "Bearer" || a.json["expires_in"] != 300.0 || text(a, "refresh_token") == "" ||
		!strings.HasPrefix(access, "eyJ") || a.json["scope"] != nil || a.json["id_token"] != nil || a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("exchange: %d, members are wrong", a.status)
	}
	s.Advance(299 * time.Second)
	if a := s.get("/api/v2/users/me", "Bearer "+access); a.status != 200 {
		t.Errorf("within its life: %d", a.status)
	}
	s.Advance(time.Second)
	if a := s.get("/api/v2/users/me", "Bearer "+access); a.status != 401 || s.TokenState(access) != makesim.StateExpired {
		t.Errorf("after its life: %d", a.status)
	}
}

func TestExchangeAsJSONWithoutPKCE(t *testing.T) {
	s := start(t)
	form := consentForm(makesim.OAuthClientID, "user:read")
	form.Del("code_challenge")
	form.Del("code_challenge_method")
	code := location(t, s.form("/oauth/v2/authorize", form)).Query().Get("code")
	body, err := json.Marshal(map[string]string{
		"grant_type": "authorization_code", "client_id": makesim.OAuthClientID, "client_secret": makesim.OAuthClientSecret,
		"code": code, "redirect_uri": redirect,
	})
	if err != nil {
		t.Fatal(err)
	}
	if a := s.send("POST", "/oauth/v2/token", "", string(body)); a.status != 200 {
		t.Errorf("got %d %s", a.status, a.text)
	}
}

func TestPublicClient(t *testing.T) {
	s := start(t)
	exchange := func() answer {
		return s.form("/oauth/v2/token", exchangeForm(makesim.PublicClientID, s.code(makesim.PublicClientID, "user:read")))
	}
	if a := exchange(); a.status != 200 || a.json["refresh_token"] != nil || a.json["access_token"] == nil {
		t.Errorf("by default: %d, want no refresh token", a.status)
	}
	s.knobs(func(k *makesim.Knobs) { k.PublicClientRefresh = true })
	a := exchange()
	a = s.form("/oauth/v2/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {makesim.PublicClientID}, "refresh_token": {text(a, "refresh_token")},
	})
	if a.status != 200 || text(a, "refresh_token") == "" {
		t.Errorf("with publicClientRefresh: %d %v", a.status, a.json["error"])
	}
}

func TestTokenEndpointErrors(t *testing.T) {
	for name, test := range map[string]struct {
		set    url.Values
		status int
		code   string
	}{
		"wrong secret":         {url.Values{"client_secret": {"guess"}}, 401, "invalid_client"},
		"no secret":            {url.Values{"client_secret": {""}}, 401, "invalid_client"},
		"unknown client":       {url.Values{"client_id": {"nobody"}}, 401, "invalid_client"},
		"another client":       {url.Values{"client_id": {makesim.PublicClientID}, "client_secret": {""}}, 400, "invalid_grant"},
		"wrong code":           {url.Values{"code": {"guess"}}, 400, "invalid_grant"},
		"wrong verifier":       {url.Values{"code_verifier": {strings.Repeat("x", 50)}}, 400, "invalid_grant"},
		"no verifier":          {url.Values{"code_verifier": {""}}, 400, "invalid_grant"},
		"another redirect_uri": {url.Values{"redirect_uri": {"http://127.0.0.1:4712/oauth/callback"}}, 400, "invalid_grant"},
		"no grant type":        {url.Values{"grant_type": {""}}, 400, "invalid_request"},
		"unknown grant type":   {url.Values{"grant_type": {"client_credentials"}}, 400, "unsupported_grant_type"},
		"repeated parameter":   {url.Values{"code": {"a", "b"}}, 400, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			form := exchangeForm(makesim.OAuthClientID, s.code(makesim.OAuthClientID, "user:read"))
			maps.Copy(form, test.set)
			if a := s.form("/oauth/v2/token", form); a.status != test.status || a.json["error"] != test.code {
				t.Errorf("got %d %s", a.status, a.text)
			}
		})
	}
}

func TestClientSecretBasicIsRefused(t *testing.T) {
	s := start(t)
	form := exchangeForm(makesim.OAuthClientID, s.code(makesim.OAuthClientID, "user:read"))
	form.Del("client_secret")
	basic := &http.Request{Header: http.Header{}}
	basic.SetBasicAuth(makesim.OAuthClientID, makesim.OAuthClientSecret)
	a := s.must(s.request("POST", "/oauth/v2/token", basic.Header.Get("Authorization"),
		"application/x-www-form-urlencoded", strings.NewReader(form.Encode())))
	if a.status != 401 || a.json["error"] != "invalid_client" {
		t.Errorf("got %d %s", a.status, a.text)
	}
}

func TestCodeIsGoodOnceAndForFiveMinutes(t *testing.T) {
	s := start(t)
	form := exchangeForm(makesim.OAuthClientID, s.code(makesim.OAuthClientID, "user:read"))
	first := s.form("/oauth/v2/token", form)
	if again := s.form("/oauth/v2/token", form); again.status != 400 || again.json["error"] != "invalid_grant" {
		t.Errorf("second exchange: %d %s", again.status, again.text)
	}
	if s.TokenAlive(text(first, "access_token")) || s.TokenAlive(text(first, "refresh_token")) {
		t.Error("a replayed code leaves its tokens alive")
	}

	form = exchangeForm(makesim.OAuthClientID, s.code(makesim.OAuthClientID, "user:read"))
	s.Advance(5 * time.Minute)
	if late := s.form("/oauth/v2/token", form); late.json["error"] != "invalid_grant" {
		t.Errorf("after five minutes: %d %s", late.status, late.text)
	}
}

func TestGrantedScopesKnob(t *testing.T) {
	s := start(t)
	s.knobs(func(k *makesim.Knobs) { k.GrantedScopes = []string{"user:read", "hooks:write"} })
	a := s.form("/oauth/v2/token", exchangeForm(makesim.OAuthClientID, s.code(makesim.OAuthClientID, "user:read scenarios:read")))
	if a.json["scope"] != "user:read hooks:write" {
		t.Errorf("scope: %v", a.json["scope"])
	}
	granted := s.get("/api/v2/users/me/current-authorization", "Bearer "+text(a, "access_token"))
	if diff := cmp.Diff([]any{"user:read", "hooks:write"}, at(granted, "authorization", "scope")); diff != "" {
		t.Error(diff)
	}
}

func TestIDTokenAndUserinfo(t *testing.T) {
	s := start(t)
	form := consentForm(makesim.OAuthClientID, "openid user:read")
	form.Set("nonce", "n-1")
	code := location(t, s.form("/oauth/v2/authorize", form)).Query().Get("code")
	got := s.form("/oauth/v2/token", exchangeForm(makesim.OAuthClientID, code))

	if got.status != 200 {
		t.Fatalf("exchange: %d %s", got.status, got.text)
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(s.get("/oauth/v2/oidc/jwks", "").text), &keys); err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(text(got, "id_token"), []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	var claims jwt.Claims
	var more struct {
		Nonce string `json:"nonce"`
	}
	if err := parsed.Claims(&keys, &claims, &more); err != nil {
		t.Fatal(err)
	}
	if err := claims.ValidateWithLeeway(jwt.Expected{
		Issuer: s.URL, Subject: "1001", AnyAudience: jwt.Audience{makesim.OAuthClientID}, Time: s.Now(),
	}, 0); err != nil || more.Nonce != "n-1" {
		t.Errorf("claims: %v, nonce %q", err, more.Nonce)
	}
	for _, key := range keys.Keys {
		if !key.IsPublic() {
			t.Error("the JWK set holds a private key")
		}
	}

	if a := s.get("/oauth/v2/oidc/userinfo", "Bearer "+text(got, "access_token")); a.status != 200 || a.json["sub"] != "1001" {
		t.Errorf("userinfo: %d %s", a.status, a.text)
	}
	access, _ := s.tokens("user:read")
	if a := s.get("/oauth/v2/oidc/userinfo", "Bearer "+access); a.status != 403 {
		t.Errorf("userinfo without openid: %d", a.status)
	}
	if a := s.get("/oauth/v2/oidc/userinfo", ""); a.status != 401 {
		t.Errorf("userinfo without a token: %d", a.status)
	}
}

func TestRevoke(t *testing.T) {
	s := start(t)
	revoke := func(token, secret string) answer {
		return s.form("/oauth/v2/revoke", url.Values{
			"token": {token}, "client_id": {makesim.OAuthClientID}, "client_secret": {secret},
		})
	}
	access, refresh := s.tokens("user:read")
	if a := revoke(access, makesim.OAuthClientSecret); a.status != 200 || s.TokenAlive(access) || !s.TokenAlive(refresh) {
		t.Errorf("an access token goes alone: %d", a.status)
	}
	next := s.refresh(refresh)
	newest, newAccess := text(next, "refresh_token"), text(next, "access_token")
	if a := revoke(newest, "guess"); a.status != 401 || !s.TokenAlive(newest) {
		t.Errorf("with a wrong secret: %d", a.status)
	}
	if a := revoke(newest, makesim.OAuthClientSecret); a.status != 200 || s.TokenAlive(newest) || s.TokenAlive(newAccess) {
		t.Errorf("a refresh token takes its family with it: %d", a.status)
	}
	if a := s.refresh(newest); a.json["error"] != "invalid_grant" {
		t.Errorf("refresh after revocation: %d %s", a.status, a.text)
	}
	if a := revoke("never issued", makesim.OAuthClientSecret); a.status != 200 {
		t.Errorf("unknown token: %d", a.status)
	}
	if a := revoke(makesim.RootToken, makesim.OAuthClientSecret); a.status != 200 || !s.TokenAlive(makesim.RootToken) {
		t.Errorf("an API token is not the client's to revoke: %d", a.status)
	}
	if a := revoke("", makesim.OAuthClientSecret); a.status != 400 {
		t.Errorf("no token: %d", a.status)
	}
}
