package makeapi

import (
	"testing"
	"time"
)

var start = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

func TestShare(t *testing.T) {
	tests := []struct {
		limit                             int
		rotation, interactive, background int
	}{
		{1, 1, 1, 1},
		{30, 30, 27, 22},
		{60, 60, 54, 45},
		{1000, 1000, 900, 750},
	}
	for _, tt := range tests {
		got := [3]int{Rotation.share(tt.limit), Interactive.share(tt.limit), Background.share(tt.limit)}
		if want := [3]int{tt.rotation, tt.interactive, tt.background}; got != want {
			t.Errorf("shares of %d are %v, want %v", tt.limit, got, want)
		}
	}
}

// takeAll takes calls until one has to wait, and returns how many passed and that wait.
func takeAll(b *budget, now time.Time, p Priority) (passed int, wait time.Duration) {
	for passed = 0; passed < 10_000; passed++ {
		if wait = b.take(now, p); wait > 0 {
			return passed, wait
		}
	}
	return passed, 0
}

func TestBudgetKeepsReserves(t *testing.T) {
	b := &budget{}
	b.learn(60, start)
	for _, step := range []struct {
		after  time.Duration
		p      Priority
		passed int
		wait   time.Duration
	}{
		{0, Background, 45, time.Minute},
		{10 * time.Second, Background, 0, 50 * time.Second},
		{10 * time.Second, Interactive, 9, 50 * time.Second},
		{20 * time.Second, Rotation, 6, 40 * time.Second},
		{20 * time.Second, Rotation, 0, 40 * time.Second},
		{60 * time.Second, Background, 30, 10 * time.Second}, // the first 45 are forgotten, 15 are not
	} {
		passed, wait := takeAll(b, start.Add(step.after), step.p)
		if passed != step.passed || wait != step.wait {
			t.Errorf("after %v %d calls of priority %d passed, then %v; want %d, then %v", step.after, passed, step.p, wait, step.passed, step.wait)
		}
	}
}

// However the minutes of Make's clock lie, none holds more calls than the plan allows.
func TestNoMinuteHoldsMoreThanTheLimit(t *testing.T) {
	const limit = 60
	b := &budget{}
	b.learn(limit, start)
	var taken []time.Time
	for now := start; now.Before(start.Add(5 * time.Minute)); now = now.Add(700 * time.Millisecond) {
		for b.take(now, Rotation) == 0 {
			taken = append(taken, now)
		}
	}
	if len(taken) < 5*limit {
		t.Errorf("%d calls passed in five minutes, want the whole budget", len(taken))
	}
	for i := limit; i < len(taken); i++ {
		if taken[i].Sub(taken[i-limit]) < time.Minute {
			t.Fatalf("calls %d to %d passed within %v", i-limit, i, taken[i].Sub(taken[i-limit]))
		}
	}
}

func TestBudgetClosed(t *testing.T) {
	b := &budget{}
	b.close(start.Add(9 * time.Second))
	b.close(start.Add(3 * time.Second)) // does not open it earlier
	if wait := b.take(start, Rotation); wait != 9*time.Second {
		t.Errorf("wait %v, want 9s", wait)
	}
	if wait := b.take(start.Add(9*time.Second), Background); wait != 0 {
		t.Errorf("wait %v after it was over", wait)
	}
}

func TestBudgetAsksForTheLimitOnce(t *testing.T) {
	b := &budget{}
	asked := 0
	for range 2 * smallestPlan {
		b.take(start, Interactive)
		if b.wantsLimit(start) {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times, want once", asked)
	}
	b.learn(0, start) // Make names none
	if wait := b.take(start, Interactive); wait != 0 {
		t.Errorf("an unknown limit holds back for %v", wait)
	}
	if !b.wantsLimit(start.Add(limitRetry)) && len(b.sent) >= smallestPlan {
		t.Error("not asked again")
	}
}

// A zone handle without an organization has no budget.
func TestNoBudget(t *testing.T) {
	var b *budget
	b.close(start.Add(time.Hour))
	b.learn(1, start)
	if passed, _ := takeAll(b, start, Background); passed != 10_000 || b.wantsLimit(start) {
		t.Errorf("%d calls passed", passed)
	}
}

func TestBackoff(t *testing.T) {
	for attempt, middle := range map[int]time.Duration{1: firstBackoff, 2: 2 * firstBackoff} {
		seen := map[time.Duration]bool{}
		for range 50 {
			d := backoff(attempt, 0)
			seen[d] = true
			if d < middle/2 || d >= middle*3/2 {
				t.Errorf("backoff %v after attempt %d", d, attempt)
			}
		}
		if len(seen) < 2 {
			t.Errorf("backoff after attempt %d is not random", attempt)
		}
	}
	if d := backoff(1, 7*time.Second); d < 7*time.Second {
		t.Errorf("backoff %v is shorter than asked", d)
	}
}
