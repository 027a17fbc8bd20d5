package makeapi

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
	"k8s.io/utils/clock"
)

const (
	// tripAfter is how many calls of a zone in a row must fail before the next ones are not made.
	tripAfter = 10
	// tripTime is for how long; then one call is let through to see.
	tripTime = 15 * time.Second
)

// zoneState is what all calls to one zone share. Nil is the state of a zone that is not allowed.
type zoneState struct {
	// breaker is nil when the clock is not the system's: it reads that one, and the two would disagree.
	breaker *gobreaker.TwoStepCircuitBreaker[answer]

	mu     sync.Mutex
	closed time.Time // until then the zone asked not to be called
}

func newZoneState(host string, c clock.PassiveClock) *zoneState {
	s := &zoneState{}
	if _, isSystem := c.(clock.RealClock); isSystem {
		s.breaker = gobreaker.NewTwoStepCircuitBreaker[answer](gobreaker.Settings{
			Name:        host,
			Timeout:     tripTime,
			ReadyToTrip: func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= tripAfter },
			IsExcluded:  func(err error) bool { return errors.Is(err, context.Canceled) },
		})
	}
	return s
}

// closedFor is how long the zone asked to wait, from now on.
func (s *zoneState) closedFor(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(0, s.closed.Sub(now))
}

// close lets no call pass before until.
func (s *zoneState) close(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if until.After(s.closed) {
		s.closed = until
	}
}

// allow refuses a call to a zone that has been failing. Otherwise done must be called with the outcome.
func (s *zoneState) allow() (done func(status int, failed *Error), refused *Error) {
	if s.breaker == nil {
		return func(int, *Error) {}, nil
	}
	report, err := s.breaker.Allow()
	if err != nil {
		return nil, &Error{Kind: Transient, Reason: "the zone has been failing", RetryAfter: tripTime}
	}
	return func(status int, failed *Error) { report(zoneFailure(status, failed)) }, nil
}

var errZoneFails = errors.New("zone fails")

// zoneFailure is nil unless the outcome speaks against the zone as a whole. A 500 does not: Make also gives it to requests
// that it does not understand.
func zoneFailure(status int, failed *Error) error {
	switch {
	case failed != nil && errors.Is(failed, context.Canceled):
		return failed
	case failed != nil && (failed.Kind == Transient || failed.Kind == UnknownOutcome),
		status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return errZoneFails
	default:
		return nil
	}
}
