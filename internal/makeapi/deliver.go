package makeapi

import (
	"context"
	"math/rand/v2"
	"time"

	"k8s.io/utils/clock"
)

const (
	// maxAttempts is how often a request is made at most.
	maxAttempts = 3
	// firstBackoff is the pause before the second attempt, in the middle of its range; it doubles after that.
	firstBackoff = 400 * time.Millisecond
	// rateWindow is the time that Make's limits are counted over, and what a 429 without Retry-After asks to wait.
	// Source: developers.make.com/api-documentation/rate-limiting (calls per organization and minute).
	rateWindow = time.Minute
)

// deliver makes r once the organization's budget allows it, and again where that is safe and the client has the patience.
func (z *Zone) deliver(ctx context.Context, r request, out any) *Error {
	if z.host == "" {
		return &Error{Kind: ZoneNotAllowed, Reason: errNotAllowed.Error()}
	}
	if !z.cred.usable() {
		return &Error{Kind: DeadCredential, Reason: "value is empty or not a token"}
	}
	p := &patience{client: z.client, left: z.client.patience}
	for attempt := 1; ; attempt++ {
		if failed := z.admit(ctx, r, p); failed != nil {
			return failed
		}
		failed := z.try(ctx, r, out)
		if failed == nil {
			return nil
		}
		z.heed(failed)
		if r.once || attempt == maxAttempts || !repeatable(failed) || !p.pause(ctx, backoff(attempt, failed.RetryAfter)) {
			return failed
		}
	}
}

// admit waits for the zone and for the organization's budget. An error means that the wait is too long, and that nothing was sent.
func (z *Zone) admit(ctx context.Context, r request, p *patience) *Error {
	for {
		wait := z.state.closedFor(z.client.clock.Now())
		failed := &Error{Kind: Transient, Reason: "the zone asked to wait"}
		if wait == 0 && !r.free {
			wait = z.budget.take(z.client.clock.Now(), z.priority)
			failed = &Error{Kind: RateLimited, Reason: "the organization's budget is used up"}
		}
		if wait == 0 {
			z.learnLimit(ctx)
			return nil
		}
		if !p.pause(ctx, wait) {
			failed.RetryAfter, failed.cause = wait, ctx.Err()
			return failed
		}
	}
}

// heed keeps other calls from running into what this one met.
func (z *Zone) heed(failed *Error) {
	now := z.client.clock.Now()
	switch {
	case failed.Status == 0: // not the server's word
	case failed.Kind == RateLimited && failed.RetryAfter == 0:
		z.budget.close(now.Add(rateWindow))
	case failed.Kind == RateLimited:
		z.budget.close(now.Add(failed.RetryAfter))
	case failed.Kind == Transient || failed.Kind == UnknownOutcome:
		z.state.close(now.Add(failed.RetryAfter))
	}
}

// repeatable says whether a request that may be repeated could succeed within seconds.
func repeatable(failed *Error) bool {
	return failed.Kind == Transient || failed.Kind == RateLimited && failed.RetryAfter > 0
}

// backoff is the pause after an attempt: random, so that those who failed together do not come back together, and never
// shorter than the server asked for.
func backoff(attempt int, asked time.Duration) time.Duration {
	middle := firstBackoff << (attempt - 1)
	return asked + middle/2 + rand.N(middle) //nolint:gosec // a delay is no secret
}

// patience is how long one call may still pause.
type patience struct {
	client *Client
	left   time.Duration
}

// pause waits for d, and reports false at once where that outlasts the patience or the caller's deadline.
func (p *patience) pause(ctx context.Context, d time.Duration) bool {
	deadline, limited := ctx.Deadline()
	if d > p.left || ctx.Err() != nil || limited && p.client.clock.Now().Add(d).After(deadline) {
		return false
	}
	p.left -= d
	return p.client.pause(ctx, d) == nil
}

// sleep waits in real time.
func sleep(ctx context.Context, d time.Duration) error {
	timer := clock.RealClock{}.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
