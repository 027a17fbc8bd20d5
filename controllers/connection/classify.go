package connection

import (
	"errors"
	"time"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/step"
)

// refusedPause is how often something is tried again that only somebody at Make can change.
const refusedPause = time.Hour

// classify says who has to act on an error of Make. Other errors pass through, so they are tried again, and what is classified already.
func (p *pass) classify(err error) error {
	if _, ok := errors.AsType[*step.Problem](err); ok || err == nil {
		return err
	}
	if errors.Is(err, grant.ErrConflict) {
		return inProgress("another replica wrote the grant", time.Second)
	}
	secret := credentialName(p.conn)
	switch makeapi.KindOf(err) {
	case makeapi.DeadCredential:
		return step.Stallf(v1alpha1.ReasonCredentialRejected, "Make does not accept the token of Secret %s: put a new one into it", secret)
	case makeapi.InvalidClient:
		return step.Stallf(v1alpha1.ReasonCredentialRejected, "Make does not accept the OAuth client of Secret %s: correct it", secret)
	case makeapi.ZoneNotAllowed:
		return p.zoneNotAllowed()
	case makeapi.MissingScope, makeapi.MissingRole, makeapi.PlanLimit, makeapi.Invalid, makeapi.NotFound:
		return step.Waitf(refusedPause, v1alpha1.ReasonMakeRefused, "Make refused: %w; check the account's role and plan", err)
	case makeapi.RateLimited:
		return step.Waitf(max(retryAfter(err), time.Minute), v1alpha1.ReasonRateLimited, "the organization's limit at Make is used up")
	case makeapi.Transient, makeapi.UnknownOutcome:
		return step.Retryf(v1alpha1.ReasonMakeUnavailable, "Make does not answer as it should: %w", err)
	default:
		return err
	}
}

// inProgress is no trouble: somebody else is at work, and what is published stays good meanwhile.
func inProgress(what string, after time.Duration) error {
	return &step.Problem{Kind: step.Retry, Reason: v1alpha1.ReasonRefreshInProgress, After: after, Err: errors.New(what)}
}

func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*makeapi.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}
