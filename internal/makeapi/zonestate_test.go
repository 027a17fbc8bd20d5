package makeapi

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

// script answers each request with the next status; zero loses the connection.
type script struct {
	statuses []int
	sent     int
}

func (s *script) RoundTrip(*http.Request) (*http.Response, error) {
	status := s.statuses[min(s.sent, len(s.statuses)-1)]
	s.sent++
	if status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{}`))}, nil
}

func scripted(t *testing.T, statuses ...int) (*Zone, *script) {
	t.Helper()
	c, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	s := &script{statuses: statuses}
	c.api = s
	return c.Zone("eu1.make.com", APIToken("token")), s
}

func ask(ctx context.Context, z *Zone) error {
	_, err := z.CurrentAuthorization(ctx)
	return err
}

func TestBreaker(t *testing.T) {
	for name, failure := range map[string]int{"lost connections": 0, "503": http.StatusServiceUnavailable} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				statuses := make([]int, tripAfter+1) // one more for the first look
				for i := range statuses {
					statuses[i] = failure
				}
				z, s := scripted(t, append(statuses, http.StatusOK)...)
				for range tripAfter {
					if kind := KindOf(ask(t.Context(), z)); kind != Transient {
						t.Fatalf("kind %v", kind)
					}
				}
				wantHeldBack(t, z, s)
				time.Sleep(tripTime + time.Second) //nolint:forbidigo // in the bubble, it takes no time
				if err := ask(t.Context(), z); err == nil || s.sent != tripAfter+1 {
					t.Errorf("first look: %v after %d requests", err, s.sent)
				}
				wantHeldBack(t, z, s)
				time.Sleep(tripTime + time.Second) //nolint:forbidigo // in the bubble, it takes no time
				for range 2 {
					if err := ask(t.Context(), z); err != nil {
						t.Errorf("call to a zone that works again: %v", err)
					}
				}
			})
		})
	}
}

// wantHeldBack checks that a call fails without being sent.
func wantHeldBack(t *testing.T, z *Zone, s *script) {
	t.Helper()
	before := s.sent
	err := ask(t.Context(), z)
	if e, ok := err.(*Error); !ok || e.Kind != Transient || e.RetryAfter != tripTime || s.sent != before { //nolint:errorlint // the very error
		t.Errorf("call to a failing zone: %v, %d requests more", err, s.sent-before)
	}
}

// What says nothing about the zone does not trip the breaker.
func TestBreakerIgnores(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 429, 500} {
		z, s := scripted(t, status)
		for range 3 * tripAfter {
			_ = ask(t.Context(), z) // the count below tells
		}
		if s.sent != 3*tripAfter {
			t.Errorf("status %d: %d of %d requests were sent", status, s.sent, 3*tripAfter)
		}
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	z, s := scripted(t, 0)
	for range 3 * tripAfter {
		_ = ask(canceled, z) // the count below tells
	}
	if s.sent != 3*tripAfter {
		t.Errorf("canceled calls: %d of %d were sent", s.sent, 3*tripAfter)
	}
}

// gobreaker reads the system's clock, so another clock means no breaker.
func TestBreakerNeedsTheSystemsClock(t *testing.T) {
	if s := newZoneState("zone", clocktesting.NewFakePassiveClock(start)); s.breaker != nil {
		t.Error("there is a breaker with a fake clock")
	}
}
