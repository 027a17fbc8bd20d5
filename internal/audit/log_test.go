package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/audit"
)

var arrival = time.Date(2026, 7, 28, 12, 0, 0, 0, time.FixedZone("", 3600))

func newLog(t *testing.T) (*audit.Log, *bytes.Buffer, *clocktesting.FakePassiveClock) {
	t.Helper()
	out, clock := &bytes.Buffer{}, clocktesting.NewFakePassiveClock(arrival)
	return &audit.Log{Out: out, Clock: clock, OrganizationID: 42, Lost: func(err error) { t.Error(err) }}, out, clock
}

func TestOneLinePerRecord(t *testing.T) {
	log, out, clock := newLog(t)
	record := log.Begin()
	record.Note(func(e *audit.Entry) {
		e.Method, e.Tool, e.ScopesNeeded = "tools/call", "users_me", []string{"user:read"}
	})
	if !record.Open("tools/call") || record.Open("tools/list") {
		t.Error("the record does not know whether its line is due")
	}
	clock.SetTime(arrival.Add(1500 * time.Millisecond))
	record.Finish(audit.Denied, "insufficient_scope")
	record.Finish(audit.Allowed, "")
	if record.Open("tools/call") {
		t.Error("a finished record is open")
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || strings.Count(out.String(), "\n") != 1 {
		t.Fatalf("not one line: %q, %v", out, err)
	}
	if id, _ := got["auditID"].(string); len(id) < 20 {
		t.Errorf("audit id %q", id)
	}
	delete(got, "auditID")
	want := map[string]any{
		"time": "2026-07-28T11:00:00Z", "outcome": "denied", "reason": "insufficient_scope", "method": "tools/call", "tool": "users_me",
		"scopesNeeded": []any{"user:read"}, "organizationID": 42.0, "latencyMillis": 1500.0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
}

func TestRecordsOfManyRequestsDoNotMix(t *testing.T) {
	log, out, _ := newLog(t)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { log.Begin().Finish(audit.Allowed, "") })
	}
	wg.Wait()
	ids := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		var e audit.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		ids[e.AuditID] = true
	}
	if len(ids) != 50 {
		t.Errorf("%d different entries, want 50", len(ids))
	}
}

type full struct{}

var errFull = errors.New("no space")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestLostEntriesAreTold(t *testing.T) {
	log, _, _ := newLog(t)
	var lost error
	log.Out, log.Lost = full{}, func(err error) { lost = err }
	log.Begin().Finish(audit.Allowed, "")
	if !errors.Is(lost, errFull) {
		t.Errorf("lost: %v", lost)
	}
}

func TestDigests(t *testing.T) {
	if audit.Digest(nil) != "" || audit.TokenID("") != "" {
		t.Error("nothing has a digest")
	}
	// sha256sum of "abc": FIPS 180-2, appendix B.1.
	if got := audit.Digest([]byte("abc")); got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("digest %s", got)
	}
	if got := audit.TokenID("abc"); got != "ba7816bf8f01cfea" {
		t.Errorf("token id %s", got)
	}
}
