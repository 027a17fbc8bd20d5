package step_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/step"
)

var (
	errNetwork = errors.New("dial: refused")
	errLimit   = step.Waitf(time.Minute, v1alpha1.ReasonRateLimited, "the limit is used up")
	errSecret  = step.Stallf(v1alpha1.ReasonSecretNotFound, "Secret a does not exist")
)

func conflict() error {
	return apierrors.NewConflict(schema.GroupResource{Resource: "secrets"}, "a", errors.New("changed"))
}

// pass is one run of two steps, and what must be true after it.
type pass struct {
	after  time.Duration // the clock moves by this before
	edited bool          // the spec changed before
	errs   []error
	want   outcome
}

type outcome struct {
	Queue      string
	KStatus    status.Status
	Conditions []string
	Events     []string
	Writes     int
}

func TestRun(t *testing.T) {
	done := []string{"First=True/Succeeded", "Second=True/Succeeded", "Ready=True/Succeeded"}
	good := pass{errs: []error{nil, nil}, want: outcome{Queue: "done", KStatus: status.CurrentStatus, Conditions: done, Writes: 1}}
	blip := pass{after: time.Minute, errs: []error{errNetwork, nil}, want: outcome{
		Queue: "backoff", KStatus: status.InProgressStatus, Writes: 1,
		Conditions: append(slices.Clone(done), "Reconciling=True/Failed"),
	}}
	longOutage := outcome{
		Queue: "backoff", KStatus: status.InProgressStatus, Writes: 1, Events: []string{"Warning Failed"},
		Conditions: []string{"First=Unknown/Failed", "Second=Unknown/Blocked", "Ready=False/Failed", "Reconciling=True/Failed"},
	}
	for name, passes := range map[string][]pass{
		"done": {good},
		"second pass writes nothing": {good, {after: time.Hour, errs: []error{nil, nil}, want: outcome{
			Queue: "done", KStatus: status.CurrentStatus, Conditions: done,
		}}},
		"never done and retried": {{errs: []error{nil, errNetwork}, want: outcome{
			Queue: "backoff", KStatus: status.InProgressStatus, Writes: 1, Events: []string{"Warning Failed"},
			Conditions: []string{"First=True/Succeeded", "Second=Unknown/Failed", "Ready=False/Failed", "Reconciling=True/Failed"},
		}}},
		"blip leaves True what was True": {good, blip, {after: step.DefaultGrace - time.Second, errs: []error{errNetwork, nil}, want: outcome{
			Queue: "backoff", KStatus: status.InProgressStatus, Conditions: blip.want.Conditions,
		}}},
		"recovery after a blip": {good, blip, good},
		"long outage and recovery": {
			good, blip,
			{after: step.DefaultGrace, errs: []error{errNetwork, nil}, want: longOutage},
			{errs: []error{nil, nil}, want: outcome{
				Queue: "done", KStatus: status.CurrentStatus, Conditions: done, Writes: 1, Events: []string{"Normal Succeeded"},
			}},
		},
		"each outage has a grace of its own":  {good, blip, good, {after: time.Hour, errs: []error{errNetwork, nil}, want: blip.want}},
		"a blip of a changed spec is no blip": {good, {edited: true, errs: []error{errNetwork, nil}, want: longOutage}},
		"wait": {good, {errs: []error{nil, errLimit}, want: outcome{
			Queue: "after 1m0s", KStatus: status.InProgressStatus, Writes: 1, Events: []string{"Warning RateLimited"},
			Conditions: []string{"First=True/Succeeded", "Second=False/RateLimited", "Ready=False/RateLimited", "Reconciling=True/RateLimited"},
		}}},
		"stall": {good, {errs: []error{errSecret, nil}, want: outcome{
			Queue: "stop", KStatus: status.FailedStatus, Writes: 1, Events: []string{"Warning SecretNotFound"},
			Conditions: []string{"First=False/SecretNotFound", "Second=Unknown/Blocked", "Ready=False/SecretNotFound", "Stalled=True/SecretNotFound"},
		}}},
		"stall after a wait, then a wait again": {
			{errs: []error{errLimit, nil}, want: outcome{
				Queue: "after 1m0s", KStatus: status.InProgressStatus, Writes: 1, Events: []string{"Warning RateLimited"},
				Conditions: []string{"First=False/RateLimited", "Second=Unknown/Blocked", "Ready=False/RateLimited", "Reconciling=True/RateLimited"},
			}},
			{errs: []error{errSecret, nil}, want: outcome{
				Queue: "stop", KStatus: status.FailedStatus, Writes: 1, Events: []string{"Warning SecretNotFound"},
				Conditions: []string{"First=False/SecretNotFound", "Second=Unknown/Blocked", "Ready=False/SecretNotFound", "Stalled=True/SecretNotFound"},
			}},
			{errs: []error{errLimit, nil}, want: outcome{
				Queue: "after 1m0s", KStatus: status.InProgressStatus, Writes: 1, Events: []string{"Warning RateLimited"},
				Conditions: []string{"First=False/RateLimited", "Second=Unknown/Blocked", "Ready=False/RateLimited", "Reconciling=True/RateLimited"},
			}},
		},
		"a wrapped problem keeps its kind": {{errs: []error{nil, fmt.Errorf("publish: %w", errSecret)}, want: outcome{
			Queue: "stop", KStatus: status.FailedStatus, Writes: 1, Events: []string{"Warning SecretNotFound"},
			Conditions: []string{"First=True/Succeeded", "Second=False/SecretNotFound", "Ready=False/SecretNotFound", "Stalled=True/SecretNotFound"},
		}}},
		"a wait without a time is looked at again all the same": {{errs: []error{step.Waitf(0, "RateLimited", "slow down"), nil}, want: outcome{
			Queue: "after 1s", KStatus: status.InProgressStatus, Writes: 1, Events: []string{"Warning RateLimited"},
			Conditions: []string{"First=False/RateLimited", "Second=Unknown/Blocked", "Ready=False/RateLimited", "Reconciling=True/RateLimited"},
		}}},
		"a contained stall lets later steps run": {{errs: []error{step.Stallf(v1alpha1.ReasonScopeMissing, "lacks").Contained(), nil}, want: outcome{
			Queue: "stop", KStatus: status.FailedStatus, Writes: 1, Events: []string{"Warning ScopeMissing"},
			Conditions: []string{"First=False/ScopeMissing", "Second=True/Succeeded", "Ready=False/ScopeMissing", "Stalled=True/ScopeMissing"},
		}}},
		"a contained stall does not hide that we try again": {{errs: []error{step.Stallf(v1alpha1.ReasonScopeMissing, "lacks").Contained(), errNetwork}, want: outcome{
			Queue: "backoff", KStatus: status.InProgressStatus, Writes: 1, Events: []string{"Warning ScopeMissing"},
			Conditions: []string{"First=False/ScopeMissing", "Second=Unknown/Failed", "Ready=False/ScopeMissing", "Reconciling=True/Failed"},
		}}},
		"a contained wait is not forgotten over a stall": {{errs: []error{step.Waitf(time.Minute, v1alpha1.ReasonRateLimited, "slow").Contained(), errSecret}, want: outcome{
			Queue: "after 1m0s", KStatus: status.InProgressStatus, Writes: 1, Events: []string{"Warning RateLimited"},
			Conditions: []string{"First=False/RateLimited", "Second=False/SecretNotFound", "Ready=False/RateLimited", "Reconciling=True/RateLimited"},
		}}},
		"a stall that nobody's event ends is looked at again": {{errs: []error{&step.Problem{
			Kind: step.Stall, Reason: v1alpha1.ReasonSecretConflict, After: time.Minute, Err: errNetwork,
		}, nil}, want: outcome{
			Queue: "after 1m0s", KStatus: status.FailedStatus, Writes: 1, Events: []string{"Warning SecretConflict"},
			Conditions: []string{"First=False/SecretConflict", "Second=Unknown/Blocked", "Ready=False/SecretConflict", "Stalled=True/SecretConflict"},
		}}},
		"a conflict is no news": {good, {errs: []error{nil, fmt.Errorf("update Secret: %w", conflict())}, want: outcome{
			Queue: "after 1s", KStatus: status.CurrentStatus, Conditions: done,
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			for i, p := range passes {
				r.clock.SetTime(r.clock.Now().Add(p.after))
				if p.edited {
					r.edit()
				}
				r.writes = 0
				got := outcome{Queue: queue(r.run(p.errs...))}
				got.KStatus, got.Conditions, got.Events, got.Writes = r.kstatus(), sortedConditions(r.conditions()), r.told(), r.writes
				p.want.Conditions = sortedConditions(p.want.Conditions)
				if diff := cmp.Diff(p.want, got); diff != "" {
					t.Errorf("pass %d (-want +got):\n%s", i+1, diff)
				}
			}
		})
	}
}

func sortedConditions(lines []string) []string { return slices.Sorted(slices.Values(lines)) }

// Every condition, and the status itself, say which generation they speak of.
func TestObservedGeneration(t *testing.T) {
	r := newRig(t)
	_, _ = r.run(nil, errSecret)
	r.edit()
	_, _ = r.run(nil, errSecret)
	conn := r.stored()
	if conn.Status.ObservedGeneration != 2 {
		t.Errorf("status speaks of generation %d", conn.Status.ObservedGeneration)
	}
	for _, c := range conn.Status.Conditions {
		if c.ObservedGeneration != 2 {
			t.Errorf("%s speaks of generation %d", c.Type, c.ObservedGeneration)
		}
	}
}

// A step after a failed one is not run.
func TestStepsStopAtTheFirstProblem(t *testing.T) {
	r := newRig(t)
	steps := stepsOf([]error{errNetwork})
	steps = append(steps, step.Step{Condition: "Second", Do: func(context.Context) error {
		t.Error("a blocked step was run")
		return nil
	}})
	if _, err := r.runner.Run(t.Context(), r.stored(), steps...); !errors.Is(err, errNetwork) {
		t.Errorf("error %v", err)
	}
}

func TestAdvisorySteps(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want outcome
	}{
		"a stall informs only": {step.Stallf(v1alpha1.ReasonSharedToken, "all share one"), outcome{
			Queue: "done", KStatus: status.CurrentStatus, Writes: 1,
			Conditions: []string{"First=False/SharedToken", "Ready=True/Succeeded", "Second=True/Succeeded"},
		}},
		"a retry stops the pass": {errNetwork, outcome{
			Queue: "backoff", KStatus: status.InProgressStatus, Writes: 1, Events: []string{"Warning Blocked"},
			Conditions: []string{"First=Unknown/Failed", "Ready=False/Blocked", "Reconciling=True/Failed", "Second=Unknown/Blocked"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			steps := stepsOf([]error{test.err, nil})
			steps[0].Advisory = true
			got := outcome{Queue: queue(r.runner.Run(t.Context(), r.stored(), steps...))}
			got.KStatus, got.Conditions, got.Events, got.Writes = r.kstatus(), sortedConditions(r.conditions()), r.told(), r.writes
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A status that could not be written must be tried again, whatever the steps said: an error joined with a terminal one never is.
func TestFailedStatusWriteWins(t *testing.T) {
	for name, problem := range map[string]error{"stall": errSecret, "wait": errLimit, "retry": errNetwork, "done": nil} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.refuse = errors.New("etcd is full")
			result, err := r.run(problem)
			if !errors.Is(err, r.refuse) || errors.Is(err, reconcile.TerminalError(nil)) || !result.IsZero() {
				t.Errorf("got %+v and %v, want the write's error alone", result, err)
			}
			if told := r.told(); len(told) != 0 {
				t.Errorf("told %v of a status that nobody can see", told)
			}
			r.refuse = nil
			_, _ = r.run(problem)
			if len(r.conditions()) == 0 {
				t.Error("the next pass did not write the status")
			}
		})
	}
}

func TestObjectDeletedMeanwhile(t *testing.T) {
	r := newRig(t)
	r.refuse = apierrors.NewNotFound(schema.GroupResource{Resource: "makeconnections"}, "crm")
	if got := queue(r.run(errSecret)); got != "stop" {
		t.Errorf("queue does %q", got)
	}
	if told := r.told(); len(told) != 0 {
		t.Errorf("told %v of an object that is gone", told)
	}
}

// The object that steps keep in hand knows the version that the status write made, so a write after the run does not conflict.
func TestRunKeepsTheObjectUsable(t *testing.T) {
	r := newRig(t)
	conn := r.stored()
	if _, err := r.runner.Run(t.Context(), conn, stepsOf([]error{nil})...); err != nil {
		t.Fatal(err)
	}
	conn.Labels = map[string]string{"a": "b"}
	if err := r.client.Update(t.Context(), conn); err != nil {
		t.Errorf("update after the run: %v", err)
	}
	if !meta.IsStatusConditionTrue(r.stored().Status.Conditions, v1alpha1.Ready) {
		t.Error("the connection is not ready")
	}
}
