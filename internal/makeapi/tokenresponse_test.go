package makeapi_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makeapi"
)

func TestParseTokenResponse(t *testing.T) {
	tests := []struct {
		name string
		raw  string
		want makeapi.TokenResponse // without Raw and Received
		kind makeapi.Kind
	}{
		{
			name: "complete",
			raw:  `{"access_token":"a","refresh_token":"r","id_token":"i","token_type":"Bearer","expires_in":300,"scope":"scenarios:read,user:read openid","new":{"x":[1]}}`,
			want: makeapi.TokenResponse{AccessToken: "a", RefreshToken: "r", TokenType: "Bearer", ExpiresIn: 5 * time.Minute, Scopes: []string{"scenarios:read", "user:read", "openid"}},
		},
		{
			name: "least",
			raw:  `{"access_token":"a"}`,
			want: makeapi.TokenResponse{AccessToken: "a", TokenType: "Bearer"},
		},
		{
			name: "nulls are absent",
			raw:  `{"access_token":"a","refresh_token":null,"token_type":"bearer","expires_in":null,"scope":null}`,
			want: makeapi.TokenResponse{AccessToken: "a", TokenType: "Bearer"},
		},
		{
			name: "lifetime in a string",
			raw:  `{"access_token":"a","expires_in":"3600"}`,
			want: makeapi.TokenResponse{AccessToken: "a", TokenType: "Bearer", ExpiresIn: time.Hour},
		},
		{
			name: "lifetime beyond belief",
			raw:  `{"access_token":"a","expires_in":1e300}`,
			want: makeapi.TokenResponse{AccessToken: "a", TokenType: "Bearer", ExpiresIn: 366 * 24 * time.Hour},
		},
		{name: "names in other case", raw: `{"ACCESS_TOKEN":"a","Refresh_Token":"r"}`, kind: makeapi.Invalid},
		{name: "negative lifetime", raw: `{"access_token":"a","expires_in":-1}`, kind: makeapi.Invalid},
		{name: "lifetime is no number", raw: `{"access_token":"a","expires_in":"NaN"}`, kind: makeapi.Invalid},
		{name: "lifetime is a list", raw: `{"access_token":"a","expires_in":[300]}`, kind: makeapi.Invalid},
		{name: "no access token", raw: `{"refresh_token":"r"}`, want: makeapi.TokenResponse{RefreshToken: "r"}, kind: makeapi.Invalid},
		{
			name: "unusable access token beside a refresh token", raw: `{"access_token":7,"refresh_token":"r"}`,
			want: makeapi.TokenResponse{RefreshToken: "r"}, kind: makeapi.Invalid,
		},
		{name: "refresh token is null", raw: `{"refresh_token":null}`, kind: makeapi.Invalid},
		{name: "empty access token", raw: `{"access_token":""}`, kind: makeapi.Invalid},
		{name: "access token is a number", raw: `{"access_token":7}`, kind: makeapi.Invalid},
		{name: "access token breaks a header", raw: `{"access_token":"a\r\nb: c"}`, kind: makeapi.Invalid},
		{name: "access token without bounds", raw: `{"access_token":"` + strings.Repeat("a", 16<<10+1) + `"}`, kind: makeapi.Invalid},
		{name: "refresh token breaks a form", raw: `{"access_token":"a","refresh_token":"r r"}`, kind: makeapi.Invalid},
		{name: "other type of token", raw: `{"access_token":"a","token_type":"DPoP"}`, kind: makeapi.Invalid},
		{name: "cut short", raw: `{"access_token":"a","refresh_tok`, kind: makeapi.Invalid},
		{name: "list", raw: `["access_token"]`, kind: makeapi.Invalid},
		{name: "page", raw: `<html>maintenance</html>`, kind: makeapi.Invalid},
		{name: "nothing", raw: ``, kind: makeapi.Invalid},
		{name: "null", raw: `null`, kind: makeapi.Invalid},
		{name: "error", raw: `{"error":"invalid_grant","error_description":"used"}`, kind: makeapi.InvalidGrant},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := makeapi.ParseTokenResponse([]byte(tt.raw), now)
			if makeapi.KindOf(err) != tt.kind {
				t.Fatalf("kind %v (%v), want %v", makeapi.KindOf(err), err, tt.kind)
			}
			tt.want.Received = now
			if tt.kind != makeapi.InvalidGrant {
				tt.want.Raw = []byte(tt.raw)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("response (-want +got):\n%s", diff)
			}
		})
	}
}

// An answer that is not understood is handed over, so that it can be stored: it
// may hold the only copy of the next refresh token.
func TestRefreshHandsOverWhatItDoesNotUnderstand(t *testing.T) {
	tests := []struct {
		name, body, raw string
		want            makeapi.Kind
	}{
		{name: "other form", body: `{"tokens":{"refresh":"r"}}`, raw: `{"tokens":{"refresh":"r"}}`, want: makeapi.Invalid},
		{name: "refusal with status 200", body: `{"error":"invalid_grant"}`, raw: "", want: makeapi.InvalidGrant},
		{name: "server error with status 200", body: `{"error":"server_error"}`, raw: "", want: makeapi.UnknownOutcome},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client, zone := serve(t, func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, http.StatusOK, tt.body) })
			got, err := client.OAuth(zone, confidential()).Refresh(t.Context(), refreshToken)
			if makeapi.KindOf(err) != tt.want || string(got.Raw) != tt.raw {
				t.Errorf("kind %v and %d bytes, want %v and %d", makeapi.KindOf(err), len(got.Raw), tt.want, len(tt.raw))
			}
		})
	}
}

func TestRefusedRefresh(t *testing.T) {
	client, zone := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "Sun, 01 Mar 2026 12:01:00 GMT")
		answerJSON(w, http.StatusTooManyRequests, `slow`)
	})
	_, err := client.OAuth(zone, confidential()).Refresh(t.Context(), refreshToken)
	const want = "refresh access token: rate limited (429)"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestAuthCodeURL(t *testing.T) {
	client, zone := serve(t, http.NotFound)
	// The pair of verifier and challenge is that of RFC 7636, appendix B.
	got, err := url.Parse(client.OAuth(zone, confidential()).AuthCodeURL(
		"state-value", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", []string{"scenarios:read", "openid"}))
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"client_id":             {"client-1"},
		"code_challenge":        {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"},
		"code_challenge_method": {"S256"},
		"redirect_uri":          {"https://operator.example/callback"},
		"response_type":         {"code"},
		"scope":                 {"scenarios:read openid"},
		"state":                 {"state-value"},
	}
	if diff := cmp.Diff(want, got.Query()); diff != "" {
		t.Errorf("query (-want +got):\n%s", diff)
	}
	if got.Scheme != "https" || got.Host != zone || got.Path != "/oauth/v2/authorize" {
		t.Errorf("URL is %s://%s%s", got.Scheme, got.Host, got.Path)
	}
}

func TestPublicClientSendsNoSecret(t *testing.T) {
	var form url.Values
	client, zone := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		form = r.PostForm
		answerJSON(w, http.StatusOK, `{"access_token":"a"}`)
	})
	app := makeapi.OAuthClient{ID: "client-1", RedirectURL: "https://operator.example/callback"}
	got, err := client.OAuth(zone, app).Exchange(t.Context(), "code-value", "verifier-value")
	if err != nil {
		t.Fatal(err)
	}
	if got.RefreshToken != "" || form.Has("client_secret") || form.Get("client_id") != "client-1" {
		t.Errorf("form has %v", form)
	}
}
