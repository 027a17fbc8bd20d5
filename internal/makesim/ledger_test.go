package makesim_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/makeops/make-operator/internal/makesim"
)

// events are the token entries, told briefly.
func events(entries []makesim.Entry) []string {
	lines := []string{}
	for _, e := range entries {
		if e.Token == nil {
			continue
		}
		line := string(e.Token.Event) + " " + string(e.Token.Kind)
		if e.Token.Outcome != "" {
			line += " " + string(e.Token.Outcome)
		}
		if e.Token.SuccessorIssued {
			line += " issued"
		}
		if e.Token.SuccessorUsed {
			line += " used"
		}
		lines = append(lines, line)
	}
	return lines
}

// since returns what an action adds to the ledger.
func (s *sim) since(action func()) []makesim.Entry {
	before := len(s.Ledger())
	action()
	return s.Ledger()[before:]
}

func TestLedgerOfARequest(t *testing.T) {
	s := start(t)
	entries := s.since(func() { s.get("/api/v2/scenarios?teamId=7&token=secret", root) })
	want := []makesim.Entry{{
		Time: s.Now(), Number: 1,
		Request: &makesim.RequestRecord{
			Method: "GET", Path: "/api/v2/scenarios", Status: 200, UserAgent: "Go-http-client/1.1",
			Credential: makesim.Fingerprint(makesim.RootToken), CredentialState: makesim.StateAlive, OrganizationID: 42,
		},
	}}
	if diff := cmp.Diff(want, entries, cmpopts.IgnoreFields(makesim.Entry{}, "Seq"), cmpopts.IgnoreFields(makesim.RequestRecord{}, "Remote")); diff != "" {
		t.Error(diff)
	}
}

func TestLedgerOfAnAPIToken(t *testing.T) {
	s := start(t)
	var value string
	entries := s.since(func() {
		a := s.send("POST", "/api/v2/users/me/api-tokens", root, `{"label":"crm","scope":["scenarios:read"]}`)
		value = text(a, "apiToken", "token")
		s.send("POST", "/api/v2/users/me/api-tokens", root, `{"label":"greedy","scope":["admin:read"]}`)
		s.send("DELETE", "/api/v2/users/me/api-tokens/"+text(a, "apiToken", "created"), root, "")
		s.get("/api/v2/users/me", "Token "+value)
	})
	want := []string{"minted apiToken", "refused apiToken", "deleted apiToken"}
	if diff := cmp.Diff(want, events(entries)); diff != "" {
		t.Error(diff)
	}
	minted, refused, last := entries[0].Token, entries[2].Token, entries[len(entries)-1].Request
	if minted.Token != makesim.Fingerprint(value) || minted.Label != "crm" || minted.UserID != makesim.UserID || entries[0].Number != entries[1].Number {
		t.Errorf("minted: %+v", minted)
	}
	if diff := cmp.Diff([]string{"admin:read"}, refused.Scopes); diff != "" {
		t.Error(diff)
	}
	if last.Status != 401 || last.CredentialState != makesim.StateDeleted {
		t.Errorf("a dead token's request: %+v", last)
	}
}

func TestLedgerOfARotation(t *testing.T) {
	s := start(t)
	s.knobs(func(k *makesim.Knobs) { k.RefreshClass = makesim.ClassFamily })
	_, first := s.tokens("user:read")
	var second string
	entries := s.since(func() { second = text(s.refresh(first), "refresh_token") })
	want := []string{"presented refreshToken ok", "minted refreshToken", "minted accessToken", "rotated refreshToken"}
	if diff := cmp.Diff(want, events(entries)); diff != "" {
		t.Error(diff)
	}
	if entries[1].Token.Token != makesim.Fingerprint(second) || entries[1].Token.Generation != 2 || entries[1].Token.Family != entries[0].Token.Family {
		t.Errorf("successor: %+v", entries[1].Token)
	}

	entries = s.since(func() { s.refresh(first) })
	want = []string{
		"presented refreshToken reuse issued", "revoked refreshToken", "revoked accessToken",
		"revoked refreshToken", "revoked accessToken",
	}
	if diff := cmp.Diff(want, events(entries)); diff != "" {
		t.Error(diff)
	}

	for _, presentation := range []struct{ token, want string }{
		{second, "presented refreshToken revoked"},
		{"never issued", "presented refreshToken unknown"},
	} {
		entries = s.since(func() { s.refresh(presentation.token) })
		if diff := cmp.Diff([]string{presentation.want}, events(entries)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestOracleTellsARetryFromAViolation(t *testing.T) {
	s := start(t)
	_, first := s.tokens("user:read")
	next := s.refresh(first)
	s.refresh(first) // the answer may have been lost
	if bad := makesim.RepresentedAfterUse(s.Ledger()); len(bad) != 0 {
		t.Errorf("a retry is no violation: %v", events(bad))
	}
	s.get("/api/v2/users/me", "Bearer "+text(next, "access_token"))
	s.refresh(first)
	bad := makesim.RepresentedAfterUse(s.Ledger())
	if diff := cmp.Diff([]string{"presented refreshToken reuse issued used"}, events(bad)); diff != "" {
		t.Error(diff)
	}
}

func TestOracleSeesUseByRefresh(t *testing.T) {
	s := start(t)
	_, first := s.tokens("user:read")
	s.refresh(text(s.refresh(first), "refresh_token"))
	s.refresh(first)
	if bad := makesim.RepresentedAfterUse(s.Ledger()); len(bad) != 1 {
		t.Errorf("got %v, want one violation", events(bad))
	}
}

func TestOracleSeesDroppedPresentations(t *testing.T) {
	s := start(t)
	_, first := s.tokens("user:read")
	s.refresh(text(s.refresh(first), "refresh_token"))
	s.knobs(func(k *makesim.Knobs) {
		k.Faults = []makesim.Fault{{Kind: makesim.FaultStatus, Status: 503, PathPrefix: "/oauth/", Count: 1}}
	})
	entries := s.since(func() { s.refresh(first) })
	if diff := cmp.Diff([]string{"presented refreshToken dropped issued used"}, events(entries)); diff != "" {
		t.Error(diff)
	}
}

func TestExpiryIsNotedOnce(t *testing.T) {
	s := start(t)
	access, _ := s.tokens("user:read")
	s.Advance(time.Hour)
	entries := s.since(func() {
		s.get("/api/v2/users/me", "Bearer "+access)
		s.get("/api/v2/users/me", "Bearer "+access)
	})
	if diff := cmp.Diff([]string{"expired accessToken"}, events(entries)); diff != "" {
		t.Error(diff)
	}
}

func TestLedgerHoldsNoToken(t *testing.T) {
	var lines bytes.Buffer
	s := startWith(t, makesim.Options{Ledger: &lines})
	access, refresh := s.tokens("openid user:read")
	secrets := []string{makesim.RootToken, access, refresh, makesim.OAuthClientSecret, verifier}
	a := s.send("POST", "/api/v2/users/me/api-tokens", root, `{"label":"crm","scope":["user:read"]}`)
	secrets = append(secrets, text(a, "apiToken", "token"), text(s.refresh(refresh), "refresh_token"))
	s.get("/api/v2/users/me?token="+makesim.RootToken, "Bearer "+access)
	s.get("/mcp/u/"+makesim.RootToken+"/stateless", "")
	for _, secret := range secrets {
		if strings.Contains(lines.String(), secret) {
			t.Error("the ledger holds a secret")
		}
	}
	if !strings.Contains(lines.String(), `"path":"/mcp/u/[redacted]/stateless"`) {
		t.Error("the token in the path was not replaced")
	}
	if got := s.get("/_sim/ledger", "").text; got != lines.String() {
		t.Errorf("file and control endpoint differ")
	}
}

func TestLedgerLines(t *testing.T) {
	var lines bytes.Buffer
	s := startWith(t, makesim.Options{Ledger: &lines})
	s.tokens("user:read")
	s.get("/api/v2/ping", "")
	decoder := json.NewDecoder(strings.NewReader(s.get("/_sim/ledger?after=2", "").text))
	var got []makesim.Entry
	for decoder.More() {
		var e makesim.Entry
		if err := decoder.Decode(&e); err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if diff := cmp.Diff(s.Ledger()[2:], got); diff != "" {
		t.Error(diff)
	}
	for i, e := range s.Ledger() {
		if e.Seq != int64(i)+1 {
			t.Errorf("entry %d has number %d", i, e.Seq)
		}
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("disk is full") }

func TestNoAnswersWithoutALedger(t *testing.T) {
	s := startWith(t, makesim.Options{Ledger: fullDisk{}})
	s.get("/api/v2/ping", "")
	if a := s.get("/api/v2/ping", ""); a.status != 500 || !strings.Contains(a.text, "write ledger: disk is full") {
		t.Errorf("got %d %s", a.status, a.text)
	}
}
