package makeapi

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func FuzzParseTokenResponse(f *testing.F) {
	for _, seed := range []string{
		`{"access_token":"a","refresh_token":"r","token_type":"Bearer","expires_in":300,"scope":"a:read b:write"}`,
		`{"access_token":"a","expires_in":"1e9"}`,
		`{"access_token":"a","access_token":"b","ACCESS_TOKEN":"c"}`,
		`{"error":"invalid_grant"}`,
		`{"access_token":"\ud800"}`,
		`{"expires_in":-0}`,
		`[]`, `null`, ``, `{`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := ParseTokenResponse(raw, time.Unix(0, 0))
		if err != nil {
			if got.AccessToken != "" || got.RefreshToken != "" {
				t.Error("an error came with tokens")
			}
			return
		}
		if !isToken(got.AccessToken) || (got.RefreshToken != "" && !isToken(got.RefreshToken)) {
			t.Error("a token does not fit into a header")
		}
		if got.ExpiresIn < 0 || got.ExpiresIn > maxLifetime || got.TokenType != "Bearer" {
			t.Errorf("lifetime %v, type %q", got.ExpiresIn, got.TokenType)
		}
	})
}

func FuzzErrorBody(f *testing.F) {
	for _, seed := range []string{
		`{"code":"SC403","message":"Forbidden.","suberrors":[{"message":"m","name":"Error"}]}`,
		`{"error":"invalid_grant","error_description":"d"}`,
		`{"code":{"code":"SC403"}}`,
		`error code: 1010`,
		``, `null`, `"SC403"`,
	} {
		f.Add([]byte(seed), 403)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		code := parseErrorCode(body)
		if code != "" && !codeForm.MatchString(code) {
			t.Errorf("code %q", code)
		}
		if _, known := oauthKinds[parseOAuthError(body)]; parseOAuthError(body) != "" && !known {
			t.Error("an unknown OAuth code passed")
		}
		if status >= 300 && status < 600 {
			if classify(status, code, true) == Unknown || classifyOAuth(status, parseOAuthError(body), true) == Unknown {
				t.Errorf("status %d has no kind", status)
			}
		}
	})
}

func FuzzParseParameters(f *testing.F) {
	f.Add([]byte(`[{"name":"a","type":"array","spec":[{"type":"collection","spec":[{"type":"text","default":null}]}]}]`))
	f.Add([]byte(`[` + strings.Repeat(`{"spec":`, 100) + `null` + strings.Repeat(`}`, 100) + `]`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		parameters, err := parseParameters(raw, 0)
		if err == nil && len(raw) > 0 && !json.Valid(raw) {
			t.Errorf("%d parameters from what is not JSON", len(parameters))
		}
	})
}

func FuzzCanonicalZone(f *testing.F) {
	for _, seed := range []string{"eu1.make.com", "[::1]:8443", "user@eu1.make.com", "a:443", "EU1.make.com:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, zone string) {
		host, err := canonicalZone(zone)
		if err != nil {
			return
		}
		if again, err := canonicalZone(host); err != nil || again != host {
			t.Errorf("canonicalZone(%q) = %q, then %q, %v", zone, host, again, err)
		}
		if strings.ContainsAny(host, "/@?#\\% ") {
			t.Errorf("canonicalZone(%q) = %q", zone, host)
		}
	})
}
