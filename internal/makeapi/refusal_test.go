package makeapi_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/makeops/make-operator/internal/makeapi"
)

const forbidden = `{"detail":"Access denied.","message":"Permission denied","code":"SC403"}`

// A refused call is followed by one question to current-authorization, never two.
func TestRefusalIsToldApart(t *testing.T) {
	type reply struct {
		status int
		body   string
	}
	authorized := func(scopes string) reply {
		return reply{http.StatusOK, `{"authorization":{"scope":[` + scopes + `],"authUsed":"token"}}`}
	}
	tests := []struct {
		name    string
		refused reply
		probe   reply
		want    makeapi.Error
		text    string
	}{
		{
			name:    "missing scope",
			refused: reply{http.StatusForbidden, forbidden},
			probe:   authorized(`"user:read"`),
			want:    makeapi.Error{Kind: makeapi.MissingScope, Status: 403, Code: "SC403", Op: "list scenarios", Scope: "scenarios:read"},
			text:    "list scenarios: missing scope (403 SC403)",
		},
		{
			name:    "missing scope told by 401",
			refused: reply{http.StatusUnauthorized, `{"code":"IM015"}`},
			probe:   authorized(`"user:read"`),
			want:    makeapi.Error{Kind: makeapi.MissingScope, Status: 401, Code: "IM015", Op: "list scenarios", Scope: "scenarios:read"},
			text:    "list scenarios: missing scope (401 IM015)",
		},
		{
			name:    "missing role",
			refused: reply{http.StatusForbidden, forbidden},
			probe:   authorized(`"scenarios:read"`),
			want:    makeapi.Error{Kind: makeapi.MissingRole, Status: 403, Code: "SC403", Op: "list scenarios"},
			text:    "list scenarios: missing role (403 SC403)",
		},
		{
			name:    "dead token",
			refused: reply{http.StatusForbidden, forbidden},
			probe:   reply{http.StatusUnauthorized, `{"code":"IM015","message":"Unauthorized."}`},
			want:    makeapi.Error{Kind: makeapi.DeadCredential, Status: 403, Code: "SC403", Op: "list scenarios"},
			text:    "list scenarios: dead credential (403 SC403)",
		},
		{
			name:    "edge refuses everything",
			refused: reply{http.StatusForbidden, "error code: 1010"},
			probe:   reply{http.StatusForbidden, "error code: 1010"},
			want:    makeapi.Error{Kind: makeapi.Transient, Status: 403, Op: "list scenarios"},
			text:    "list scenarios: transient (403)",
		},
		{
			name:    "question is rate limited",
			refused: reply{http.StatusForbidden, forbidden},
			probe:   reply{http.StatusTooManyRequests, "Requests limit for organization exceeded, please try again later."},
			want:    makeapi.Error{Kind: makeapi.RateLimited, Status: 403, Code: "SC403", Op: "list scenarios", RetryAfter: 9 * time.Second},
			text:    "list scenarios: rate limited (403 SC403)",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var paths []string
			client, zone := serve(t, func(w http.ResponseWriter, r *http.Request) {
				paths = append(paths, r.URL.Path)
				answer := tt.refused
				if r.URL.Path == "/api/v2/users/me/current-authorization" {
					answer = tt.probe
				}
				if answer.status == http.StatusTooManyRequests {
					w.Header().Set("Retry-After", "9")
				}
				answerJSON(w, answer.status, answer.body)
			})
			_, err := client.Zone(zone, makeapi.APIToken(apiToken)).Scenarios(t.Context(), 7, 0)
			got, ok := errors.AsType[*makeapi.Error](err)
			if !ok {
				t.Fatalf("error is %T, want *makeapi.Error", err)
			}
			if diff := cmp.Diff(tt.want, *got, cmpopts.IgnoreUnexported(makeapi.Error{})); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if got.Error() != tt.text {
				t.Errorf("Error() = %q, want %q", got.Error(), tt.text)
			}
			want := []string{"/api/v2/scenarios", "/api/v2/users/me/current-authorization"}
			if diff := cmp.Diff(want, paths); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCurrentAuthorizationAsksOnce(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		want   makeapi.Kind
	}{
		{name: "dead", status: http.StatusUnauthorized, body: `{"code":"IM015"}`, want: makeapi.DeadCredential},
		{name: "refused by Make", status: http.StatusForbidden, body: forbidden, want: makeapi.MissingRole},
		{name: "refused by the edge", status: http.StatusForbidden, body: "error code: 1010", want: makeapi.Transient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			calls := 0
			client, zone := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				calls++
				answerJSON(w, tt.status, tt.body)
			})
			_, err := client.Zone(zone, makeapi.APIToken(apiToken)).CurrentAuthorization(t.Context())
			if got := makeapi.KindOf(err); got != tt.want || calls != 1 {
				t.Errorf("kind %v after %d calls, want %v after 1", got, calls, tt.want)
			}
		})
	}
}

func TestDeleteTokenThatIsGone(t *testing.T) {
	client, zone := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusNotFound, `{"code":"SC404"}`)
	})
	if err := client.Zone(zone, makeapi.APIToken(apiToken)).DeleteToken(t.Context(), "2026-03-01T12:00:00.123Z"); err != nil {
		t.Errorf("DeleteToken() = %v, want nil", err)
	}
}

// What can be known to be wrong is not sent.
func TestNothingIsSent(t *testing.T) {
	calls := 0
	client, zone := serve(t, func(http.ResponseWriter, *http.Request) { calls++ })
	token := makeapi.APIToken(apiToken)
	good := client.Zone(zone, token)

	tests := []struct {
		name string
		call func() error
		want makeapi.Kind
	}{
		{"zone outside the allow-list", func() error { _, err := client.Zone("evil.example", token).Me(t.Context()); return err }, makeapi.ZoneNotAllowed},
		{"exchange outside the allow-list", func() error {
			_, err := client.OAuth("evil.example", confidential()).Exchange(t.Context(), "c", "v")
			return err
		}, makeapi.ZoneNotAllowed},
		{"revocation outside the allow-list", func() error { return client.OAuth("evil.example", confidential()).Revoke(t.Context(), "x") }, makeapi.ZoneNotAllowed},
		{"no credential", func() error { _, err := client.Zone(zone, makeapi.Credential{}).Me(t.Context()); return err }, makeapi.DeadCredential},
		{"empty credential", func() error { _, err := client.Zone(zone, makeapi.APIToken(" \n")).Me(t.Context()); return err }, makeapi.DeadCredential},
		{"credential of two lines", func() error {
			_, err := client.Zone(zone, makeapi.AccessToken("a\r\nb: c")).Me(t.Context())
			return err
		}, makeapi.DeadCredential},
		{"token without scopes", func() error { _, err := good.CreateToken(t.Context(), "label", nil); return err }, makeapi.Invalid},
		{"deletion of no token", func() error { return good.DeleteToken(t.Context(), "") }, makeapi.Invalid},
		{"data that JSON cannot say", func() error {
			_, err := good.RunScenario(t.Context(), 1, map[string]any{"f": func() {}}, false)
			return err
		}, makeapi.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := makeapi.KindOf(tt.call()); got != tt.want {
				t.Errorf("kind %v, want %v", got, tt.want)
			}
		})
	}
	if got := client.OAuth("evil.example", confidential()).AuthCodeURL("s", "v", nil); got != "" {
		t.Errorf("AuthCodeURL() = %q for a zone that is not allowed", got)
	}
	if calls != 0 {
		t.Errorf("%d requests were sent", calls)
	}
}
