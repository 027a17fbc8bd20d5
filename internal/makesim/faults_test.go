package makesim_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makesim"
)

func (s *sim) faults(faults ...makesim.Fault) {
	s.t.Helper()
	s.knobs(func(k *makesim.Knobs) { k.Faults = faults })
}

func TestStatusFaults(t *testing.T) {
	s := start(t)
	s.faults(
		makesim.Fault{Kind: makesim.FaultStatus, Status: 503, RetryAfterSeconds: 7, PathPrefix: "/api/v2/teams", Count: 2},
		makesim.Fault{Kind: makesim.FaultStatus, Status: 429, Credential: makesim.Fingerprint(makesim.ReaderToken), Count: 1},
		makesim.Fault{Kind: makesim.FaultStatus, Status: 500, Method: http.MethodDelete, Count: 1},
	)
	for i, want := range []struct {
		method, path, authorization string
		status                      int
		retryAfter                  string
	}{
		{"GET", "/api/v2/teams/7", root, 503, "7"},
		{"GET", "/api/v2/users/me", root, 200, ""},
		{"GET", "/api/v2/teams/7", root, 503, "7"},
		{"GET", "/api/v2/teams/7", root, 200, ""},
		{"GET", "/api/v2/users/me", reader, 429, ""},
		{"GET", "/api/v2/users/me", reader, 200, ""},
		{"DELETE", "/api/v2/users/me/api-tokens/x", root, 500, ""},
		{"DELETE", "/api/v2/users/me/api-tokens/x", root, 404, ""},
	} {
		a := s.send(want.method, want.path, want.authorization, "")
		if a.status != want.status || a.header.Get("Retry-After") != want.retryAfter {
			t.Errorf("request %d: %d, Retry-After %q", i, a.status, a.header.Get("Retry-After"))
		}
	}
	if left := s.Knobs().Faults; len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

const mintBody = `{"label":"crm","scope":["user:read"]}`

func TestResets(t *testing.T) {
	for name, test := range map[string]struct {
		kind   makesim.FaultKind
		events []string
		status int
	}{
		"before": {makesim.FaultResetBefore, []string{}, 0},
		"after":  {makesim.FaultResetAfter, []string{"minted apiToken"}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.faults(makesim.Fault{Kind: test.kind, Method: http.MethodPost, Count: 1})
			entries := s.since(func() {
				if _, err := s.request("POST", "/api/v2/users/me/api-tokens", root, "application/json", strings.NewReader(mintBody)); err == nil {
					t.Error("the connection was not reset")
				}
			})
			if diff := cmp.Diff(test.events, events(entries)); diff != "" {
				t.Error(diff)
			}
			last := entries[len(entries)-1].Request
			if last.Fault != test.kind || last.Status != test.status {
				t.Errorf("request: %+v", last)
			}
			if a := s.send("POST", "/api/v2/users/me/api-tokens", root, mintBody); a.status != 200 {
				t.Errorf("the next request: %d", a.status)
			}
		})
	}
}

// A long answer would leave in parts before the reset, if it left at all.
func TestNothingOfALostAnswerArrives(t *testing.T) {
	seed := makesim.DefaultSeed()
	seed.Scenarios[0].Description = strings.Repeat("long ", 10_000)
	s := startWith(t, makesim.Options{Seed: seed})
	s.faults(makesim.Fault{Kind: makesim.FaultResetAfter, Count: 10})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/api/v2/scenarios/501", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", root)
	response, err := s.http.Do(r)
	if err == nil {
		_ = response.Body.Close()
		t.Errorf("status %d arrived", response.StatusCode)
	}
}

func TestAnswerLostAfterRotation(t *testing.T) {
	s := start(t)
	s.knobs(func(k *makesim.Knobs) { k.RefreshClass = makesim.ClassGrace })
	_, first := s.tokens("user:read")
	s.faults(makesim.Fault{Kind: makesim.FaultResetAfter, PathPrefix: "/oauth/v2/token", Count: 1})
	form := strings.NewReader("grant_type=refresh_token&client_id=" + makesim.OAuthClientID +
		"&client_secret=" + makesim.OAuthClientSecret + "&refresh_token=" + first)
	if _, err := s.request("POST", "/oauth/v2/token", "", "application/x-www-form-urlencoded", form); err == nil {
		t.Fatal("the answer arrived")
	}
	if s.TokenState(first) != makesim.StateRotated {
		t.Errorf("the token was not rotated: %s", s.TokenState(first))
	}
	if a := s.refresh(first); a.status != 200 {
		t.Errorf("the retry within the grace window: %d", a.status)
	}
	if bad := makesim.RepresentedAfterUse(s.Ledger()); len(bad) != 0 {
		t.Errorf("the retry counts as a violation: %v", events(bad))
	}
}
