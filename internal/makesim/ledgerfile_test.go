package makesim_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makesim"
)

func openLedger(t *testing.T, name string) *makesim.LedgerFile {
	t.Helper()
	file, err := makesim.OpenLedger(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Clean(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func seqs(entries []makesim.Entry) []int64 {
	list := []int64{}
	for _, e := range entries {
		list = append(list, e.Seq)
	}
	return list
}

func TestOldEntriesLeaveMemoryForTheFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "ledger")
	s := startWith(t, makesim.Options{Ledger: openLedger(t, name), LedgerLimit: 5})
	for range 23 {
		s.get("/api/v2/ping", "")
	}
	all := s.Ledger()
	if len(all) != 23 || all[0].Seq != 1 || all[22].Seq != 23 {
		t.Errorf("entries: %v", seqs(all))
	}
	for _, after := range []string{"", "?after=-3", "?after=0", "?after=7", "?after=22", "?after=23", "?after=99"} {
		var n int
		_, _ = fmt.Sscanf(after, "?after=%d", &n)
		lines := strings.SplitAfter(readFile(t, name), "\n")
		if got, want := s.get("/_sim/ledger"+after, "").text, strings.Join(lines[min(max(n, 0), 23):], ""); got != want {
			t.Errorf("%s: got\n%swant\n%s", after, got, want)
		}
	}
}

func TestWithoutAFileTheNewestEntriesStay(t *testing.T) {
	s := startWith(t, makesim.Options{LedgerLimit: 5})
	for range 23 {
		s.get("/api/v2/ping", "")
	}
	got := seqs(s.Ledger())
	if n := len(got); n < 5 || n > 10 || got[n-1] != 23 || got[0] != 23-int64(n)+1 {
		t.Errorf("entries: %v", got)
	}
}

func TestLedgerFileGoesOnAfterACrash(t *testing.T) {
	name := filepath.Join(t.TempDir(), "ledger")
	first := openLedger(t, name)
	s := startWith(t, makesim.Options{Ledger: first})
	s.get("/api/v2/ping", "")
	s.get("/api/v2/users/me", root)
	if _, err := first.Write([]byte(`{"seq":3,"time":"20`)); err != nil { // the crash
		t.Fatal(err)
	}
	s = startWith(t, makesim.Options{Ledger: openLedger(t, name)})
	s.get("/api/v2/ping", "")
	all := s.Ledger()
	if diff := cmp.Diff([]int64{1, 2, 3}, seqs(all)); diff != "" {
		t.Fatal(diff)
	}
	if all[2].Number != 3 || all[2].Request.Path != "/api/v2/ping" || all[1].Request.Credential != makesim.Fingerprint(makesim.RootToken) {
		t.Errorf("entries: %+v", all)
	}
	if got := s.get("/_sim/ledger", "").text; got != readFile(t, name) {
		t.Error("file and control endpoint differ")
	}
}

func TestAnotherFileIsNoLedger(t *testing.T) {
	for _, content := range []string{"hello\n", "{\"seq\":2}\n{\"seq\":2}\n", "{}\n"} {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := makesim.OpenLedger(name); err == nil || !strings.Contains(err.Error(), "not a ledger") {
			t.Errorf("%q: %v", content, err)
		}
		if readFile(t, name) != content {
			t.Errorf("%q was changed", content)
		}
	}
}

// TestLedgerIsCompleteUnderFaults sends requests that meet every kind of fault from many clients at once, and
// finds each of them in the ledger once, after what it did to tokens, in the file as in memory.
func TestLedgerIsCompleteUnderFaults(t *testing.T) {
	var lines bytes.Buffer
	s := startWith(t, makesim.Options{Ledger: &lines})
	s.knobs(func(k *makesim.Knobs) {
		k.RefreshClass, k.Seed, k.LostRotations = makesim.ClassNoRotation, 42, 3
		for _, kind := range makesim.FaultKinds() {
			f := makesim.Fault{Kind: kind, Percent: 8, Count: 1000}
			switch kind {
			case makesim.FaultStatus, makesim.FaultStatusAfter:
				f.Status = 503
			case makesim.FaultDelay, makesim.FaultSlowBody:
				f.DelayMilliseconds = 1
			case makesim.FaultHang:
				continue // needs a client that gives up
			}
			k.Faults = append(k.Faults, f)
		}
	})
	const clients, each = 8, 40
	var mu sync.Mutex
	answered := map[string]bool{} // fingerprints of tokens whose minting was answered
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range each {
				a, err := s.request("POST", "/api/v2/users/me/api-tokens", root, "application/json", strings.NewReader(mintBody))
				if err == nil && a.status == 200 {
					mu.Lock()
					answered[makesim.Fingerprint(text(a, "apiToken", "token"))] = true
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	var requests int
	kinds := map[makesim.FaultKind]int{}
	minted, ended, by := map[int64]string{}, map[int64]bool{}, map[string]bool{}
	for i, e := range s.Ledger() {
		if e.Seq != int64(i)+1 || ended[e.Number] {
			t.Fatalf("entry %d: %+v", i, e)
		}
		if e.Token != nil {
			minted[e.Number] = e.Token.Token
			by[e.Token.Token] = true
			continue
		}
		requests++
		ended[e.Number] = true
		kinds[e.Request.Fault]++
		processed := e.Request.Fault != makesim.FaultStatus && e.Request.Fault != makesim.FaultResetBefore
		if processed != (minted[e.Number] != "") || processed != (e.Request.Status == 200) && e.Request.Fault != makesim.FaultStatus {
			t.Errorf("request %d: %+v, minted %q", e.Number, e.Request, minted[e.Number])
		}
	}
	if requests != clients*each {
		t.Errorf("%d requests in the ledger, want %d", requests, clients*each)
	}
	if len(kinds) != len(makesim.FaultKinds()) { // all but hang, and none
		t.Errorf("faults: %v", kinds)
	}
	for token := range answered {
		if !by[token] {
			t.Errorf("token %s was answered and is not in the ledger", token)
		}
	}
	if len(answered) == 0 || len(by) <= len(answered) {
		t.Errorf("%d minted, %d answered: no answer was lost", len(by), len(answered))
	}
	if s.get("/_sim/ledger", "").text != lines.String() {
		t.Error("file and memory differ")
	}
}

// TestOracle knows the right verdict about each story of one family.
func TestOracle(t *testing.T) {
	for name, test := range map[string]struct {
		class      makesim.RefreshClass
		story      func(s *sim, first string)
		violations int
	}{
		"never again": {makesim.ClassStrict, func(s *sim, first string) {
			s.refresh(text(s.refresh(first), "refresh_token"))
		}, 0},
		"retry within grace": {makesim.ClassGrace, func(s *sim, first string) {
			s.refresh(first)
			s.refresh(first)
		}, 0},
		"retry until the successor is used": {makesim.ClassUntilUsed, func(s *sim, first string) {
			s.refresh(first)
			next := s.refresh(first)
			s.get("/api/v2/users/me", "Bearer "+text(next, "access_token"))
		}, 0},
		"same token without rotation": {makesim.ClassNoRotation, func(s *sim, first string) {
			s.get("/api/v2/users/me", "Bearer "+text(s.refresh(first), "access_token"))
			s.refresh(first)
		}, 0},
		"the own access token is no successor": {makesim.ClassGrace, func(s *sim, first string) {
			access, other := s.tokens("user:read")
			s.get("/api/v2/users/me", "Bearer "+access)
			s.refresh(other)
			s.refresh(first)
		}, 0},
		"again after the access token was used": {makesim.ClassGrace, func(s *sim, first string) {
			s.get("/api/v2/users/me", "Bearer "+text(s.refresh(first), "access_token"))
			s.refresh(first)
		}, 1},
		"again after the successor was refreshed": {makesim.ClassFamily, func(s *sim, first string) {
			s.refresh(text(s.refresh(first), "refresh_token"))
			s.refresh(first)
			s.refresh(first)
		}, 2},
		"a grandparent": {makesim.ClassBuggyGrace, func(s *sim, first string) {
			second := text(s.refresh(first), "refresh_token")
			s.refresh(text(s.refresh(second), "refresh_token"))
			s.refresh(first)
		}, 1},
		"use of either successor counts": {makesim.ClassGrace, func(s *sim, first string) {
			s.refresh(first)
			s.get("/api/v2/users/me", "Bearer "+text(s.refresh(first), "access_token"))
			s.refresh(first)
		}, 1},
		"a use that was refused is a use": {makesim.ClassStrict, func(s *sim, first string) {
			next := s.refresh(first)
			s.get("/api/v2/organizations", "Bearer "+text(next, "access_token")) // lacks the scope
			s.refresh(first)
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.knobs(func(k *makesim.Knobs) { k.RefreshClass = test.class })
			_, first := s.tokens("user:read")
			test.story(s, first)
			if bad := makesim.RepresentedAfterUse(s.Ledger()); len(bad) != test.violations {
				t.Errorf("got %d violations, want %d: %v", len(bad), test.violations, events(s.Ledger()))
			}
		})
	}
}
