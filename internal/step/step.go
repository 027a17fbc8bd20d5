package step

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// Object is a custom resource whose status this package writes.
type Object interface {
	client.Object
	BaseStatus() *v1alpha1.BaseStatus
}

// Step ensures one thing and owns exactly one condition.
type Step struct {
	// Condition is of positive polarity: True means done.
	Condition string
	// Do ensures the thing; nil means that it is as it should be.
	Do func(context.Context) error
	// Advisory steps inform: a Problem of kind Stall makes their condition False, but neither stops the pass nor counts for Ready.
	Advisory bool
}

// Runner holds what Run needs besides the object. Its zero value is not usable.
type Runner struct {
	Client client.Client
	Events events.EventRecorder
	Clock  clock.PassiveClock
	// Grace is how long a Retry may last before it turns a True condition Unknown: consumers must not flap on a blip.
	Grace time.Duration
}

// DefaultGrace is the Grace of the operator's controllers.
const DefaultGrace = 5 * time.Minute

// Run executes steps in order, stops at the first problem, and writes the object's status once if it changed.
//
// A failed status write wins over every other result: an error joined with a terminal one would never be retried.
func (r *Runner) Run(ctx context.Context, obj Object, steps ...Step) (reconcile.Result, error) {
	before := obj.DeepCopyObject().(Object)
	problem := r.execute(ctx, obj, steps)
	if problem != nil && apierrors.IsConflict(problem) {
		return reconcile.Result{RequeueAfter: time.Second}, nil // a stale read is no news
	}
	obj.BaseStatus().ObservedGeneration = obj.GetGeneration()
	if err := r.write(ctx, before, obj); err != nil {
		return reconcile.Result{}, err
	}
	return problem.result()
}

// write patches the status if it changed, and tells of a change of Ready in an event. Steps change nothing but the status.
func (r *Runner) write(ctx context.Context, before, obj Object) error {
	if equality.Semantic.DeepEqual(before, obj) {
		return nil
	}
	desired := obj.DeepCopyObject().(Object) // the patch's answer must not undo what steps keep in obj
	err := r.Client.Status().Patch(ctx, desired, client.MergeFrom(before))
	if apierrors.IsNotFound(err) {
		return nil // deleted meanwhile: nobody is left to tell
	}
	if err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	obj.SetResourceVersion(desired.GetResourceVersion())
	was, is := readyOf(before), readyOf(obj)
	switch {
	case was.Reason == is.Reason, was.Reason == "" && is.Status == "True":
	case is.Status == "True":
		r.Events.Eventf(obj, nil, corev1.EventTypeNormal, is.Reason, "Reconcile", "recovered from %s", was.Reason)
	default:
		r.Events.Eventf(obj, nil, corev1.EventTypeWarning, is.Reason, "Reconcile", "%s", is.Message)
	}
	return nil
}

// execute runs the steps and leaves the conditions in obj; it returns the problem that stopped the pass.
func (r *Runner) execute(ctx context.Context, obj Object, steps []Step) *Problem {
	w := &writer{Runner: r, status: obj.BaseStatus(), generation: obj.GetGeneration()}
	var problem *Problem // the one by which we act soonest; of several alike the one that stopped the pass, else the first
	var stop *Problem    // the one that stopped the pass
	var at string
	for _, s := range steps {
		if stop != nil {
			w.blocked(s, stop, at)
			continue
		}
		err := s.Do(ctx)
		if err == nil {
			w.set(s.Condition, "True", v1alpha1.ReasonSucceeded, "")
			continue
		}
		p := asProblem(err)
		w.failed(s, p)
		if s.Advisory && p.Kind == Stall {
			continue
		}
		if problem == nil || p.Kind < problem.Kind || p.Kind == problem.Kind && !p.contained {
			problem = p
		}
		if !p.contained {
			stop, at = p, s.Condition
		}
	}
	w.summarize(steps, problem)
	return problem
}
