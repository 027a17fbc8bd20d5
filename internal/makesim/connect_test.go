package makesim_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makesim"
)

func TestOAuthConnections(t *testing.T) {
	s := start(t)
	const path = "/api/v2/users/me/oauth-connections"
	if a := s.get(path, root); a.text != `{"connections":[]}` {
		t.Errorf("none: %s", a.text)
	}
	access, refresh := s.tokens("user:read")
	s.tokens("scenarios:read user:read")
	s.get("/api/v2/users/me", "Bearer "+access)
	first := makesim.DefaultSeed().OAuthClients[0]
	want := map[string]any{
		"id": 1.0, "clientName": first.Name, "lastUsedAt": noon.Format("2006-01-02T15:04:05.000Z"),
		"scopes": []any{"scenarios:read", "user:read"},
	}
	if diff := cmp.Diff(map[string]any{"connections": []any{want}}, s.get(path, root).json); diff != "" {
		t.Error(diff)
	}
	if a := s.get(path, other); a.text != `{"connections":[]}` {
		t.Errorf("another user's: %s", a.text)
	}
	if a := s.send("DELETE", path+"/1", other, ""); a.status != 404 {
		t.Errorf("another user's deletion: %d", a.status)
	}
	if a := s.send("DELETE", path+"/1", reader, ""); a.status != 403 {
		t.Errorf("without user:write: %d", a.status)
	}
	if a := s.send("DELETE", path+"/1", root, ""); a.status != 200 || a.json["client"] != 1.0 {
		t.Errorf("deletion: %d %s", a.status, a.text)
	}
	if s.TokenAlive(access) || s.TokenAlive(refresh) || s.get(path, root).text != `{"connections":[]}` {
		t.Error("something is left")
	}
	if a := s.send("DELETE", path+"/1", root, ""); a.status != 404 {
		t.Errorf("deletion of nothing: %d", a.status)
	}
}

func TestRenameConnection(t *testing.T) {
	s := start(t)
	access, _ := s.tokens("user:read")
	a := s.get("/.well-known/openid-configuration", "")
	path := strings.TrimPrefix(text(a, "rename_connection_endpoint"), s.URL)
	for authorization, want := range map[string]int{"": 401, root: 400, "Bearer " + access: 200} {
		if a := s.send("POST", path, authorization, `{"name":"Cluster prod"}`); a.status != want {
			t.Errorf("%d, want %d: %s", a.status, want, a.text)
		}
	}
	names := column(s.get("/api/v2/users/me/oauth-connections", root), "connections", "clientName")
	if diff := cmp.Diff([]any{"Cluster prod"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestRevocationKeepsAccess(t *testing.T) {
	s := start(t)
	s.knobs(func(k *makesim.Knobs) { k.RevocationKeepsAccess = true })
	access, refresh := s.tokens("user:read")
	s.form("/oauth/v2/revoke", url.Values{
		"token": {refresh}, "client_id": {makesim.OAuthClientID}, "client_secret": {makesim.OAuthClientSecret},
	})
	if s.TokenAlive(refresh) || !s.TokenAlive(access) {
		t.Errorf("refresh %s, access %s", s.TokenState(refresh), s.TokenState(access))
	}
}

func TestIdentityClaims(t *testing.T) {
	s := start(t)
	claims := func(idToken string) map[string]any {
		parsed, err := jwt.ParseSigned(idToken, []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			t.Fatal(err)
		}
		var keys jose.JSONWebKeySet
		if err := json.Unmarshal([]byte(s.get("/oauth/v2/oidc/jwks", "").text), &keys); err != nil {
			t.Fatal(err)
		}
		all := map[string]any{}
		if err := parsed.Claims(&keys, &all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	got := s.form("/oauth/v2/token", exchangeForm(makesim.OAuthClientID, s.code(makesim.OAuthClientID, "openid")))
	if c := claims(text(got, "id_token")); c["sub"] != "1001" || c["email"] != nil || c["name"] != nil {
		t.Errorf("by default: %v", c)
	}
	s.knobs(func(k *makesim.Knobs) { k.IdentityClaims = true })
	got = s.refresh(text(got, "refresh_token"))
	if c := claims(text(got, "id_token")); c["email"] != "ada@acme.example" || c["name"] != "Ada Example" {
		t.Errorf("with the knob: %v", c)
	}
	if a := s.get("/oauth/v2/oidc/userinfo", "Bearer "+text(got, "access_token")); a.json["email"] != "ada@acme.example" || a.json["sub"] != "1001" {
		t.Errorf("userinfo: %s", a.text)
	}
}

func TestExchangeLimits(t *testing.T) {
	for name, test := range map[string]struct {
		set  url.Values
		code string
	}{
		"no code":                 {url.Values{"code": {""}}, "invalid_request"},
		"no redirect_uri":         {url.Values{"redirect_uri": {""}}, "invalid_request"},
		"verifier too short":      {url.Values{"code_verifier": {verifier[:42]}}, "invalid_grant"},
		"verifier too long":       {url.Values{"code_verifier": {strings.Repeat("v", 129)}}, "invalid_grant"},
		"a refresh token as code": {url.Values{"code": {"REFRESH"}}, "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			_, refresh := s.tokens("user:read")
			form := exchangeForm(makesim.OAuthClientID, s.code(makesim.OAuthClientID, "user:read"))
			maps.Copy(form, test.set)
			if form.Get("code") == "REFRESH" {
				form.Set("code", refresh)
			}
			if a := s.form("/oauth/v2/token", form); a.status != 400 || a.json["error"] != test.code {
				t.Errorf("got %d %s", a.status, a.text)
			}
		})
	}
}

func TestUserinfoRefusals(t *testing.T) {
	s := start(t)
	access, _ := s.tokens("user:read")
	for authorization, want := range map[string]string{
		"": `Bearer error="invalid_token"`, "Bearer x": `Bearer error="invalid_token"`, "Bearer " + access: `Bearer error="insufficient_scope"`,
	} {
		if a := s.get("/oauth/v2/oidc/userinfo", authorization); a.header.Get("WWW-Authenticate") != want {
			t.Errorf("got %d %q", a.status, a.header.Get("WWW-Authenticate"))
		}
	}
}

func TestAuthorizeRefusesWhatIsNoChallenge(t *testing.T) {
	s := start(t)
	for _, text := range []string{"short", challenge() + "A", strings.Repeat("+", 43)} {
		form := consentForm(makesim.OAuthClientID, "user:read")
		form.Set("code_challenge", text)
		if back := location(t, s.form("/oauth/v2/authorize", form)); back.Query().Get("error") != "invalid_request" {
			t.Errorf("%q: %s", text, back)
		}
	}
}
