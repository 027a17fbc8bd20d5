package makeapi_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makeapi/catalogue"
	"github.com/makeops/make-operator/internal/makesim"
)

var soakFor = flag.Duration("soak", 0, "how long TestSoak runs; zero is a bounded number of calls")

const (
	soakWorkers = 4
	soakShort   = 100      // calls of each worker without -soak
	soakShake   = 10       // calls after which a worker sets the knobs anew
	soakGrowth  = 16 << 20 // bytes that the heap may grow from the middle to the end
)

// soak is a simulator whose behaviour changes all the time, and a client that must live with it.
type soak struct {
	sim    *makesim.TLSServer
	client *makeapi.Client
	rows   map[string]toolRow
	tools  []catalogue.Tool

	fine, failed atomic.Int64 // calls

	mu    sync.Mutex
	clock *clocktesting.FakePassiveClock
}

func newSoak(t *testing.T) *soak {
	s := &soak{clock: clocktesting.NewFakePassiveClock(time.Now()), rows: readRows(t), tools: catalogue.Tools()}
	var err error
	if s.sim, err = makesim.NewTLSServer(soakOptions(s.clock)); err != nil {
		t.Fatal(err)
	}
	s.client, err = makeapi.New(makeapi.Config{
		ExtraZones: []string{s.sim.Zone}, RootCAs: s.sim.CAPool(), Clock: s.clock, Patience: time.Minute,
		Pause: func(ctx context.Context, d time.Duration) error { s.pass(d); return ctx.Err() },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pass lets time pass, which takes none.
func (s *soak) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock.SetTime(s.clock.Now().Add(d))
}

// call makes one call at random. Whatever comes of it, its error says what it means.
func (s *soak) call(ctx context.Context, random *rand.Rand) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	credential := []makeapi.Credential{
		makeapi.APIToken(makesim.RootToken), makeapi.APIToken(makesim.RootToken), makeapi.APIToken(stranger), makeapi.AccessToken("gone"),
	}[random.IntN(4)]
	zone := s.client.Zone(s.sim.Zone, credential).For(simOrganization, makeapi.Priority(random.IntN(3)))
	app := s.client.OAuth(s.sim.Zone, makeapi.OAuthClient{ID: makesim.OAuthClientID, Secret: makesim.OAuthClientSecret, RedirectURL: makesim.RedirectURL})
	var err error
	switch random.IntN(8) {
	case 0:
		var minted makeapi.MintedToken
		if minted, err = zone.CreateToken(ctx, "soak", []string{"user:read"}); err == nil {
			err = zone.DeleteToken(ctx, minted.Created)
		}
	case 1:
		_, err = zone.Me(ctx)
	case 2:
		_, err = zone.Scenarios(ctx, 0, simOrganization)
	case 3:
		_, err = zone.RunScenario(ctx, 501, map[string]any{"email": "lena@customer.example", "name": "Lena"}, true)
	case 4:
		_, err = app.Refresh(ctx, "gone")
	default:
		tool := s.tools[random.IntN(len(s.tools))]
		if tool.Hints.ReadOnly { // what changes the account fills the memory with what it creates
			_, err = zone.CallTool(ctx, tool, s.rows[tool.Name].Args)
		}
	}
	return err
}

func (s *soak) work(t *testing.T, random *rand.Rand, calls int, until time.Time) {
	for n := 0; n < calls || time.Now().Before(until); n++ {
		if n%soakShake == 0 {
			s.pass(time.Duration(random.IntN(30)) * time.Second)
			if err := s.sim.SetKnobs(shaken(random)); err != nil {
				t.Error(err)
			}
		}
		switch err := s.call(t.Context(), random); {
		case err == nil:
			s.fine.Add(1)
		case makeapi.KindOf(err) == makeapi.Unknown:
			t.Errorf("error %v has no kind", err)
		default:
			s.failed.Add(1)
		}
	}
}

// shaken are knobs at random.
func shaken(random *rand.Rand) makesim.Knobs {
	some := func(n int) bool { return random.IntN(n) == 0 }
	k := makesim.DefaultKnobs()
	k.RefreshClass = makesim.RefreshClass("ABCDEF"[random.IntN(6)])
	k.RefreshGraceSeconds, k.AccessTokenSeconds, k.RefreshTokenSeconds = random.IntN(60), 1+random.IntN(600), 1+random.IntN(6000)
	k.CodeSeconds, k.PublicClientRefresh, k.MintMissingScopes = 1+random.IntN(600), some(2), some(2)
	k.RateLimitJSON, k.RateLimitRetryAfter, k.RunNeedsReadWrite = some(2), some(2), some(2)
	k.MissingScopeStatus = []int{http.StatusUnauthorized, http.StatusForbidden}[random.IntN(2)]
	k.LatencyMilliseconds = random.IntN(3)
	for range random.IntN(4) {
		f := makesim.Fault{Kind: []makesim.FaultKind{makesim.FaultStatus, makesim.FaultResetBefore, makesim.FaultResetAfter}[random.IntN(3)], Count: 1 + random.IntN(5)}
		if f.Kind == makesim.FaultStatus {
			f.Status, f.RetryAfterSeconds = []int{403, 404, 429, 500, 502, 503, 504}[random.IntN(7)], random.IntN(3)
		}
		k.Faults = append(k.Faults, f)
	}
	return k
}

// With Make behaving at random for a while, the client keeps no goroutine and no memory.
func TestSoak(t *testing.T) {
	before := runtime.NumGoroutine()
	s := newSoak(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var heaps [2]uint64
	for half := range heaps {
		var workers sync.WaitGroup
		until := time.Now().Add(*soakFor / 2)
		for i := range soakWorkers {
			random := rand.New(rand.NewPCG(seed, uint64(2*i+half)))
			workers.Go(func() { s.work(t, random, soakShort/2, until) })
		}
		workers.Wait()
		heaps[half] = heap()
	}
	t.Logf("%d calls went well, %d failed", s.fine.Load(), s.failed.Load())
	if s.fine.Load() == 0 || s.failed.Load() == 0 {
		t.Error("nothing was disturbed, or everything")
	}
	if heaps[1] > heaps[0]+soakGrowth {
		t.Errorf("the heap grew from %d to %d bytes", heaps[0], heaps[1])
	}
	s.sim.Close() // ends the kept connections, and with them their goroutines
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(5 * time.Millisecond) //nolint:forbidigo // nothing tells that a goroutine has ended
	}
	stacks := make([]byte, 1<<16)
	t.Errorf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
}

// heap is what is in use when the garbage is gone, in bytes.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// soakOptions keep what the simulator remembers small, since its memory is this process's.
func soakOptions(clock *clocktesting.FakePassiveClock) makesim.Options {
	return makesim.Options{Clock: clock}
}
