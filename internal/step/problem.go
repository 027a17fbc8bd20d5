package step

import (
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// Kind says who has to act before another try makes sense. The smaller one acts sooner.
type Kind int

const (
	// Retry means us: try again with backoff. It is the zero value, so what nobody classified is never given up.
	Retry Kind = iota
	// Wait means time, or somebody outside the cluster: look again after Problem.After.
	Wait
	// Stall means that an object we watch must change; its event wakes us.
	Stall
)

// Problem is why a step did not finish.
type Problem struct {
	Kind Kind
	// Reason is a PascalCase constant of api/v1alpha1.
	Reason string
	// After is when to look again. Zero leaves that to the kind: Retry backs off, Wait takes a second, Stall waits for an event.
	After time.Duration
	// Err becomes the condition's message: one sentence without a secret, a time or a request's ID.
	Err error

	contained bool
}

// Retryf is a Problem of kind Retry.
func Retryf(reason, format string, args ...any) *Problem {
	return &Problem{Kind: Retry, Reason: reason, Err: fmt.Errorf(format, args...)}
}

// Waitf is a Problem of kind Wait.
func Waitf(after time.Duration, reason, format string, args ...any) *Problem {
	return &Problem{Kind: Wait, Reason: reason, After: after, Err: fmt.Errorf(format, args...)}
}

// Stallf is a Problem of kind Stall.
func Stallf(reason, format string, args ...any) *Problem {
	return &Problem{Kind: Stall, Reason: reason, Err: fmt.Errorf(format, args...)}
}

// Contained lets the steps after this one run in spite of the problem, so that what worked goes on working.
func (p *Problem) Contained() *Problem {
	p.contained = true
	return p
}

func (p *Problem) Error() string { return p.Err.Error() }

func (p *Problem) Unwrap() error { return p.Err }

// asProblem classifies an error, however deep the Problem is wrapped in it.
func asProblem(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	return &Problem{Reason: v1alpha1.ReasonFailed, Err: err}
}

// result is what the queue has to do about the problem; nil means nothing.
func (p *Problem) result() (reconcile.Result, error) {
	switch {
	case p == nil:
		return reconcile.Result{}, nil
	case p.Kind == Wait:
		return reconcile.Result{RequeueAfter: max(p.After, time.Second)}, nil // zero would mean never
	case p.After > 0:
		return reconcile.Result{RequeueAfter: p.After}, nil
	case p.Kind == Stall:
		return reconcile.Result{}, reconcile.TerminalError(p)
	default:
		return reconcile.Result{}, p
	}
}
