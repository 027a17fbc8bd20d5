package rotation_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/rotation"
)

// keys are as connections' UIDs are: alike, and different.
func keys() []string {
	var all []string
	for i := range 2000 {
		all = append(all, fmt.Sprintf("5f0c1a52-1111-4b8a-9f36-%012d", i), fmt.Sprintf("%d", i))
	}
	return append(all, "")
}

// Whatever the key, a token is replaced within bounds; over many keys the times fill them.
func TestScheduleBounds(t *testing.T) {
	for name, test := range map[string]struct {
		life     time.Duration
		at       func(life time.Duration, key string) time.Time
		min, max float64 // shares of the life
	}{
		"refresh, Make's five minutes": {5 * time.Minute, refreshAt, 0.5, 0.6},
		"refresh, one second":          {time.Second, refreshAt, 0.5, 0.6},
		"refresh, the longest short":   {15 * time.Minute, refreshAt, 0.5, 0.6},
		"refresh, the shortest long":   {15*time.Minute + time.Second, refreshAt, 0.75, 0.85},
		"refresh, a year":              {365 * 24 * time.Hour, refreshAt, 0.75, 0.85},
		"rotate, a minute":             {time.Minute, rotateAt, 0.95, 1},
		"rotate, a year":               {365 * 24 * time.Hour, rotateAt, 0.95, 1},
	} {
		t.Run(name, func(t *testing.T) {
			least, most := 2.0, 0.0
			for _, key := range keys() {
				at := test.at(test.life, key)
				share := float64(at.Sub(start)) / float64(test.life)
				if share < test.min || share > test.max {
					t.Fatalf("key %q: at %.4f of the life, want %.2f to %.2f", key, share, test.min, test.max)
				}
				if !at.Equal(test.at(test.life, key)) {
					t.Fatalf("key %q: another time at the second look", key)
				}
				least, most = min(least, share), max(most, share)
			}
			if margin := (test.max - test.min) / 50; least > test.min+margin || most < test.max-margin {
				t.Errorf("times lie between %.4f and %.4f only: no spread", least, most)
			}
		})
	}
}

func refreshAt(life time.Duration, key string) time.Time {
	return rotation.RefreshAt(start, start.Add(life), key)
}

func rotateAt(life time.Duration, key string) time.Time { return rotation.RotateAt(start, life, key) }

func TestNoExpiryIsNeverRefreshed(t *testing.T) {
	if got := rotation.RefreshAt(start, time.Time{}, "k"); !got.IsZero() {
		t.Errorf("at %v", got)
	}
	if got := rotation.Expiry(makeapi.TokenResponse{}, start); !got.IsZero() {
		t.Errorf("expires at %v", got)
	}
	if got := rotation.Expiry(makeapi.TokenResponse{ExpiresIn: time.Minute}, start); !got.Equal(start.Add(time.Minute)) {
		t.Errorf("expires at %v", got)
	}
}

func TestBackoff(t *testing.T) {
	for name, test := range map[string]struct {
		failed, cost int
		least, most  time.Duration
		now          int
	}{
		"the first call":            {0, 1, 3 * time.Second, 4 * time.Second, 1},
		"the second":                {1, 1, 10 * time.Second, 11 * time.Second, 2},
		"two at once":               {0, 2, 13 * time.Second, 15 * time.Second, 2},
		"many":                      {1000, 1, 90 * time.Minute, 99 * time.Minute, 1001},
		"an attempt of many calls":  {0, 65, 103 * time.Second, 114 * time.Second, 4},
		"none":                      {5, 0, 0, 0, 5},
		"where the longest begins":  {9, 1, 90 * time.Minute, 99 * time.Minute, 10},
		"before the longest begins": {8, 1, 40 * time.Minute, 44 * time.Minute, 9},
	} {
		t.Run(name, func(t *testing.T) {
			for _, key := range []string{"a", "b", "c", "d"} {
				wait, now := rotation.Backoff(test.failed, test.cost, key)
				if wait < test.least || wait > test.most || now != test.now {
					t.Errorf("wait %v, then %d calls; want %v to %v, then %d", wait, now, test.least, test.most, test.now)
				}
			}
		})
	}
}

// Whatever an attempt costs, a day of failures costs fewer than 30 calls.
func TestBackoffOverADay(t *testing.T) {
	for cost := 1; cost <= 4; cost++ {
		for _, begun := range []int{0, 5, 100} {
			calls, failed := 0, begun
			for at := time.Duration(0); at < 24*time.Hour; {
				var wait time.Duration
				wait, failed = rotation.Backoff(failed, cost, "")
				calls += cost
				at += wait
			}
			if calls >= 30 {
				t.Errorf("%d calls a time, after %d: %d calls", cost, begun, calls)
			}
		}
	}
}
