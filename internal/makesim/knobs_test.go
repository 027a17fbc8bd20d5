package makesim_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makesim"
)

// only sets knobs for one credential through the control interface.
func (s *sim) only(credential, changes string) {
	s.t.Helper()
	if a := s.send("PATCH", "/_sim/knobs?credential="+url.QueryEscape(credential), "", changes); a.status != 200 {
		s.t.Fatalf("knobs of %s: %d %s", credential, a.status, a.text)
	}
}

func TestKnobsOfOneToken(t *testing.T) {
	s := start(t)
	reader, fingerprint := reader, makesim.Fingerprint(makesim.ReaderToken)
	s.only(fingerprint, `{"missingScopeStatus":401}`)
	status := func(token string) int { return s.get("/api/v2/hooks-of-nobody", token).status }
	if got := s.get("/api/v2/organizations", reader).status; got != 401 {
		t.Errorf("with its own knob: %d", got)
	}
	if got := s.send("POST", leadRun, root, leadData).status; got != 200 || status(root) != 404 {
		t.Errorf("others: %d", got)
	}
	s.only(fingerprint, `{"rateLimitJSON":true}`) // adds to what is set
	if diff := cmp.Diff(map[string]any{"missingScopeStatus": 401.0, "rateLimitJSON": true}, s.get("/_sim/knobs?credential="+fingerprint, "").json); diff != "" {
		t.Error(diff)
	}
	s.send("DELETE", "/_sim/knobs?credential="+fingerprint, "", "")
	if got := s.get("/api/v2/organizations", reader).status; got != 403 {
		t.Errorf("after taking it back: %d", got)
	}
	if len(s.get("/_sim/knobs?credential="+fingerprint, "").json) != 0 {
		t.Error("something is left")
	}
}

func TestKnobsOfAFamilyOutliveARotation(t *testing.T) {
	s := start(t)
	_, first := s.tokens("user:read")
	_, other := s.tokens("user:read")
	if err := s.SetKnobsFor(makesim.Fingerprint(first), []byte(`{"refreshClass":"E","accessTokenSeconds":7}`)); err != nil {
		t.Fatal(err)
	}
	next := s.refresh(first)
	again := s.refresh(text(next, "refresh_token"))
	if next.json["expires_in"] != 7.0 || again.json["expires_in"] != 7.0 || s.refresh(other).json["expires_in"] != 300.0 {
		t.Errorf("lives: %v, %v", next.json["expires_in"], again.json["expires_in"])
	}
	s.refresh(first)
	if s.TokenAlive(text(again, "refresh_token")) {
		t.Error("reuse did not revoke the family")
	}
	s.refresh(other)
	if a := s.refresh(other); a.json["error"] != "invalid_grant" {
		t.Errorf("the other family: %d", a.status)
	}
}

func TestKnobsOfAClientAndItsFamily(t *testing.T) {
	s := start(t)
	s.only(makesim.OAuthClientID, `{"accessTokenSeconds":20,"grantedScopes":["hooks:read"]}`)
	a := s.form("/oauth/v2/token", exchangeForm(makesim.OAuthClientID, s.code(makesim.OAuthClientID, "user:read")))
	if a.json["expires_in"] != 20.0 || a.json["scope"] != "hooks:read" {
		t.Errorf("client's: %v %v", a.json["expires_in"], a.json["scope"])
	}
	s.only(makesim.Fingerprint(text(a, "refresh_token")), `{"accessTokenSeconds":10}`)
	if b := s.refresh(text(a, "refresh_token")); b.json["expires_in"] != 10.0 {
		t.Errorf("the family decides: %v", b.json["expires_in"])
	}
	public := s.form("/oauth/v2/token", exchangeForm(makesim.PublicClientID, s.code(makesim.PublicClientID, "user:read")))
	if public.json["expires_in"] != 300.0 {
		t.Errorf("another client: %v", public.json["expires_in"])
	}
	s.send("DELETE", "/_sim/knobs", "", "")
	if b := s.get("/_sim/knobs?credential="+makesim.OAuthClientID, ""); b.text != "{}" {
		t.Errorf("after all were taken back: %s", b.text)
	}
}

func TestLostRotations(t *testing.T) {
	for name, set := range map[string]func(s *sim, token string){
		"global": func(s *sim, _ string) { s.knobs(func(k *makesim.Knobs) { k.LostRotations = 1 }) },
		"family": func(s *sim, token string) { s.only(makesim.Fingerprint(token), `{"lostRotations":1}`) },
		"client": func(s *sim, _ string) { s.only(makesim.OAuthClientID, `{"lostRotations":1}`) },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.knobs(func(k *makesim.Knobs) { k.RefreshClass = makesim.ClassGrace })
			_, first := s.tokens("user:read") // an exchange rotates nothing
			set(s, first)
			form := url.Values{
				"grant_type": {"refresh_token"}, "client_id": {makesim.OAuthClientID},
				"client_secret": {makesim.OAuthClientSecret}, "refresh_token": {first},
			}
			_, err := s.request("POST", "/oauth/v2/token", "", "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
			if err == nil || s.TokenState(first) != makesim.StateRotated {
				t.Errorf("answer: %v, state: %s", err, s.TokenState(first))
			}
			entries := s.Ledger()
			last := entries[len(entries)-1].Request
			if last.Fault != makesim.FaultLostRotation || last.Status != 200 || last.ClientID != makesim.OAuthClientID {
				t.Errorf("ledger: %+v", last)
			}
			if a := s.refresh(first); a.status != 200 {
				t.Errorf("the retry: %d", a.status)
			}
		})
	}
}

func TestRevokedClients(t *testing.T) {
	s := start(t)
	access, refresh := s.tokens("user:read")
	s.knobs(func(k *makesim.Knobs) { k.RevokedClients = []string{makesim.OAuthClientID} })
	if a := s.get("/api/v2/users/me", "Bearer "+access); a.status != 401 || s.TokenAlive(access) {
		t.Errorf("access: %d", a.status)
	}
	if a := s.refresh(refresh); a.status != 401 || a.json["error"] != "invalid_client" {
		t.Errorf("refresh: %d %s", a.status, a.text)
	}
	if a := s.form("/oauth/v2/authorize", consentForm(makesim.OAuthClientID, "user:read")); a.status != 400 {
		t.Errorf("authorize: %d", a.status)
	}
	s.knobs(func(k *makesim.Knobs) { k.RevokedClients = nil })
	if a := s.refresh(refresh); a.status != 200 {
		t.Errorf("after it is known again: %d", a.status)
	}
}

func TestTokenEncoding(t *testing.T) {
	s := start(t)
	post := func(contentType, body string) any {
		return s.must(s.request("POST", "/oauth/v2/token", "", contentType, strings.NewReader(body))).json["error"]
	}
	for encoding, want := range map[makesim.TokenEncoding][2]any{
		makesim.EncodingAny:  {"invalid_client", "invalid_client"},
		makesim.EncodingForm: {"invalid_client", "invalid_request"},
		makesim.EncodingJSON: {"invalid_request", "invalid_client"},
	} {
		s.knobs(func(k *makesim.Knobs) { k.TokenEncoding = encoding })
		got := [2]any{
			post("application/x-www-form-urlencoded", "grant_type=refresh_token&refresh_token=x"),
			post("application/json", `{"grant_type":"refresh_token","refresh_token":"x"}`),
		}
		if got != want {
			t.Errorf("%s: %v, want %v", encoding, got, want)
		}
	}
}

func TestAPITokenKnobs(t *testing.T) {
	s := start(t)
	s.knobs(func(k *makesim.Knobs) { k.APITokenSeconds, k.APITokenLimit = 60, 3 })
	a := s.send("POST", "/api/v2/users/me/api-tokens", root, mintBody)
	value := text(a, "apiToken", "token")
	if a := s.send("POST", "/api/v2/users/me/api-tokens", root, mintBody); a.status != 403 || a.json["code"] != "IM011" {
		t.Errorf("a fourth token: %d %s", a.status, a.text)
	}
	s.Advance(time.Minute)
	if a := s.get("/api/v2/users/me", "Token "+value); a.status != 401 || s.TokenState(value) != makesim.StateExpired {
		t.Errorf("after its life: %d", a.status)
	}
	if got := len(column(s.get("/api/v2/users/me/api-tokens", root), "apiTokens", "token")); got != 2 {
		t.Errorf("%d tokens are listed", got)
	}
	if a := s.send("POST", "/api/v2/users/me/api-tokens", root, mintBody); a.status != 200 {
		t.Errorf("in place of the expired one: %d %s", a.status, a.text)
	}
}

func TestRunNeedsReadWrite(t *testing.T) {
	s := start(t)
	a := s.send("POST", "/api/v2/users/me/api-tokens", root, `{"label":"runner","scope":["scenarios:run"]}`)
	runner := "Token " + text(a, "apiToken", "token")
	if a := s.send("POST", leadRun, runner, leadData); a.status != 200 {
		t.Errorf("by default: %d", a.status)
	}
	s.knobs(func(k *makesim.Knobs) { k.RunNeedsReadWrite = true })
	if a := s.send("POST", leadRun, runner, leadData); a.status != 403 || a.json["code"] != "SC403" {
		t.Errorf("with the knob: %d", a.status)
	}
	if a := s.send("POST", leadRun, root, leadData); a.status != 200 {
		t.Errorf("with all three: %d", a.status)
	}
}

func TestFreePlanLimit(t *testing.T) {
	s := startWith(t, makesim.Options{Seed: freeSeed()})
	spend := func(want int) {
		t.Helper()
		n := 0
		for s.get("/api/v2/users/me", root).status == 200 {
			n++
		}
		if n != want {
			t.Errorf("%d requests in a minute, want %d", n, want)
		}
		s.Advance(time.Minute)
	}
	spend(30)
	s.knobs(func(k *makesim.Knobs) { k.FreePlanLimit = 3 })
	spend(3)
	s.knobs(func(k *makesim.Knobs) { k.FreePlanLimit = 0 })
	spend(0)
}

func TestDown(t *testing.T) {
	s := start(t)
	paths := map[makesim.Part]string{
		makesim.PartZone: "/api/v2/ping", makesim.PartAuthorization: "/oauth/v2/oidc/jwks",
		makesim.PartHooks: "/wh/x", makesim.PartMCP: "/mcp/stateless",
	}
	for down := range paths {
		s.knobs(func(k *makesim.Knobs) { k.Down = []makesim.Part{down} })
		for part, path := range paths {
			if _, err := s.request("GET", path, "", "", nil); (err != nil) != (part == down) {
				t.Errorf("%s is down, %s: %v", down, part, err)
			}
		}
	}
	s.knobs(func(k *makesim.Knobs) { k.Down = nil })
	if a := s.get("/api/v2/ping", ""); a.text != "pong" {
		t.Errorf("up again: %s", a.text)
	}
}
