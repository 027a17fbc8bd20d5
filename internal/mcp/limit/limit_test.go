package limit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/mcp/limit"
)

var (
	begin  = time.Date(2026, 7, 28, 12, 0, 0, 0, time.UTC)
	hourly = limit.Rate{Count: 60, Period: time.Hour, Burst: 5} // one a minute
	wide   = limit.Rate{Count: 3600, Period: time.Hour, Burst: 100}
)

// stores are the stores that must count alike, each with a way to let time pass.
func stores(t *testing.T) map[string]func() (limit.Store, func(time.Duration)) {
	t.Helper()
	return map[string]func() (limit.Store, func(time.Duration)){
		"memory": func() (limit.Store, func(time.Duration)) {
			clock := clocktesting.NewFakePassiveClock(begin)
			return limit.NewMemory(clock), func(d time.Duration) { clock.SetTime(clock.Now().Add(d)) }
		},
		"redis": func() (limit.Store, func(time.Duration)) {
			server := miniredis.RunT(t)
			now := begin
			server.SetTime(now)
			client := redis.NewClient(&redis.Options{Addr: server.Addr()})
			t.Cleanup(func() { _ = client.Close() })
			return limit.NewRedis(client, "{t}:"), func(d time.Duration) {
				now = now.Add(d)
				server.SetTime(now)
				server.FastForward(d)
			}
		},
	}
}

func take(t *testing.T, store limit.Store, buckets ...limit.Bucket) limit.Decision {
	t.Helper()
	d, err := store.Take(t.Context(), buckets)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestBurstThenSteadyRate(t *testing.T) {
	for name, open := range stores(t) {
		t.Run(name, func(t *testing.T) {
			store, pass := open()
			b := limit.Bucket{Key: "a", Name: "standard", Rate: hourly}
			for i := range 5 {
				want := limit.Decision{Allowed: true, Bucket: b, Remaining: 4 - i, Reset: time.Duration(i+1) * time.Minute}
				if got := take(t, store, b); got != want {
					t.Errorf("call %d: %+v, want %+v", i, got, want)
				}
			}
			for range 3 { // refused calls cost nothing
				want := limit.Decision{Bucket: b, Reset: 5 * time.Minute, RetryAfter: time.Minute}
				if got := take(t, store, b); got != want {
					t.Errorf("sixth call: %+v, want %+v", got, want)
				}
			}
			if !take(t, store, limit.Bucket{Key: "b", Name: "standard", Rate: hourly}).Allowed {
				t.Error("one bucket counts for another")
			}
			pass(59 * time.Second)
			if got := take(t, store, b); got.Allowed || got.RetryAfter != time.Second {
				t.Errorf("a second too early: %+v", got)
			}
			pass(time.Second)
			if !take(t, store, b).Allowed || take(t, store, b).Allowed {
				t.Error("after a minute not exactly one call passes")
			}
			pass(24 * time.Hour)
			if got := take(t, store, b); !got.Allowed || got.Remaining != 4 {
				t.Errorf("a day later: %+v", got)
			}
		})
	}
}

func TestAllBucketsOrNone(t *testing.T) {
	for name, open := range stores(t) {
		t.Run(name, func(t *testing.T) {
			store, _ := open()
			narrow := limit.Bucket{Key: "caller", Name: "sensitive", Rate: hourly}
			shared := limit.Bucket{Key: "organization", Name: "organization", Rate: wide}
			for range 5 {
				if got := take(t, store, shared, narrow); !got.Allowed || got.Bucket != narrow {
					t.Errorf("decided by %+v", got)
				}
			}
			for range 200 {
				if got := take(t, store, shared, narrow); got.Allowed || got.Bucket != narrow || got.RetryAfter != time.Minute {
					t.Fatalf("an empty bucket lets through: %+v", got)
				}
			}
			if got := take(t, store, shared); got.Remaining != 94 {
				t.Errorf("refused calls took from the other bucket: %d remain", got.Remaining)
			}
		})
	}
}

func TestManyAtOnceCountExactly(t *testing.T) {
	for name, open := range stores(t) {
		t.Run(name, func(t *testing.T) {
			store, _ := open()
			var wg sync.WaitGroup
			var mu sync.Mutex
			allowed := 0
			for range 50 {
				wg.Go(func() {
					for range 10 {
						d, err := store.Take(t.Context(), []limit.Bucket{{Key: "a", Name: "x", Rate: wide}})
						mu.Lock()
						if err != nil {
							t.Error(err)
						}
						if d.Allowed {
							allowed++
						}
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			if allowed != 100 {
				t.Errorf("%d calls passed, want 100", allowed)
			}
		})
	}
}

func TestRedisKeysEnd(t *testing.T) {
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()
	take(t, limit.NewRedis(client, "{t}:"), limit.Bucket{Key: "a", Name: "x", Rate: hourly})
	if keys := server.Keys(); len(keys) != 1 || keys[0] != "{t}:a" {
		t.Errorf("keys %v", keys)
	}
	server.FastForward(time.Minute)
	if keys := server.Keys(); len(keys) != 0 {
		t.Errorf("keys %v outlast their bucket", keys)
	}
}

func TestRedisWithForeignValue(t *testing.T) {
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()
	if err := server.Set("a", "garbage"); err != nil {
		t.Fatal(err)
	}
	if got := take(t, limit.NewRedis(client, ""), limit.Bucket{Key: "a", Name: "x", Rate: hourly}); !got.Allowed || got.Remaining != 4 {
		t.Errorf("%+v", got)
	}
	if _, err := server.Lpush("b", "list"); err != nil {
		t.Fatal(err)
	}
	if _, err := limit.NewRedis(client, "").Take(t.Context(), []limit.Bucket{{Key: "b", Name: "x", Rate: hourly}}); err == nil {
		t.Error("a key of another type counts")
	}
}

// TestMemoryIsBounded: more buckets than fit share what is left, and none is let through uncounted.
func TestMemoryIsBounded(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(begin)
	store := limit.NewMemory(clock)
	allowed := 0
	for i := range 60_000 {
		if take(t, store, limit.Bucket{Key: fmt.Sprint(i), Name: "failures", Rate: hourly}).Allowed {
			allowed++
		}
	}
	if allowed != 50_000+hourly.Burst {
		t.Errorf("%d first calls passed", allowed)
	}
	clock.SetTime(begin.Add(time.Hour)) // all are full again and forgotten
	if !take(t, store, limit.Bucket{Key: "new", Name: "failures", Rate: hourly}).Allowed {
		t.Error("full buckets are not forgotten")
	}
}

// broken is a Store that fails when told to.
type broken struct {
	limit.Store
	err   error
	asked int
}

func (b *broken) Take(ctx context.Context, buckets []limit.Bucket) (limit.Decision, error) {
	b.asked++
	if b.err != nil {
		return limit.Decision{}, b.err
	}
	return b.Store.Take(ctx, buckets)
}

func TestSharedNeverFailsOpen(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(begin)
	remote := &broken{Store: limit.NewMemory(clock)}
	var changes []string
	store := &limit.Shared{
		Remote: remote, Local: limit.NewMemory(clock), Processes: 2, Clock: clock,
		Changed: func(err error) { changes = append(changes, fmt.Sprint(err)) },
	}
	b := limit.Bucket{Key: "a", Name: "standard", Rate: limit.Rate{Count: 60, Period: time.Hour, Burst: 10}}
	if got := take(t, store, b); got.Remaining != 9 || store.Degraded() {
		t.Errorf("the remote store does not count: %+v", got)
	}
	remote.err = errors.New("connection refused")
	allowed := 0
	for range 50 {
		if take(t, store, b).Allowed {
			allowed++
		}
	}
	if allowed != 5 || !store.Degraded() {
		t.Errorf("%d calls passed without the remote store, want half of the burst", allowed)
	}
	if remote.asked != 2 {
		t.Errorf("a failing store was asked %d times within its pause", remote.asked)
	}
	clock.SetTime(begin.Add(time.Minute))
	if take(t, store, b).Allowed {
		t.Error("one process fills up as fast as two")
	}
	clock.SetTime(begin.Add(2 * time.Minute))
	remote.err = nil
	if got := take(t, store, b); !got.Allowed || got.Remaining != 9 || store.Degraded() {
		t.Errorf("the remote store is back and does not count: %+v", got)
	}
	if got := strings.Join(changes, ", "); got != "connection refused, <nil>" {
		t.Errorf("changes told: %s", got)
	}
}

func TestSharedIsNotMisledByCallersWhoLeave(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(begin)
	store := &limit.Shared{
		Remote: &broken{err: context.Canceled}, Local: limit.NewMemory(clock), Processes: 1, Clock: clock,
		Changed: func(err error) { t.Errorf("changed: %v", err) },
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Take(ctx, []limit.Bucket{{Key: "a", Name: "x", Rate: hourly}}); err != nil || store.Degraded() {
		t.Errorf("error %v, degraded %v", err, store.Degraded())
	}
}
