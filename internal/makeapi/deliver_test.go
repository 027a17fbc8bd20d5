package makeapi_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/makeapi"
)

// patient is a client whose pauses step its clock and take no time.
type patient struct {
	*makeapi.Client

	clock  *clocktesting.FakePassiveClock
	zone   string
	pauses []time.Duration
	paths  []string
}

// steps is what a server answers to one request.
type steps struct {
	status     int
	retryAfter string
	body       string
}

// newPatient starts a server that answers by script; the last step is repeated.
func newPatient(t *testing.T, patience time.Duration, script ...steps) *patient {
	t.Helper()
	p := &patient{clock: clocktesting.NewFakePassiveClock(time.Now())}
	server, zone := serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
		s := script[min(len(p.paths), len(script)-1)]
		p.paths = append(p.paths, r.Method+" "+r.URL.Path)
		if s.retryAfter != "" {
			w.Header().Set("Retry-After", s.retryAfter)
		}
		answerJSON(w, s.status, s.body)
	})
	p.zone = zone
	client, err := makeapi.New(makeapi.Config{
		ExtraZones: []string{zone}, RootCAs: pool(server.Certificate()), Clock: p.clock, Patience: patience,
		Pause: func(_ context.Context, d time.Duration) error {
			p.pauses = append(p.pauses, d)
			p.clock.SetTime(p.clock.Now().Add(d))
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Client = client
	return p
}

// of is the organization's handle.
func (p *patient) of(organizationID int64, priority makeapi.Priority) *makeapi.Zone {
	return p.Zone(p.zone, makeapi.APIToken(apiToken)).For(organizationID, priority)
}

const authorized = `{"authorization":{"scope":["user:read"],"authUsed":"token"}}`

func TestRepetition(t *testing.T) {
	read := func(ctx context.Context, z *makeapi.Zone) error { _, err := z.CurrentAuthorization(ctx); return err }
	remove := func(ctx context.Context, z *makeapi.Zone) error {
		return z.DeleteToken(ctx, "2026-03-01T12:00:00.123Z")
	}
	create := func(ctx context.Context, z *makeapi.Zone) error {
		_, err := z.CreateToken(ctx, "l", []string{"user:read"})
		return err
	}
	busy, fine := steps{status: 503}, steps{status: 200, body: authorized}
	tests := []struct {
		name     string
		patience time.Duration
		script   []steps
		call     func(context.Context, *makeapi.Zone) error
		requests int
		want     makeapi.Kind  // Unknown = success
		pause    time.Duration // at least, each
	}{
		{"read after two failures", time.Minute, []steps{busy, busy, fine}, read, 3, makeapi.Unknown, 200 * time.Millisecond},
		{"three attempts at most", time.Minute, []steps{busy}, read, 3, makeapi.Transient, 200 * time.Millisecond},
		{"without patience", 0, []steps{busy, fine}, read, 1, makeapi.Transient, 0},
		{"deletion by a name that is never used again", time.Minute, []steps{busy, fine}, remove, 2, makeapi.Unknown, 200 * time.Millisecond},
		{"creation never", time.Minute, []steps{busy, fine}, create, 1, makeapi.UnknownOutcome, 0},
		{"creation not even when limited", time.Minute, []steps{{429, "1", ""}, fine}, create, 1, makeapi.RateLimited, 0},
		{"Retry-After with 503", time.Minute, []steps{{503, "7", ""}, fine}, read, 2, makeapi.Unknown, 7 * time.Second},
		{"Retry-After with 429", time.Minute, []steps{{429, "7", ""}, fine}, read, 2, makeapi.Unknown, 7 * time.Second},
		{"Retry-After beyond the patience", 5 * time.Second, []steps{{503, "7", ""}, fine}, read, 1, makeapi.Transient, 0},
		{"429 without a delay", time.Minute, []steps{{429, "", "text"}, fine}, read, 1, makeapi.RateLimited, 0},
		{"what a repetition cannot change", time.Minute, []steps{{404, "", ""}}, read, 1, makeapi.NotFound, 0},
		{"a page of some intermediary", time.Minute, []steps{{200, "", "<html>"}, fine}, read, 2, makeapi.Unknown, 200 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPatient(t, tt.patience, tt.script...)
			if got := makeapi.KindOf(tt.call(t.Context(), p.of(42, makeapi.Interactive))); got != tt.want {
				t.Errorf("kind %v, want %v", got, tt.want)
			}
			if len(p.paths) != tt.requests || len(p.pauses) != tt.requests-1 {
				t.Errorf("%d requests and %d pauses, want %d requests", len(p.paths), len(p.pauses), tt.requests)
			}
			for _, d := range p.pauses {
				if d < tt.pause {
					t.Errorf("pause %v, want at least %v", d, tt.pause)
				}
			}
		})
	}
}

// A pause that would outlast the caller's deadline is not begun.
func TestPauseWithinDeadline(t *testing.T) {
	p := newPatient(t, time.Hour, steps{503, "600", ""})
	ctx, cancel := context.WithDeadline(t.Context(), p.clock.Now().Add(5*time.Minute))
	defer cancel()
	_, err := p.of(42, makeapi.Interactive).CurrentAuthorization(ctx)
	if e, ok := errors.AsType[*makeapi.Error](err); !ok || e.RetryAfter != 10*time.Minute || len(p.pauses) != 0 || len(p.paths) != 1 {
		t.Errorf("error %v after %d requests and pauses %v", err, len(p.paths), p.pauses)
	}
	if _, err := p.of(42, makeapi.Rotation).CurrentAuthorization(ctx); makeapi.KindOf(err) != makeapi.Transient || len(p.paths) != 1 {
		t.Errorf("the next call was sent, although the zone asked to wait: %v", err)
	}
}

// A 429 holds the organization's other calls back, and nobody else's.
func TestLimitedOrganization(t *testing.T) {
	for name, tt := range map[string]struct {
		retryAfter string
		wait       time.Duration
	}{"with a delay": {"9", 9 * time.Second}, "without": {"", time.Minute}} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t, 0, steps{429, tt.retryAfter, "text"}, steps{200, "", authorized})
			read := func(organizationID int64) error {
				_, err := p.of(organizationID, makeapi.Rotation).CurrentAuthorization(t.Context())
				return err
			}
			if err := read(42); makeapi.KindOf(err) != makeapi.RateLimited {
				t.Fatal(err)
			}
			if e, ok := errors.AsType[*makeapi.Error](read(42)); !ok || e.Kind != makeapi.RateLimited || e.RetryAfter != tt.wait || e.Status != 0 {
				t.Errorf("the next call: %v", e)
			}
			if err := read(43); err != nil {
				t.Errorf("another organization's call: %v", err)
			}
			if err := read(0); err != nil {
				t.Errorf("a call of an unknown organization: %v", err)
			}
			p.clock.SetTime(p.clock.Now().Add(tt.wait))
			if err := read(42); err != nil {
				t.Errorf("a call when the wait is over: %v", err)
			}
		})
	}
}

// Many calls make the client ask for the plan's limit, once; then background calls leave room for the others, and runs
// are not counted at all.
func TestLimitIsLearned(t *testing.T) {
	const limit = 60
	p := newPatient(t, 0, steps{200, "", `{"authorization":{},"executionId":"e","organization":{"license":{"apiLimit":` + strconv.Itoa(limit) + `}}}`})
	passed := map[makeapi.Priority]int{}
	for _, priority := range []makeapi.Priority{makeapi.Background, makeapi.Interactive, makeapi.Rotation} {
		for range 2 * limit {
			_, err := p.of(42, priority).CurrentAuthorization(t.Context())
			if err == nil {
				passed[priority]++
			} else if e, ok := errors.AsType[*makeapi.Error](err); !ok || e.Kind != makeapi.RateLimited || e.RetryAfter != time.Minute {
				t.Fatalf("error %v", err)
			}
		}
	}
	// The question is one of the calls.
	if diff := cmp.Diff(map[makeapi.Priority]int{makeapi.Background: 44, makeapi.Interactive: 9, makeapi.Rotation: 6}, passed); diff != "" {
		t.Errorf("calls that passed, by priority (-want +got):\n%s", diff)
	}
	questions := 0
	for _, path := range p.paths {
		if path == "GET /api/v2/organizations/42" {
			questions++
		}
	}
	if questions != 1 || len(p.paths) != limit {
		t.Errorf("%d questions among %d requests", questions, len(p.paths))
	}
	if _, err := p.of(42, makeapi.Background).RunScenario(t.Context(), 1, nil, false); err != nil {
		t.Errorf("run: %v", err)
	}
	p.clock.SetTime(p.clock.Now().Add(time.Minute))
	if _, err := p.of(42, makeapi.Background).CurrentAuthorization(t.Context()); err != nil {
		t.Errorf("a call of the next minute: %v", err)
	}
}

// With patience, a call waits for its turn instead.
func TestWaitForBudget(t *testing.T) {
	p := newPatient(t, 2*time.Minute, steps{200, "", `{"authorization":{},"organization":{"id":42,"license":{"apiLimit":2}}}`})
	if _, err := p.of(42, makeapi.Rotation).Organization(t.Context(), 42); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := p.of(42, makeapi.Rotation).CurrentAuthorization(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]time.Duration{time.Minute}, p.pauses); diff != "" {
		t.Errorf("pauses (-want +got):\n%s", diff)
	}
}
