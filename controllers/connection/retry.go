package connection

import (
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/rotation"
	"github.com/makeops/make-operator/internal/step"
)

// callMake lets act call Make, unless earlier failures say to wait. What fails is put off for longer each time; that stands in the
// status, so that it survives a restart. condition is what tells of it.
func (p *pass) callMake(condition string, act func() error) error {
	if p.waits() {
		p.unfinished = true
		return p.heldBack(condition)
	}
	before := p.calls.Load()
	err := p.classify(act())
	if err == nil {
		return nil
	}
	p.unfinished = true
	cost := int(p.calls.Load() - before)
	problem, ok := errors.AsType[*step.Problem](err)
	switch {
	case cost == 0, apierrors.IsConflict(err), ok && problem.Reason == v1alpha1.ReasonRefreshInProgress:
		return err
	case !ok:
		problem = step.Retryf(v1alpha1.ReasonFailed, "%w", err)
	case final[problem.Reason]:
		p.unfinished = false
		return err
	}
	p.backOff(condition, problem, cost)
	return problem
}

// final are outcomes after which Make is not asked again.
var final = map[string]bool{v1alpha1.ReasonNeedsReauthorization: true, v1alpha1.ReasonRefreshOutcomeLost: true}

// backOff puts the next call off.
func (p *pass) backOff(condition string, problem *step.Problem, cost int) {
	failed := int(p.conn.Status.Retry.Calls)
	if p.changed() {
		failed = 0
	}
	wait, calls := rotation.Backoff(failed, cost, string(p.conn.UID))
	// Stored in whole seconds: rounded up, so that the pass at that time is not early.
	at := p.Clock.Now().Add(max(problem.After, wait) + time.Second - time.Nanosecond).Truncate(time.Second)
	p.conn.Status.Retry = v1alpha1.Retry{
		Calls: int32(calls), NotBeforeTime: metav1.NewTime(at), Condition: condition, Reason: problem.Reason, //nolint:gosec // G115: bounded by Backoff
		ObservedGeneration: p.conn.Generation, CredentialVersion: p.credentialVersion(),
	}
	problem.After = at.Sub(p.Clock.Now())
}

// waits reports whether a failure of an earlier pass still holds calls to Make back.
func (p *pass) waits() bool { return p.now.Before(p.retry.NotBeforeTime.Time) && !p.changed() }

// changed reports whether somebody changed what failed, so that it is worth a try at once.
func (p *pass) changed() bool {
	return p.retry.ObservedGeneration != p.conn.Generation || p.retry.CredentialVersion != p.credentialVersion()
}

// credentialVersion is empty before the credential's Secret was read.
func (p *pass) credentialVersion() string {
	if p.credential == nil {
		return ""
	}
	return p.credential.ResourceVersion
}

// kinds are how the failures that hold calls back were classified, where their condition does not tell.
var kinds = map[string]step.Kind{
	v1alpha1.ReasonRateLimited: step.Wait, v1alpha1.ReasonMakeRefused: step.Wait,
	v1alpha1.ReasonCredentialRejected: step.Stall, v1alpha1.ReasonWrongOrganization: step.Stall, v1alpha1.ReasonZoneNotAllowed: step.Stall,
}

// heldBack is the failure of the earlier pass once more, in the same words.
func (p *pass) heldBack(condition string) *step.Problem {
	message := "waiting before Make is called again"
	for _, told := range []string{condition, p.retry.Condition, v1alpha1.Reconciling, v1alpha1.Stalled} {
		if c := meta.FindStatusCondition(p.conn.Status.Conditions, told); c != nil && c.Reason == p.retry.Reason {
			message = c.Message
			break
		}
	}
	kind, ok := kinds[p.retry.Reason]
	if !ok && meta.IsStatusConditionFalse(p.conn.Status.Conditions, condition) {
		kind = step.Wait // a Retry leaves it Unknown
	}
	return &step.Problem{
		Kind: kind, Reason: p.retry.Reason, After: p.retry.NotBeforeTime.Sub(p.now), Err: errors.New(message),
	}
}

// skipWaiting leaves something undone until Make is called again, where another condition tells why it is not.
func (p *pass) skipWaiting() {
	p.unfinished = true
	p.lookAgain(p.retry.NotBeforeTime.Time)
}

// endRetry forgets earlier failures once nothing fails any more.
func (p *pass) endRetry() {
	if !p.unfinished {
		p.conn.Status.Retry = v1alpha1.Retry{}
	}
}

// contained lets the steps after a problem run where there is something that goes on working.
func contained(err error, works bool) error {
	if problem, ok := errors.AsType[*step.Problem](err); ok && works {
		return problem.Contained()
	}
	return err
}
