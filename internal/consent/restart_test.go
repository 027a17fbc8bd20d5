package consent_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makesim"
)

// A restart between any two steps of the person loses nothing: any replica can answer.
func TestRestartBetweenSteps(t *testing.T) {
	r := newRig(t)
	page := r.open(startOf("crm"))
	r.restart()
	left, err := r.browser.Send(t.Context(), startOf("crm"), page.Form())
	if err != nil {
		t.Fatal(err)
	}
	callback := r.approve(left.Next(), makesim.UserID)
	r.restart()
	last := r.open(callback)
	r.restart()
	if again := r.open(last.URL.String()); last.Status != http.StatusOK || again.Body != last.Body || r.granted() == nil {
		t.Errorf("status %d, then %d", last.Status, again.Status)
	}
}

// dieAt lets the operator die at its nth write after Make's answer came in, before that write or after it: from then on it reaches
// neither the API server nor Make. It returns where the browser ended up, seen by the next process.
func (r *rig) dieAt(t *testing.T, callback string, write int, after bool) (result string) {
	t.Helper()
	dead, writes := errors.New("the process is dead"), 0
	r.refuse = func(client.Object) error {
		writes++
		if writes > write || writes == write && !after {
			r.fault("/")
			return dead
		}
		return nil
	}
	page := r.open(callback)
	r.refuse = func(client.Object) error { return nil }
	r.fault("")
	r.restart()
	return page.URL.String()
}

// Wherever the operator dies while it finishes a consent, the next process brings it to an end: either the grant is stored and works,
// once, or nothing is stored and no token that is known stays alive. The page always says what to do, and never lies.
func TestDieWhileFinishing(t *testing.T) {
	// take the session, store the answer, store the grant, end the session
	for write := 1; write <= 4; write++ {
		for _, after := range []bool{false, true} {
			for _, by := range []string{"reload", "sweep"} {
				name := map[bool]string{false: "before", true: "after"}[after]
				t.Run(strings.Join([]string{name, string(rune('0' + write)), by}, " "), func(t *testing.T) {
					r := newRig(t)
					callback := r.approve(r.begin("crm"), makesim.UserID)
					result := r.dieAt(t, callback, write, after)
					if page := r.open(result); strings.Contains(page.Body, "<h1 class=\"good\">") != (r.granted() != nil && write == 4 && after) {
						t.Errorf("meanwhile the page says:\n%s", page.Body)
					}
					r.clock.SetTime(start.Add(2 * time.Minute))
					if by == "sweep" {
						r.sweep()
					}
					page := r.open(result)
					switch stored := r.granted(); {
					case stored != nil:
						if page.Status != http.StatusOK || stored.Generation != 1 || !r.sim.TokenAlive(stored.RefreshToken) || r.exchanges() != 1 {
							t.Errorf("status %d, generation %d, %d exchanges:\n%s", page.Status, stored.Generation, r.exchanges(), page.Body)
						}
					case write == 1 && !after: // still open: the same answer finishes it
						if page := r.open(callback); page.Status != http.StatusOK || r.granted() == nil {
							t.Errorf("the session was left open, but: status %d\n%s", page.Status, page.Body)
						}
					case !strings.Contains(page.Body, "Start again"):
						t.Errorf("nothing is stored, and the page does not say so: status %d\n%s", page.Status, page.Body)
					}
				})
			}
		}
	}
}

// A grant that was stored, and refreshed since, is not overwritten by whoever finishes the session of the dead process.
func TestResumeAfterRefresh(t *testing.T) {
	r := newRig(t)
	callback := r.approve(r.begin("crm"), makesim.UserID)
	result := r.dieAt(t, callback, 4, false)
	rec, err := r.store.Read(t.Context(), crm)
	if err != nil || rec.OAuth == nil {
		t.Fatalf("nothing is stored (%v)", err)
	}
	rec.OAuth.Generation, rec.OAuth.AccessToken, rec.OAuth.RefreshToken = 2, "newer access", "newer refresh"
	if err := r.store.Write(t.Context(), crm, rec); err != nil {
		t.Fatal(err)
	}
	r.clock.SetTime(start.Add(2 * time.Minute))
	if page := r.open(result); page.Status != http.StatusOK || !strings.Contains(page.Body, "Ada Example allowed it") {
		t.Errorf("status %d:\n%s", page.Status, page.Body)
	}
	want := rec.OAuth
	if diff := cmp.Diff(want, r.granted()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Who still works on a session is left alone, and the person sees that it goes on.
func TestNobodyResumesTooEarly(t *testing.T) {
	r := newRig(t)
	callback := r.approve(r.begin("crm"), makesim.UserID)
	result := r.dieAt(t, callback, 3, false)
	for _, age := range []time.Duration{0, 99 * time.Second} {
		r.clock.SetTime(start.Add(age))
		r.sweep()
		page := r.open(result)
		if page.Header.Get("Refresh") == "" || !strings.Contains(page.Body, "being finished") || r.granted() != nil {
			t.Errorf("after %s: status %d\n%s", age, page.Status, page.Body)
		}
	}
}

// Tokens of a consent that came to nothing are revoked although the process that got them is dead and the browser is gone.
func TestSweepRevokes(t *testing.T) {
	r := newRig(t)
	r.dieAt(t, r.approve(r.begin("crm"), makesim.OtherUserID), 3, false)
	if len(r.alive()) == 0 {
		t.Fatal("no token was alive")
	}
	r.clock.SetTime(start.Add(2 * time.Minute))
	r.sweep()
	if left := r.alive(); len(left) != 0 || r.granted() != nil {
		t.Errorf("%d tokens are alive, stored %t", len(left), r.granted() != nil)
	}
}

// Sessions are deleted when they are over, and not before.
func TestSweepDeletes(t *testing.T) {
	r := newRig(t)
	callback := r.approve(r.begin("crm"), makesim.UserID)
	r.begin("erp")
	r.clock.SetTime(start.Add(10*time.Minute - time.Second))
	r.sweep()
	if n := len(r.sessionSecrets()); n != 2 {
		t.Fatalf("%d Secrets before the end", n)
	}
	r.clock.SetTime(start.Add(time.Minute))
	r.open(callback)
	writes := 0
	r.refuse = func(client.Object) error { writes++; return nil }
	r.sweep()
	if writes != 0 {
		t.Errorf("%d writes with nothing to do", writes)
	}
	r.clock.SetTime(start.Add(10 * time.Minute))
	r.sweep()
	if n := len(r.sessionSecrets()); n != 0 || r.granted() == nil {
		t.Errorf("%d Secrets after the end, granted %t", n, r.granted() != nil)
	}
}

// Tokens that nobody can revoke any more are kept for a day, and do not stop the sweep of the others; nor do sessions that do not open.
func TestSweepOfPoisonedSessions(t *testing.T) {
	r := newRig(t)
	r.dieAt(t, r.approve(r.begin("crm"), makesim.OtherUserID), 3, false)
	if err := r.client.Delete(t.Context(), r.connection("crm", uid)); err != nil { // and with it the way to revoke
		t.Fatal(err)
	}
	r.begin("erp")
	r.clock.SetTime(start.Add(10 * time.Minute))
	r.sweep()
	if left := r.sessionSecrets(); len(left) != 1 || !strings.Contains(left[0].Name, uid) {
		t.Fatalf("%d Secrets are left", len(left))
	}
	r.clock.SetTime(start.Add(10*time.Minute + 24*time.Hour))
	r.sweep()
	if n := len(r.sessionSecrets()); n != 0 {
		t.Errorf("%d Secrets are left after a day", n)
	}

	r = newRig(t)
	r.begin("crm")
	r.store.Keys = grant.Keyring{"key-0002": grant.NewKey()}
	r.sweep()
	if n := len(r.sessionSecrets()); n != 1 {
		t.Errorf("%d Secrets that do not open, before their end", n)
	}
	r.clock.SetTime(start.Add(10 * time.Minute))
	r.sweep()
	if n := len(r.sessionSecrets()); n != 0 {
		t.Errorf("%d Secrets that do not open, after their end", n)
	}
}
