package makesim_test

import (
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/makeops/make-operator/internal/makesim"
)

// family is a consent that was refreshed once: first is rotated (except in class A), second is its successor.
type family struct {
	*sim

	access, first        string
	secondAccess, second string
}

func rotatedOnce(t *testing.T, class makesim.RefreshClass) family {
	t.Helper()
	s := start(t)
	s.knobs(func(k *makesim.Knobs) { k.RefreshClass = class })
	f := family{sim: s}
	f.access, f.first = s.tokens("user:read")
	f.secondAccess, f.second = f.ok(f.first)
	return f
}

// ok refreshes and returns the new tokens.
func (f family) ok(token string) (access, refresh string) {
	f.t.Helper()
	a := f.sim.refresh(token)
	if a.status != 200 {
		f.t.Fatalf("refresh: status %d %v", a.status, a.json["error"])
	}
	return text(a, "access_token"), text(a, "refresh_token")
}

func (f family) refused(token string) {
	f.t.Helper()
	if a := f.sim.refresh(token); a.status != 400 || a.json["error"] != "invalid_grant" {
		f.t.Errorf("refresh: status %d %v, want invalid_grant", a.status, a.json["error"])
	}
}

func TestClassAKeepsTheRefreshToken(t *testing.T) {
	f := rotatedOnce(t, makesim.ClassNoRotation)
	if f.second != f.first || f.secondAccess == f.access {
		t.Error("want the same refresh token and a new access token")
	}
	f.ok(f.first)
}

func TestClassBWithinAndAfterGrace(t *testing.T) {
	f := rotatedOnce(t, makesim.ClassGrace)
	if f.second == f.first {
		t.Fatal("not rotated")
	}
	f.Advance(30 * time.Second)
	if _, retried := f.ok(f.first); retried == f.first || retried == f.second {
		t.Error("a retry gives a refresh token of its own")
	}
	f.Advance(time.Second)
	f.refused(f.first)
	f.ok(f.second)
}

func TestClassBAcceptsThePreviousOnly(t *testing.T) {
	f := rotatedOnce(t, makesim.ClassGrace)
	f.ok(f.second)
	f.refused(f.first)
}

func TestClassCUntilTheSuccessorIsUsed(t *testing.T) {
	f := rotatedOnce(t, makesim.ClassUntilUsed)
	f.Advance(24 * time.Hour)
	f.ok(f.first)
	f.ok(f.second)
	f.refused(f.first)
}

func TestClassCUseOfTheAccessTokenCounts(t *testing.T) {
	f := rotatedOnce(t, makesim.ClassUntilUsed)
	f.get("/api/v2/users/me", "Bearer "+f.access)
	f.ok(f.first)
	f.get("/api/v2/users/me", "Bearer "+f.secondAccess)
	f.refused(f.first)
	f.ok(f.second)
}

func TestClassDSingleTokenDies(t *testing.T) {
	f := rotatedOnce(t, makesim.ClassStrict)
	f.refused(f.first)
	if !f.TokenAlive(f.access) || !f.TokenAlive(f.secondAccess) {
		t.Error("access tokens died")
	}
	f.ok(f.second)
}

func TestClassEFamilyDies(t *testing.T) {
	f := rotatedOnce(t, makesim.ClassFamily)
	f.refused(f.first)
	for name, token := range map[string]string{"first access": f.access, "second access": f.secondAccess, "second refresh": f.second} {
		if f.TokenState(token) != makesim.StateRevoked {
			t.Errorf("%s token: %s", name, f.TokenState(token))
		}
	}
	f.refused(f.second)
}

func TestClassFReturnsTheOldToken(t *testing.T) {
	f := rotatedOnce(t, makesim.ClassBuggyGrace)
	f.ok(f.second)
	if _, returned := f.ok(f.first); returned != f.first { // a grandparent by now
		t.Error("want the presented token back")
	}
	f.Advance(31 * time.Second)
	f.refused(f.first)
}

func TestRefreshTokenExpires(t *testing.T) {
	f := rotatedOnce(t, makesim.ClassStrict)
	f.Advance(180 * 24 * time.Hour)
	f.refused(f.second)
}

func TestRefreshByAnotherClientOrWithWrongSecret(t *testing.T) {
	f := rotatedOnce(t, makesim.ClassFamily)
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {makesim.PublicClientID}, "refresh_token": {f.second}}
	if a := f.form("/oauth/v2/token", form); a.json["error"] != "invalid_grant" {
		t.Errorf("another client: %d %s", a.status, a.text)
	}
	form.Set("client_id", makesim.OAuthClientID)
	if a := f.form("/oauth/v2/token", form); a.status != 401 || a.json["error"] != "invalid_client" {
		t.Errorf("no secret: %d %s", a.status, a.text)
	}
	form.Set("client_secret", makesim.OAuthClientSecret)
	form.Del("refresh_token")
	if a := f.form("/oauth/v2/token", form); a.json["error"] != "invalid_request" {
		t.Errorf("no token: %d %s", a.status, a.text)
	}
	f.ok(f.second)
}

func TestRefreshNarrowsButNeverWidens(t *testing.T) {
	s := start(t)
	_, refresh := s.tokens("user:read scenarios:read")
	ask := func(token, scope string) answer {
		return s.form("/oauth/v2/token", url.Values{
			"grant_type": {"refresh_token"}, "client_id": {makesim.OAuthClientID},
			"client_secret": {makesim.OAuthClientSecret}, "refresh_token": {token}, "scope": {scope},
		})
	}
	if a := ask(refresh, "user:write"); a.json["error"] != "invalid_scope" {
		t.Errorf("wider: %d %s", a.status, a.text)
	}
	narrow := ask(refresh, "user:read")
	if a := s.get("/api/v2/scenarios?teamId=7", "Bearer "+text(narrow, "access_token")); a.status != 403 {
		t.Errorf("the access token was not narrowed: %d", a.status)
	}
	wide := ask(text(narrow, "refresh_token"), "")
	if a := s.get("/api/v2/scenarios?teamId=7", "Bearer "+text(wide, "access_token")); a.status != 200 {
		t.Errorf("the consent itself was narrowed: %d", a.status)
	}
}

func TestConcurrentRefreshesHaveOneWinner(t *testing.T) {
	s := start(t)
	_, refresh := s.tokens("user:read")
	const callers = 16
	statuses := make(chan int, callers)
	entries := s.since(func() {
		var all sync.WaitGroup
		for range callers {
			all.Go(func() { statuses <- s.refresh(refresh).status })
		}
		all.Wait()
	})
	won := 0
	for range callers {
		if <-statuses == 200 {
			won++
		}
	}
	outcomes := map[makesim.Outcome]int{}
	for _, e := range entries {
		if e.Token != nil && e.Token.Event == makesim.TokenPresented {
			outcomes[e.Token.Outcome]++
		}
	}
	if won != 1 || outcomes[makesim.OutcomeOK] != 1 || outcomes[makesim.OutcomeReuse] != callers-1 {
		t.Errorf("%d winners, outcomes %v", won, outcomes)
	}
}
