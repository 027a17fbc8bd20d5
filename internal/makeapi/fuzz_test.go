package makeapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/makeapi/catalogue"
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

func FuzzDetails(f *testing.F) {
	for _, seed := range []string{
		`{"suberrors":[{"message":"Missing value of required parameter 'number'.","name":"Error"}]}`,
		`{"suberrors":[{"message":"token secret-value"},{"message":7},null]}`,
		`{"suberrors":[{"message":"\ud800\u0000"}]}`,
		`{"suberrors":"none"}`, ``, `null`,
	} {
		f.Add([]byte(seed), []byte(`{"password":"hunter2","nested":"[\"value\"]"}`))
	}
	f.Fuzz(func(t *testing.T, answered, sent []byte) {
		texts := said(APIToken("secret-value"), nil, sent)
		details := parseDetails(answered, texts)
		if len(details) > maxDetails {
			t.Errorf("%d details", len(details))
		}
		for _, detail := range details {
			if !utf8.ValidString(detail) || utf8.RuneCountInString(detail) > maxDetailLength || strings.ContainsAny(detail, "\r\n\x1b@") {
				t.Errorf("detail %q", detail)
			}
			for _, text := range texts {
				if strings.Contains(detail, text) {
					t.Error("a detail quotes the request")
				}
			}
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	for _, seed := range []string{"7", "0", "-1", "1e3", "99999999999999999999", "Sun, 01 Mar 2026 12:00:30 GMT", "Sun, 01 Mar 9999 12:00:30 GMT", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if d := retryAfter(header, now); d < 0 || d > maxRetryAfter {
			t.Errorf("retryAfter(%q) = %v", header, d)
		}
	})
}

// Every list, and every object that a typed call reads: whatever comes is an error or a value, and a list ends.
func FuzzTypedAnswers(f *testing.F) {
	for _, seed := range []string{
		`{"scenarios":[{"id":1,"scheduling":{"type":"on-demand"}}],"pg":{"limit":1}}`,
		`{"teams":[{"id":7,"organizationId":42}],"pg":{"limit":0}}`,
		`{"scenarios":[{},{}],"pg":{"limit":-1}}`,
		`{"apiTokens":[{"token":"a","created":"c","scope":["user:read"]}]}`,
		`{"apiToken":{"token":"a","created":"c"}}`,
		`{"organization":{"id":42,"license":{"apiLimit":1000}}}`,
		`{"authUser":{"id":7,"userOrganizationRoles":[{"organizationId":1},null]}}`,
		`{"authorization":{"scope":["user:read"],"authUsed":"token"}}`,
		`{"executionId":"e","status":"1","outputs":{"a":1}}`,
		`{"executionId":"e","status":3,"error":{"message":"m"}}`,
		`{"interface":{"input":[{"name":"a","type":"array","spec":{"type":"text"}}],"output":null}}`,
		`[]`, `null`, `7`, ``, `{"scenarios":7}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		z, s := canned(t, body)
		calls := []func() error{
			func() error { _, err := z.CurrentAuthorization(t.Context()); return err },
			func() error { _, err := z.Me(t.Context()); return err },
			func() error { _, err := z.ListTokens(t.Context()); return err },
			func() error { _, err := z.CreateToken(t.Context(), "l", []string{"user:read"}); return err },
			func() error { _, err := z.Organization(t.Context(), 42); return err },
			func() error { _, err := z.Teams(t.Context(), 42); return err },
			func() error { _, err := z.Scenarios(t.Context(), 7, 0); return err },
			func() error { _, err := z.Scenario(t.Context(), 1); return err },
			func() error { _, err := z.ScenarioInterface(t.Context(), 1); return err },
			func() error { _, err := z.RunScenario(t.Context(), 1, nil, true); return err },
			func() error {
				tool, _ := catalogue.Lookup("scenarios_get")
				answer, err := z.CallTool(t.Context(), tool, map[string]any{"scenarioId": 1})
				if err == nil && answer.MediaType == jsonType && !json.Valid(answer.Body) {
					t.Error("a tool's answer is no JSON")
				}
				return err
			},
		}
		for _, call := range calls {
			s.sent = 0
			if err := call(); err != nil && KindOf(err) == Unknown {
				t.Errorf("error %v has no kind", err)
			}
			if s.sent > maxPages {
				t.Errorf("%d requests for one call", s.sent)
			}
		}
	})
}

// canned is a zone whose every answer has this body.
func canned(t *testing.T, body []byte) (*Zone, *cannedBody) {
	t.Helper()
	c, err := New(Config{Clock: clocktesting.NewFakePassiveClock(time.Unix(0, 0))})
	if err != nil {
		t.Fatal(err)
	}
	s := &cannedBody{body: body}
	c.api = s
	return c.Zone("eu1.make.com", APIToken("token")), s
}

type cannedBody struct {
	body []byte
	sent int
}

// RoundTrip answers every request alike.
func (s *cannedBody) RoundTrip(*http.Request) (*http.Response, error) {
	s.sent++
	header := http.Header{"Content-Type": {jsonType}}
	return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(bytes.NewReader(s.body))}, nil
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
