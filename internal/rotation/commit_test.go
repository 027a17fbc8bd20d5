package rotation_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/rotation"
)

// stuck is an API server that fails for a while: before answers each call with an error, or lets it through with nil; after may
// lose the answer of a write that took place.
type stuck struct {
	rotation.Grants
	before, after func(call string) error
}

func (s stuck) Read(ctx context.Context, id grant.Identity) (*grant.Record, error) {
	if err := s.before("read"); err != nil {
		return nil, err
	}
	return s.Grants.Read(ctx, id)
}

func (s stuck) Write(ctx context.Context, id grant.Identity, r *grant.Record) error {
	if err := s.before("write"); err != nil {
		return err
	}
	if err := s.Grants.Write(ctx, id, r); err != nil {
		return err
	}
	return s.after("write")
}

// answered is an authorization server that calls back when it has answered.
func answered(w *world, then func()) rotation.AuthorizationServer {
	return serverFunc(func(ctx context.Context, value string) (makeapi.TokenResponse, error) {
		answer, err := w.app.Refresh(ctx, value)
		then()
		return answer, err
	})
}

// An answer is stored however long the API server fails, and in whatever way, also after the pass was cancelled.
func TestCommitGoesOn(t *testing.T) {
	const long = 2 * time.Minute
	for name, test := range map[string]struct {
		fails   func(call string) bool
		ackLost bool
		cancels bool
	}{
		"all calls fail for minutes":       {fails: func(string) bool { return true }},
		"writes fail for minutes":          {fails: func(call string) bool { return call == "write" }},
		"the first write's answer is lost": {fails: func(string) bool { return false }, ackLost: true},
		"lost, then all calls fail":        {fails: func(string) bool { return true }, ackLost: true},
		"the pass was cancelled":           {fails: func(string) bool { return false }, cancels: true},
		"cancelled, and all calls fail":    {fails: func(string) bool { return true }, cancels: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, makesim.ClassFamily)
			id := w.consented()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var since time.Time
			ackLost := false
			p := w.process("pod", "p1")
			p.Grants = stuck{
				Grants: w,
				before: func(call string) error {
					down := !since.IsZero() && w.clock.Since(since) < long && test.fails(call)
					if down && (!test.ackLost || ackLost) {
						return errNetwork
					}
					return nil
				},
				after: func(string) error {
					if test.ackLost && !since.IsZero() && !ackLost {
						ackLost = true
						return errNetwork
					}
					return nil
				},
			}
			rec, err := p.Refresh(ctx, id, answered(w, func() {
				since = w.clock.Now()
				if test.cancels {
					cancel()
				}
			}), rotation.Ask{RotationGeneration: 5})
			if err != nil {
				t.Fatal(err)
			}
			o := w.read(id).OAuth
			if o.Generation != 2 || rec.OAuth.Generation != 2 || rec.OAuth.RefreshToken != o.RefreshToken || w.read(id).RotationGeneration != 5 {
				t.Errorf("stored is generation %d, the record has %d", o.Generation, rec.OAuth.Generation)
			}
			if got, want := o.Issued, since; !got.Equal(want) {
				t.Errorf("the access token counts from %v, want from when it was received, %v", got, want)
			}
			if test.ackLost != ackLost {
				t.Error("no answer was lost")
			}
			w.checkUsable(id)
			w.checkNoReplay()
		})
	}
}

// A consent that was given while a refresh of the old grant was under way counts; the refresh's answer does not.
func TestConsentMeanwhileCounts(t *testing.T) {
	for name, generation := range map[string]int64{
		"as the next generation":               2,
		"after the old grant had been deleted": 1,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, makesim.ClassFamily)
			id := w.consented()
			var consented makeapi.TokenResponse
			rec, err := w.process("pod", "p1").Refresh(t.Context(), id, answered(w, func() {
				if generation == 1 {
					if err := w.store.Delete(t.Context(), id); err != nil {
						t.Fatal(err)
					}
				}
				consented = w.consent(id, generation)
			}), rotation.Ask{})
			if err != nil {
				t.Fatal(err)
			}
			if got := w.read(id).OAuth.RefreshToken; got != consented.RefreshToken || rec.OAuth.RefreshToken != got {
				t.Error("the consent's refresh token is not what is stored and returned")
			}
			w.checkUsable(id)
		})
	}
}

// A grant that was deleted while its refresh was under way stays deleted.
func TestDeletionMeanwhileCounts(t *testing.T) {
	w := newWorld(t, makesim.ClassStrict)
	id := w.consented()
	rec, err := w.process("pod", "p1").Refresh(t.Context(), id, answered(w, func() {
		if err := w.store.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}), rotation.Ask{})
	if err != nil || rec.OAuth != nil || w.read(id).OAuth != nil {
		t.Errorf("error %v; record has a grant: %t; stored: %t", err, rec.OAuth != nil, w.read(id).OAuth != nil)
	}
}

// cutOff is a holder that is answered and then cannot reach the API server for longer than others wait for it: its pod was
// force-deleted on a node that nobody reaches. meanwhile runs before the holder gets through again.
func cutOff(w *world, meanwhile func()) (*rotation.Refresher, rotation.AuthorizationServer) {
	cut := false
	holder := w.process("pod-1", "p1")
	holder.Grants = stuck{
		Grants: w,
		before: func(string) error {
			if cut {
				cut = false
				w.gone["pod-1"] = true
				meanwhile()
			}
			return nil
		},
		after: func(string) error { return nil },
	}
	return holder, answered(w, func() { cut = true })
}

// takeOver is a refresh by another process, which sees the intent and lets the holder's request settle.
func (w *world) takeOver(id grant.Identity, server rotation.AuthorizationServer) (*grant.Record, error) {
	p := w.process("pod-2", "p2")
	if _, err := p.Refresh(context.Background(), id, server, rotation.Ask{}); !errors.Is(err, rotation.ErrHeld) {
		w.t.Errorf("before the holder's request has settled: %v", err)
	}
	w.clock.Step(settle)
	return p.Refresh(context.Background(), id, server, rotation.Ask{})
}

// sleeper is a clock that calls back at each sleep.
type sleeper struct {
	clock.Clock
	slept func()
}

func (s sleeper) Sleep(d time.Duration) {
	s.Clock.Sleep(d)
	s.slept()
}

// A holder that gets through again while its successor is about to present the token waits for the outcome, so that the token is
// not presented after the holder stored what follows it.
func TestLateHolderWaitsForItsSuccessor(t *testing.T) {
	for _, class := range classes {
		t.Run(string(class), func(t *testing.T) {
			w := newWorld(t, class)
			id := w.consented()
			announced, resumed, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
			holder, server := cutOff(w, func() {
				go func() {
					defer close(done)
					_, _ = w.takeOver(id, serverFunc(
						func(ctx context.Context, value string) (makeapi.TokenResponse, error) {
							close(announced)
							<-resumed
							return w.app.Refresh(ctx, value)
						}))
				}()
				<-announced
			})
			resume := sync.OnceFunc(func() {
				close(resumed)
				<-done
			})
			sleeps := 0
			holder.Clock = sleeper{w.clock, func() {
				if sleeps++; sleeps == 5 {
					resume()
				}
			}}
			if _, err := holder.Refresh(t.Context(), id, server, rotation.Ask{}); err != nil {
				t.Fatal(err)
			}
			resume()
			w.checkNoReplay()
			if class != makesim.ClassFamily { // there the second presentation ends the whole family
				w.checkUsable(id)
			}
		})
	}
}

// A holder that gets through again does not wait for ever for a successor that died.
func TestLateHolderOutlivesItsSuccessor(t *testing.T) {
	for name, gone := range map[string]bool{"the pod is gone": true, "nobody knows": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, makesim.ClassFamily)
			id := w.consented()
			holder, server := cutOff(w, func() {
				rec := w.read(id)
				rec.OAuth.Intent = &grant.Intent{
					Attempt: "b", Presentations: 2, Holder: grant.Holder{PodName: "pod-2", PodUID: "pod-2", Process: "p2"}, Budget: 30 * time.Second,
				}
				if err := w.Write(t.Context(), id, rec); err != nil {
					t.Fatal(err)
				}
				w.gone["pod-2"] = gone
			})
			before := w.clock.Now()
			if _, err := holder.Refresh(t.Context(), id, server, rotation.Ask{}); err != nil {
				t.Fatal(err)
			}
			if waited := w.clock.Since(before); !gone && waited < takeover {
				t.Errorf("waited %v, want at least %v", waited, takeover)
			}
			w.checkUsable(id)
			w.checkNoReplay()
		})
	}
}

// A successor that was refused because the holder's request had used the token up does not end the grant: the holder stores it.
func TestLateHolderRevivesTheGrant(t *testing.T) {
	w := newWorld(t, makesim.ClassStrict)
	id := w.consented()
	holder, server := cutOff(w, func() {
		_, err := w.takeOver(id, w.app)
		if dead := w.read(id).OAuth.Dead; !errors.Is(err, rotation.ErrDead) || dead != v1alpha1.ReasonRefreshOutcomeLost {
			t.Errorf("the successor: %v, dead is %q", err, dead)
		}
	})
	if _, err := holder.Refresh(t.Context(), id, server, rotation.Ask{}); err != nil {
		t.Fatal(err)
	}
	w.checkUsable(id)
	w.checkNoReplay()
}

// A holder that gets through again after its successor stored another answer leaves that as it is, also where the refresh token is
// still the same.
func TestLateHolderYieldsToItsSuccessor(t *testing.T) {
	for _, class := range []makesim.RefreshClass{makesim.ClassNoRotation, makesim.ClassGrace, makesim.ClassUntilUsed, makesim.ClassBuggyGrace} {
		t.Run(string(class), func(t *testing.T) {
			w := newWorld(t, class)
			id := w.consented()
			var stored *grant.Record
			holder, server := cutOff(w, func() {
				var err error
				if stored, err = w.takeOver(id, w.app); err != nil {
					t.Error(err)
				}
			})
			rec, err := holder.Refresh(t.Context(), id, server, rotation.Ask{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(stored.Grant, w.read(id).Grant); diff != "" || !cmp.Equal(rec.Grant, stored.Grant) {
				t.Errorf("the holder changed what its successor stored (-successor +now):\n%s", diff)
			}
			w.checkUsable(id)
			w.checkNoReplay()
		})
	}
}
