package rotation_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/rotation"
)

// takeover is how long a successor waits for a holder that it cannot see: the announced budget and a margin.
const takeover = 30*time.Second + 15*time.Second

// settle is how long a successor waits for a request whose sender is gone.
const settle = 3 * time.Second

// While one process presents the token no other one does.
func TestNoTwoPresentTogether(t *testing.T) {
	for _, class := range classes {
		t.Run(string(class), func(t *testing.T) {
			w := newWorld(t, class)
			id := w.consented()
			value := w.read(id).OAuth.RefreshToken
			other := w.process("pod-2", "p2")
			server := serverFunc(func(ctx context.Context, presented string) (makeapi.TokenResponse, error) {
				if _, err := other.Refresh(ctx, id, w.app, rotation.Ask{}); !errors.Is(err, rotation.ErrHeld) {
					t.Errorf("before the answer: %v, want %v", err, rotation.ErrHeld)
				}
				answer, err := w.app.Refresh(ctx, presented)
				if _, err := other.Refresh(ctx, id, w.app, rotation.Ask{}); !errors.Is(err, rotation.ErrHeld) {
					t.Errorf("after the answer: %v, want %v", err, rotation.ErrHeld)
				}
				return answer, err
			})
			if _, err := w.process("pod-1", "p1").Refresh(t.Context(), id, server, rotation.Ask{}); err != nil {
				t.Fatal(err)
			}
			if n := len(w.presentations(value)); n != 1 {
				t.Errorf("presented %d times", n)
			}
			if _, err := other.Refresh(t.Context(), id, w.app, rotation.Ask{}); err != nil {
				t.Errorf("the other process, afterwards: %v", err)
			}
			w.checkNoReplay()
		})
	}
}

// Of two that read the grant before either announced, one is sent to read it again.
func TestOneAnnouncementWins(t *testing.T) {
	w := newWorld(t, makesim.ClassFamily)
	id := w.consented()
	second := w.process("pod-2", "p2")
	second.Grants = hooked{w, func() {
		if _, err := w.process("pod-1", "p1").Refresh(t.Context(), id, w.app, rotation.Ask{}); err != nil {
			t.Fatal(err)
		}
	}}
	if _, err := second.Refresh(t.Context(), id, w.app, rotation.Ask{}); !errors.Is(err, grant.ErrConflict) {
		t.Errorf("error %v, want %v", err, grant.ErrConflict)
	}
	w.checkUsable(id)
	w.checkNoReplay()
}

// hooked runs something between each Read and what comes after it.
type hooked struct {
	rotation.Grants
	afterRead func()
}

func (h hooked) Read(ctx context.Context, id grant.Identity) (*grant.Record, error) {
	rec, err := h.Grants.Read(ctx, id)
	h.afterRead()
	return rec, err
}

// abandoned is a connection on which a process died after it had announced a refresh and before it presented the token.
func abandoned(w *world, pod, name string) grant.Identity {
	w.t.Helper()
	id := w.consented()
	rec := w.read(id)
	rec.OAuth.Intent = &grant.Intent{
		Attempt: "abandoned-" + string(id.UID), Presentations: 1, Holder: grant.Holder{PodName: pod, PodUID: pod, Process: name}, Budget: 30 * time.Second,
	}
	if err := w.Write(context.Background(), id, rec); err != nil {
		w.t.Fatal(err)
	}
	return id
}

func TestTakeover(t *testing.T) {
	for name, test := range map[string]struct {
		holderPod, holder string
		gone              bool
		want              error
	}{
		"our own earlier attempt":            {"pod-1", "p1", false, nil},
		"our container was restarted":        {"pod-1", "p0", false, nil},
		"another pod, gone":                  {"pod-2", "p2", true, nil},
		"another pod, alive":                 {"pod-2", "p2", false, rotation.ErrHeld},
		"another process outside of any pod": {"", "p2", false, rotation.ErrHeld},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, makesim.ClassFamily)
			id := abandoned(w, test.holderPod, test.holder)
			w.gone[test.holderPod] = test.gone
			p := w.process("pod-1", "p1")
			for _, wait := range []time.Duration{0, settle - time.Nanosecond} { // what the holder sent may still be inside Make
				w.clock.Step(wait)
				if _, err := p.Refresh(t.Context(), id, w.app, rotation.Ask{}); !errors.Is(err, rotation.ErrHeld) {
					t.Fatalf("error %v, want %v", err, rotation.ErrHeld)
				}
			}
			w.clock.Step(time.Nanosecond)
			if _, err := p.Refresh(t.Context(), id, w.app, rotation.Ask{}); !errors.Is(err, test.want) {
				t.Fatalf("error %v, want %v", err, test.want)
			}
			if test.want == nil {
				w.checkUsable(id)
			}
		})
	}
}

// Two processes outside of pods, where no pod's UID tells them apart, are not each other's restart.
func TestNoPodIsNotTheSamePod(t *testing.T) {
	w := newWorld(t, makesim.ClassFamily)
	id := abandoned(w, "", "p2")
	if _, err := w.process("", "p1").Refresh(t.Context(), id, w.app, rotation.Ask{}); !errors.Is(err, rotation.ErrHeld) {
		t.Errorf("error %v, want %v", err, rotation.ErrHeld)
	}
}

// A holder that nobody can see is given up when its budget and the margin have passed since the observer first saw the intent.
func TestTakeoverByTime(t *testing.T) {
	w := newWorld(t, makesim.ClassFamily)
	id := abandoned(w, "pod-2", "p2")
	w.clock.Step(24 * time.Hour) // before anybody looked: how old the intent is by other clocks does not count
	p := w.process("pod-1", "p1")
	for _, wait := range []time.Duration{0, takeover / 2, takeover/2 - time.Nanosecond} {
		w.clock.Step(wait)
		if _, err := p.Refresh(t.Context(), id, w.app, rotation.Ask{}); !errors.Is(err, rotation.ErrHeld) {
			t.Fatalf("after another %v: %v, want %v", wait, err, rotation.ErrHeld)
		}
	}
	if _, err := w.process("pod-3", "p3").Refresh(t.Context(), id, w.app, rotation.Ask{}); !errors.Is(err, rotation.ErrHeld) {
		t.Errorf("an observer that just came does not wait: %v", err)
	}
	w.clock.Step(time.Nanosecond)
	if _, err := p.Refresh(t.Context(), id, w.app, rotation.Ask{}); err != nil {
		t.Errorf("at the end: %v", err)
	}
	w.checkUsable(id)
}

// An intent that is announced anew is waited for anew, and other connections' intents do not matter.
func TestTakeoverWaitsForEachAttempt(t *testing.T) {
	w := newWorld(t, makesim.ClassFamily)
	first, second := abandoned(w, "pod-2", "p2"), abandoned(w, "pod-2", "p2")
	p := w.process("pod-1", "p1")
	if _, err := p.Refresh(t.Context(), first, w.app, rotation.Ask{}); !errors.Is(err, rotation.ErrHeld) {
		t.Fatal(err)
	}
	w.clock.Step(takeover)
	rec := w.read(first)
	rec.OAuth.Intent.Attempt = "another"
	if err := w.Write(t.Context(), first, rec); err != nil {
		t.Fatal(err)
	}
	for _, id := range []grant.Identity{first, second} {
		if _, err := p.Refresh(t.Context(), id, w.app, rotation.Ask{}); !errors.Is(err, rotation.ErrHeld) {
			t.Errorf("%s: %v, want %v", id.Name, err, rotation.ErrHeld)
		}
	}
}

// That a pod cannot be looked up is no evidence that it is gone, nor a reason to forget when its intent was first seen.
func TestLivenessFails(t *testing.T) {
	w := newWorld(t, makesim.ClassFamily)
	id := abandoned(w, "pod-2", "p2")
	p := w.process("pod-1", "p1")
	p.Liveness = blind{}
	if _, err := p.Refresh(t.Context(), id, w.app, rotation.Ask{}); !errors.Is(err, errNetwork) {
		t.Errorf("error %v, want %v", err, errNetwork)
	}
	if n := len(w.presentations(w.read(id).OAuth.RefreshToken)); n != 0 {
		t.Errorf("presented %d times", n)
	}
}

type blind struct{}

func (blind) Gone(context.Context, grant.Holder) (bool, error) { return false, errNetwork }

// Whoever was held up while it announced has that much less time to present, so that it has ended when others take over.
func TestBudgetCountsFromTheAnnouncement(t *testing.T) {
	for name, test := range map[string]struct {
		announcing time.Duration
		most       time.Duration // zero: must not present
	}{
		"at once":         {0, 20 * time.Second},
		"slowly":          {25 * time.Second, 5 * time.Second},
		"just too slowly": {30 * time.Second, 0},
		"much too slowly": {2 * time.Minute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, makesim.ClassFamily)
			id := w.consented()
			presented := false
			server := serverFunc(func(ctx context.Context, value string) (makeapi.TokenResponse, error) {
				presented = true
				if deadline, ok := ctx.Deadline(); !ok || deadline.Sub(clock.RealClock{}.Now()) > test.most {
					t.Errorf("the request may take longer than %v", test.most)
				}
				return w.app.Refresh(ctx, value)
			})
			p := w.process("pod-1", "p1")
			p.Grants = slow{w, func() { w.clock.Step(test.announcing) }}
			_, err := p.Refresh(t.Context(), id, server, rotation.Ask{})
			if presented != (test.most > 0) || presented != (err == nil) {
				t.Errorf("presented: %t, error %v", presented, err)
			}
			if !presented && makeapi.KindOf(err) != makeapi.Transient {
				t.Errorf("error %v is not transient", err)
			}
			w.checkUsable(id) // also where nothing was presented: then the intent is withdrawn
			w.checkNoReplay()
		})
	}
}

// slow lets time pass in each write.
type slow struct {
	rotation.Grants
	wait func()
}

func (s slow) Write(ctx context.Context, id grant.Identity, r *grant.Record) error {
	s.wait()
	return s.Grants.Write(ctx, id, r)
}
