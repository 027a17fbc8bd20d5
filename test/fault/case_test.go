package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/makesim"
)

// lesson is what an undisturbed run of a scenario teaches: its requests, and how it ends.
type lesson struct {
	points []point
	end    snapshot
}

// outcome is how a disturbed run ended.
type outcome struct {
	met      bool // the fault took place
	killed   bool
	lost     bool // the grant was lost where nothing could save it, and a person consented again
	nudged   bool
	skipped  bool // it did not run
	problems []string
	took     time.Duration
}

// quiet is how long nothing happens before a run has ended. Replaced tokens live for a second.
const quiet = 2500 * time.Millisecond

// begin makes the world ready for a scenario.
func (w *world) begin(s scenario, class makesim.RefreshClass) error {
	w.class = class
	w.root, w.bootstrap = rootSecret, ""
	if class != otherServer {
		knobs := w.make.sim.Knobs()
		knobs.RefreshClass = class
		if err := w.make.sim.SetKnobs(knobs); err != nil {
			return err
		}
	}
	w.mu.Lock()
	w.stored = nil
	w.mu.Unlock()
	if s.fresh || w.used {
		w.manager.stop()
		if err := w.renew(); err != nil {
			return err
		}
	}
	w.used = s.fresh
	if !w.manager.running() && s.name != "start" {
		if err := w.manager.start(); err != nil {
			return err
		}
	}
	w.ending.Store(false)
	if err := s.prepare(w); err != nil {
		return fmt.Errorf("prepare: %w; see %s", err, w.manager.log())
	}
	return nil
}

// learn runs a scenario undisturbed.
func (w *world) learn(s scenario, class makesim.RefreshClass) (lesson, error) {
	if err := w.begin(s, class); err != nil {
		return lesson{}, err
	}
	w.manager.inj.arm(fault{}, nil)
	if err := s.act(w); err != nil {
		return lesson{}, err
	}
	err := await(patience, "the scenario has ended", func() bool {
		if w.manager.inj.quietFor() < quiet {
			return false
		}
		conn, err := w.connection(context.Background())
		return s.ends && apierrors.IsNotFound(err) || !s.ends && err == nil && isReady(conn)
	})
	if err != nil {
		return lesson{}, fmt.Errorf("%w; see %s", err, w.manager.log())
	}
	w.asides.Wait()
	end, err := w.look(context.Background())
	learned := lesson{points: w.manager.inj.disarm(), end: end}
	return learned, errors.Join(err, w.clear(), problemsError(w.takeProblems()))
}

func problemsError(problems []string) error {
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("%v", problems)
}

// try runs a scenario with one fault and judges it.
func (w *world) try(s scenario, class makesim.RefreshClass, f fault, l lesson) outcome {
	var o outcome
	begun := time.Now()
	failed := func(err error) outcome {
		w.manager.inj.disarm()
		w.asides.Wait()
		w.manager.stop()
		w.used = true // what it left behind must not disturb the next case
		o.problems, o.took = append(w.takeProblems(), err.Error()), time.Since(begun)
		return o
	}
	if err := w.begin(s, class); err != nil {
		return failed(err)
	}
	r := &trial{world: w, scenario: s, fault: f, lesson: l, outcome: &o, began: time.Now()}
	w.manager.inj.arm(f, nil)
	if err := s.act(w); err != nil {
		return failed(err)
	}
	if err := r.follow(); err != nil {
		return failed(err)
	}
	w.asides.Wait()
	w.manager.inj.disarm()
	r.judge()
	if err := w.clear(); err != nil {
		return failed(err)
	}
	o.problems, o.took = w.takeProblems(), time.Since(begun)
	return o
}

// trial follows one disturbed run.
type trial struct {
	*world

	scenario scenario
	fault    fault
	lesson   lesson
	outcome  *outcome
	began    time.Time
	lostAt   time.Time
	last     snapshot
}

// limit is how long a run may take: the fault's own delay, the longest pause that the manager keeps after a refusal, a restart and
// a margin for a busy machine.
func (r *trial) limit() time.Duration { return r.fault.at.hold() + 70*time.Second + patience }

// follow restarts a killed manager, consents again where that has to be, and waits until all is as it was to be.
func (r *trial) follow() error {
	alike := 0
	err := await(r.limit(), "the state is as after an undisturbed run", func() bool {
		r.revive()
		r.reconsent()
		r.nudge()
		now, err := r.look(context.Background())
		if err != nil {
			return false
		}
		r.last = now
		if !cmp.Equal(now, r.lesson.end) {
			alike = 0
			return false
		}
		alike++
		met := !r.manager.inj.metAt().IsZero()
		return alike > 1 && (met || r.manager.inj.quietFor() > quiet) // a fault that is not met by now never will be
	})
	r.outcome.met = !r.manager.inj.metAt().IsZero()
	if err != nil {
		return fmt.Errorf("%w; see %s\nwant (-), got (+):\n%s", err, r.manager.log(), cmp.Diff(r.lesson.end, r.last))
	}
	return nil
}

// revive starts a manager that was killed: as the kubelet does in the same pod, or as a Deployment does in a new one.
func (r *trial) revive() {
	if r.manager.diedAt().IsZero() {
		if r.manager.running() {
			return
		}
		if !r.manager.left() {
			r.problem("the manager ended by itself; see %s", r.manager.log())
		}
	}
	r.outcome.killed = true
	again := r.manager.start
	if r.fault.at.nth%2 == 0 {
		again = r.manager.replace
	}
	if err := again(); err != nil {
		r.problem("start the manager again: %v", err)
	}
}

// reconsent does what a person does where the operator says that the grant is lost, once it was judged whether that may be.
func (r *trial) reconsent() {
	if !r.scenario.oauth || !r.lostAt.IsZero() {
		return
	}
	conn, err := r.connection(context.Background())
	if err != nil || !isLost(conn) {
		return
	}
	r.lostAt, r.outcome.lost = time.Now(), true
	if why := r.mayBeLost(); why != "" {
		r.problem("the grant was lost: %s", why)
	}
	if reason := condition(conn, v1alpha1.Authorized).Reason; reason != v1alpha1.ReasonRefreshOutcomeLost {
		r.problem("a lost outcome was reported as %s", reason)
	}
	if late := r.lostAt.Sub(r.manager.inj.metAt()) - r.heldFor(); late > time.Minute {
		r.problem("the loss was reported after %v", late)
	}
	r.asides.Go(func() {
		if err := r.consent(connectionName, patience); err != nil {
			r.problem("a person could not consent again: %v", err)
		}
	})
}

func (r *trial) heldFor() time.Duration {
	if r.fault.kind == delayed {
		return r.fault.at.hold()
	}
	return 0
}

// nudge lets the time pass that the manager keeps to after a refusal: up to an hour. A change of the credential's Secret ends it.
func (r *trial) nudge() {
	met := r.manager.inj.metAt()
	waits := nudgeAfter()
	if r.outcome.nudged || met.IsZero() || time.Since(met) < r.heldFor()+waits {
		return
	}
	r.outcome.nudged = true
	for _, name := range []string{r.root, clientSecret} {
		secret := &corev1.Secret{}
		if cluster.Client.Get(context.Background(), client.ObjectKey{Namespace: r.user, Name: name}, secret) != nil {
			continue
		}
		before := secret.DeepCopy()
		secret.Annotations = map[string]string{"example.com/nudged": time.Now().Format(time.RFC3339Nano)}
		if err := cluster.Client.Patch(context.Background(), secret, client.MergeFrom(before)); err != nil {
			r.problem("nudge: %v", err)
		}
	}
}

// nudgeAfter is how long a run waits for the manager by itself. The whole sweep gives it the minute that a used-up budget takes.
func nudgeAfter() time.Duration {
	if *full {
		return 75 * time.Second
	}
	return 8 * time.Second
}
