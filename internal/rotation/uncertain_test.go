package rotation_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/rotation"
)

// What the owner chose for a refresh whose outcome is not known is done, after a lost answer and after a crash alike.
func TestUncertainRefreshPolicy(t *testing.T) {
	const life = 5 * time.Minute
	for name, test := range map[string]struct {
		policy v1alpha1.UncertainRefreshPolicy
		after  time.Duration // since the answer was lost
		want   error
		again  int // presentations after the first
	}{
		"by default at once":             {"", settle, nil, 1},
		"retry at once":                  {v1alpha1.RetryUncertain, settle, nil, 1},
		"wait while the token works":     {v1alpha1.WaitForExpiry, life - time.Nanosecond, rotation.ErrUncertain, 0},
		"wait no longer than it works":   {v1alpha1.WaitForExpiry, life, nil, 1},
		"give up":                        {v1alpha1.Reauthorize, settle, rotation.ErrDead, 0},
		"give up after the token's life": {v1alpha1.Reauthorize, life, rotation.ErrDead, 0},
	} {
		for _, crashed := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", after a crash"}[crashed], func(t *testing.T) {
				w := newWorld(t, makesim.ClassUntilUsed)
				id := w.consented()
				value, ask := w.read(id).OAuth.RefreshToken, rotation.Ask{Uncertain: test.policy}
				w.fault(makesim.Fault{Kind: makesim.FaultResetAfter})
				p := w.process("pod", "p1")
				if _, err := p.Refresh(t.Context(), id, w.app, ask); makeapi.KindOf(err) != makeapi.UnknownOutcome {
					t.Fatal(err)
				}
				if crashed {
					p = w.process("pod", "p2")
					_, _ = p.Refresh(t.Context(), id, w.app, ask) // sees the intent
				}
				w.clock.Step(test.after)
				_, err := p.Refresh(t.Context(), id, w.app, ask)
				if !errors.Is(err, test.want) {
					t.Errorf("error %v, want %v", err, test.want)
				}
				if n := len(w.presentations(value)); n != 1+test.again {
					t.Errorf("presented %d times", n)
				}
				o := w.read(id).OAuth
				if dead := errors.Is(test.want, rotation.ErrDead); dead != (o.Dead == v1alpha1.ReasonRefreshOutcomeLost) || dead && o.Intent != nil {
					t.Errorf("dead is %q, intent %t", o.Dead, o.Intent != nil)
				}
				if test.want == nil {
					w.checkUsable(id)
				}
			})
		}
	}
}

// A server that is known to keep the refresh token takes no presentation for a reuse, so there is nothing to fear.
func TestUncertainWhereTheTokenStays(t *testing.T) {
	for _, policy := range []v1alpha1.UncertainRefreshPolicy{v1alpha1.RetryUncertain, v1alpha1.WaitForExpiry, v1alpha1.Reauthorize} {
		w := newWorld(t, makesim.ClassNoRotation)
		id, ask := w.consented(), rotation.Ask{Uncertain: policy}
		p := w.process("pod", "p1")
		if _, err := p.Refresh(t.Context(), id, w.app, ask); err != nil {
			t.Fatal(err)
		}
		w.fault(makesim.Fault{Kind: makesim.FaultResetAfter})
		if _, err := p.Refresh(t.Context(), id, w.app, ask); err == nil {
			t.Fatal("no answer was lost")
		}
		w.clock.Step(settle)
		if _, err := p.Refresh(t.Context(), id, w.app, ask); err != nil {
			t.Errorf("%s: %v", policy, err)
		}
		w.checkUsable(id)
	}
}

// A long outage in which nobody knows whether Make processes anything ends well when it did not, and truthfully when it did.
func TestLongOutage(t *testing.T) {
	for _, class := range classes {
		t.Run(string(class), func(t *testing.T) {
			w := newWorld(t, class)
			id := w.consented()
			p := w.process("pod", "p1")
			for range 20 {
				w.fault(makesim.Fault{Kind: makesim.FaultStatus, Status: 504})
				if _, err := p.Refresh(t.Context(), id, w.app, rotation.Ask{}); makeapi.KindOf(err) != makeapi.UnknownOutcome {
					t.Fatal(err)
				}
				w.clock.Step(time.Minute)
			}
			if _, err := p.Refresh(t.Context(), id, w.app, rotation.Ask{}); err != nil {
				t.Fatal(err)
			}
			w.checkUsable(id)
			w.checkNoReplay()
		})
	}
}

// A grant that was put back from a backup is not presented: by this process, which saw it rotate, or by another, which sees what the
// consumers hold.
func TestRolledBackGrant(t *testing.T) {
	for name, test := range map[string]struct {
		sameProcess bool
		published   bool
		accept      int64
		want        error
	}{
		"seen by the process":             {true, false, 0, rotation.ErrRolledBack},
		"seen by the consumers":           {false, true, 0, rotation.ErrRolledBack},
		"seen by both":                    {true, true, 0, rotation.ErrRolledBack},
		"accepted by its owner":           {true, true, 1, nil},
		"another generation was accepted": {true, true, 2, rotation.ErrRolledBack},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, makesim.ClassUntilUsed)
			id := w.consented()
			backup := w.read(id).OAuth
			p := w.process("pod", "p1")
			for range 2 {
				w.clock.Step(time.Minute)
				if _, err := p.Refresh(t.Context(), id, w.app, rotation.Ask{}); err != nil {
					t.Fatal(err)
				}
			}
			last := w.read(id)
			ask := rotation.Ask{AcceptRollback: test.accept}
			if test.published {
				ask.Published = rotation.Mark{Generation: last.OAuth.Generation, Issued: last.OAuth.Issued}
			}
			last.OAuth = backup
			if err := w.store.Write(t.Context(), id, last); err != nil {
				t.Fatal(err)
			}
			if !test.sameProcess {
				p = w.process("pod", "p2")
			}
			before := len(w.presentations(backup.RefreshToken))
			if rolledBack := p.RolledBack(id, w.read(id).OAuth, ask); rolledBack != (test.want != nil) {
				t.Errorf("rolled back: %t", rolledBack)
			}
			_, err := p.Refresh(t.Context(), id, w.app, ask)
			if test.want == nil {
				if errors.Is(err, rotation.ErrRolledBack) || len(w.presentations(backup.RefreshToken)) != before+1 {
					t.Errorf("error %v", err)
				}
				return
			}
			if !errors.Is(err, test.want) || len(w.presentations(backup.RefreshToken)) != before {
				t.Errorf("error %v, want %v; presented %d times", err, test.want, len(w.presentations(backup.RefreshToken))-before)
			}

			for _, generation := range []int64{last.OAuth.Generation + 1, 1} { // the latter where the Secret was deleted first
				w.clock.Step(time.Second)
				w.consent(id, generation)
				if _, err := p.Refresh(t.Context(), id, w.app, ask); err != nil {
					t.Errorf("after another consent: %v", err)
				}
			}
			w.checkUsable(id)
		})
	}
}

// A wall clock that jumps back makes no rollback of what is newer.
func TestClockJumpIsNoRollback(t *testing.T) {
	w := newWorld(t, makesim.ClassFamily)
	id := w.consented()
	p := w.process("pod", "p1")
	for _, jump := range []time.Duration{time.Hour, -2 * time.Hour, time.Minute} {
		o := w.read(id).OAuth
		published := rotation.Mark{Generation: o.Generation, Issued: o.Issued}
		w.clock.SetTime(w.clock.Now().Add(jump))
		if _, err := p.Refresh(t.Context(), id, w.app, rotation.Ask{Published: published}); err != nil {
			t.Fatalf("after a jump by %v: %v", jump, err)
		}
	}
	w.checkNoReplay()
}

// A grant that is rolled back between an answer and its storage does not swallow the answer.
func TestRollbackWhileStoring(t *testing.T) {
	w := newWorld(t, makesim.ClassFamily)
	id := w.consented()
	backup := w.read(id).OAuth
	p := w.process("pod", "p1")
	if _, err := p.Refresh(t.Context(), id, w.app, rotation.Ask{}); err != nil {
		t.Fatal(err)
	}
	rec, err := p.Refresh(t.Context(), id, answered(w, func() {
		current := w.read(id)
		current.OAuth = backup
		if err := w.store.Write(t.Context(), id, current); err != nil {
			t.Fatal(err)
		}
	}), rotation.Ask{})
	if err != nil || rec.OAuth.Generation != 3 {
		t.Errorf("generation %d, error %v", rec.OAuth.Generation, err)
	}
	w.checkUsable(id)
}

// A process that is told to end finishes what it has begun: the answer may be the only good token.
func TestTerminationDoesNotCancelAPresentation(t *testing.T) {
	w := newWorld(t, makesim.ClassFamily)
	id := w.consented()
	ctx, cancel := context.WithCancel(t.Context())
	server := serverFunc(func(ctx context.Context, value string) (makeapi.TokenResponse, error) {
		cancel()
		return w.app.Refresh(ctx, value)
	})
	if _, err := w.process("pod", "p1").Refresh(ctx, id, server, rotation.Ask{}); err != nil {
		t.Fatal(err)
	}
	w.checkUsable(id)
}

// A process that is told to end between announcing and presenting presents nothing, and leaves no intent behind.
func TestTerminationBeforeAPresentation(t *testing.T) {
	w := newWorld(t, makesim.ClassFamily)
	id := w.consented()
	ctx, cancel := context.WithCancel(t.Context())
	p := w.process("pod", "p1")
	p.Grants = stuck{Grants: w, before: func(string) error { return nil }, after: func(string) error { cancel(); return nil }}
	if _, err := p.Refresh(ctx, id, w.app, rotation.Ask{}); makeapi.KindOf(err) != makeapi.Transient {
		t.Errorf("error %v", err)
	}
	if o := w.read(id).OAuth; o.Intent != nil || o.Generation != 1 {
		t.Errorf("intent %+v, generation %d", o.Intent, o.Generation)
	}
	w.checkUsable(id)
}

// What waits to be stored can be watched.
func TestObserver(t *testing.T) {
	w := newWorld(t, makesim.ClassFamily)
	id := w.consented()
	var since time.Time
	seen := &observed{}
	p := w.process("pod", "p1")
	p.Observer = seen
	p.Grants = stuck{
		Grants: w,
		before: func(string) error {
			if !since.IsZero() && w.clock.Since(since) < time.Minute {
				return errNetwork
			}
			return nil
		},
		after: func(string) error { return nil },
	}
	if _, err := p.Refresh(t.Context(), id, answered(w, func() { since = w.clock.Now() }), rotation.Ask{}); err != nil {
		t.Fatal(err)
	}
	if seen.failures < 2 || !errors.Is(seen.err, errNetwork) || seen.waited < time.Minute || seen.id != id {
		t.Errorf("%+v", seen)
	}
}

type observed struct {
	id       grant.Identity
	failures int
	err      error
	waited   time.Duration
}

func (o *observed) StoreFailed(_ context.Context, id grant.Identity, times int, err error) {
	o.id, o.failures, o.err = id, times, err
}

func (o *observed) Stored(waited time.Duration) { o.waited = waited }
