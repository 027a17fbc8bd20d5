package makesim

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEveryRouteAsksForAPermissionThatExists(t *testing.T) {
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"": true}
	for _, p := range allPermissions() {
		known[p.phrase] = true
	}
	for _, routes := range s.families() {
		for _, r := range routes {
			if !known[r.can] {
				t.Errorf("%s: no permission %q", r.pattern, r.can)
			}
			if unknown := unknownScopes(r.scopes); len(unknown) > 0 {
				t.Errorf("%s: no scope %q", r.pattern, unknown)
			}
		}
	}
}

// withoutScope are the endpoints that Make answers to any credential.
var withoutScope = []string{
	"GET /api/v2/enums/countries", "GET /api/v2/enums/imt-regions", "GET /api/v2/enums/imt-zones",
	"GET /api/v2/enums/timezones", "GET /api/v2/enums/user-api-token-scopes",
	"GET /api/v2/users/me", "GET /api/v2/users/me/current-authorization",
}

func TestEveryRouteNeedsItsScopes(t *testing.T) {
	const value = "00000000-0000-4000-8000-000000000001"
	seed := DefaultSeed()
	seed.APITokens = append(seed.APITokens, APIToken{Value: value, UserID: UserID, Label: "nothing"})
	s, err := New(Options{Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	parameter, open := regexp.MustCompile(`\{[^}]*\}`), []string{}
	for _, routes := range s.families() {
		for _, r := range routes {
			method, path, _ := strings.Cut(r.pattern, " ")
			if r.open || !strings.HasPrefix(path, "/api/v2/") {
				continue
			}
			request := httptest.NewRequestWithContext(t.Context(), method, parameter.ReplaceAllString(path, "1"), nil)
			request.Header.Set("Authorization", "Token "+value)
			answer := httptest.NewRecorder()
			s.ServeHTTP(answer, request)
			switch {
			case len(r.scopes) == 0:
				open = append(open, r.pattern)
			case answer.Code != http.StatusForbidden || !strings.Contains(answer.Body.String(), "SC403"):
				t.Errorf("%s: %d %s", r.pattern, answer.Code, answer.Body)
			}
		}
	}
	slices.Sort(open)
	if diff := cmp.Diff(withoutScope, open); diff != "" {
		t.Errorf("endpoints without a scope: %s", diff)
	}
}
