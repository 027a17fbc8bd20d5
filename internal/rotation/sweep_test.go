package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/rotation"
)

// mode is how a call of a process goes wrong.
type mode string

const (
	errorBefore mode = "fails before it is processed"
	errorAfter  mode = "is processed, and its answer is lost"
	deathBefore mode = "is never made, because the process dies"
	deathAfter  mode = "is processed, and the process dies"
)

var modes = []mode{errorBefore, errorAfter, deathBefore, deathAfter}

// fault is one call, counted from 1 over all processes, that goes wrong.
type fault struct {
	call int
	mode mode
}

// death ends a process where it stands.
type death struct{}

// seams counts the calls that processes make, to the API server and to the authorization server, and disturbs those of faults.
type seams struct {
	world  *world
	faults []fault
	calls  []string
}

func (s *seams) Read(ctx context.Context, id grant.Identity) (rec *grant.Record, err error) {
	failed := s.call("read", func() { rec, err = s.world.Read(ctx, id) })
	if failed != "" {
		return nil, errNetwork
	}
	return rec, err
}

func (s *seams) Write(ctx context.Context, id grant.Identity, r *grant.Record) (err error) {
	if s.call("write", func() { err = s.world.Write(ctx, id, r) }) != "" {
		return errNetwork
	}
	return err
}

func (s *seams) Refresh(ctx context.Context, value string) (answer makeapi.TokenResponse, err error) {
	switch s.call("present", func() { answer, err = s.world.app.Refresh(ctx, value) }) {
	case errorBefore:
		return makeapi.TokenResponse{}, &makeapi.Error{Kind: makeapi.Transient}
	case errorAfter:
		return makeapi.TokenResponse{}, &makeapi.Error{Kind: makeapi.UnknownOutcome}
	}
	return answer, err
}

// call makes one call, or disturbs it; it returns how, or "".
func (s *seams) call(name string, process func()) mode {
	s.calls = append(s.calls, name)
	for _, f := range s.faults {
		if f.call != len(s.calls) {
			continue
		}
		switch f.mode {
		case errorAfter:
			process()
		case deathAfter:
			process()
			panic(death{})
		case deathBefore:
			panic(death{})
		}
		return f.mode
	}
	process()
	return ""
}

// run lets an operator look after one connection that is due for a refresh, until it rests or there is no end in sight. A dead
// process is followed by another: in the same pod, or in a new one where the old one is gone.
func (s *seams) run(id grant.Identity, samePod bool) {
	pod, starts := "pod-0", 0
	start := func() *rotation.Refresher {
		starts++
		if !samePod {
			s.world.gone[pod] = true
			pod = fmt.Sprintf("pod-%d", starts)
		}
		p := s.world.process(pod, fmt.Sprintf("p%d", starts))
		p.Grants = s
		return p
	}
	process := start()
	for range 20 {
		if o := s.world.read(id).OAuth; o.Dead != "" || o.Intent == nil && o.Generation > 1 {
			return
		}
		if died := s.pass(process, id); died {
			process = start()
		}
		s.world.clock.Step(settle)
	}
}

// pass is one Refresh; it reports whether the process died in it.
func (s *seams) pass(process *rotation.Refresher, id grant.Identity) (died bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, died = r.(death); !died {
				panic(r)
			}
		}
	}()
	_, _ = process.Refresh(s.world.t.Context(), id, s, rotation.Ask{})
	return false
}

// lostFor reports whether a fault may cost the grant: the token was used up at Make, and the answer never reached the store. No
// protocol can save it where the server refuses the old token.
func lostFor(class makesim.RefreshClass, calls []string, faults []fault) bool {
	if class != makesim.ClassStrict && class != makesim.ClassFamily {
		return false
	}
	for _, f := range faults {
		if f.call > len(calls) {
			continue
		}
		switch name := calls[f.call-1]; {
		case name == "present" && (f.mode == errorAfter || f.mode == deathAfter):
			return true
		case name == "write" && f.mode == deathBefore, name == "read" && (f.mode == deathBefore || f.mode == deathAfter):
			for i := f.call - 2; i >= 0; i-- { // between the answer and its storage
				if calls[i] == "present" {
					return true
				}
			}
		}
	}
	return false
}

// check runs one connection with faults and says what must hold then.
func check(w *world, samePod bool, faults ...fault) []string {
	w.t.Helper()
	class := w.sim.Knobs().RefreshClass
	id := w.consented()
	first := w.read(id).OAuth.RefreshToken
	s := &seams{world: w, faults: faults}
	s.run(id, samePod)
	o, presented := w.read(id).OAuth, len(w.presentations(first))
	switch {
	case o.Dead == "":
		w.checkUsable(id)
	case o.Dead != v1alpha1.ReasonRefreshOutcomeLost:
		w.t.Errorf("faults %v: the grant is dead for the reason %q", faults, o.Dead)
	case !lostFor(class, s.calls, faults):
		w.t.Errorf("faults %v: the grant was lost", faults)
	}
	if presented > 1+len(faults) {
		w.t.Errorf("faults %v: the refresh token was presented %d times", faults, presented)
	}
	w.checkNoReplay()
	if w.t.Failed() {
		w.t.Fatalf("faults %v, same pod %t, calls %v", faults, samePod, s.calls)
	}
	return s.calls
}

// Each call that a refresh makes goes wrong in each way, in each class of server: the connection ends up usable, or dead with the
// true reason where nothing could save it, and no token is presented after its successor was stored.
func TestOneFault(t *testing.T) {
	for _, class := range classes {
		t.Run(string(class), func(t *testing.T) {
			w := newWorld(t, class)
			learned := check(w, true)
			if len(learned) != 4 {
				t.Fatalf("a refresh makes the calls %v", learned)
			}
			for _, samePod := range []bool{true, false} {
				for call := 1; call <= len(learned); call++ {
					for _, m := range modes {
						check(w, samePod, fault{call, m})
					}
				}
			}
		})
	}
}

// A second fault meets the recovery from the first.
func TestTwoFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a thousand connections")
	}
	for _, class := range []makesim.RefreshClass{makesim.ClassUntilUsed, makesim.ClassFamily} {
		t.Run(string(class), func(t *testing.T) {
			w := newWorld(t, class)
			for first := 1; first <= 4; first++ {
				for _, m := range modes {
					calls := check(w, true, fault{first, m})
					for second := first + 1; second <= len(calls); second++ {
						for _, n := range modes {
							check(w, second%2 == 0, fault{first, m}, fault{second, n})
						}
					}
				}
			}
		})
	}
}

// A process that dies without a word right after the answer leaves an intent that only a successor's presentation resolves: it
// is made once, at once, and what it says is final.
func TestRecoveryPresentsOnce(t *testing.T) {
	w := newWorld(t, makesim.ClassFamily)
	id := w.consented()
	value := w.read(id).OAuth.RefreshToken
	s := &seams{world: w, faults: []fault{{3, deathAfter}}}
	s.run(id, true)
	p := w.process("pod-9", "p9")
	for range 5 {
		w.clock.Step(settle)
		if _, err := p.Refresh(t.Context(), id, w.app, rotation.Ask{}); !errors.Is(err, rotation.ErrDead) {
			t.Errorf("error %v, want %v", err, rotation.ErrDead)
		}
	}
	if n := len(w.presentations(value)); n != 2 {
		t.Errorf("presented %d times, want twice", n)
	}
	if dead := w.read(id).OAuth.Dead; dead != v1alpha1.ReasonRefreshOutcomeLost {
		t.Errorf("dead is %q", dead)
	}
}
