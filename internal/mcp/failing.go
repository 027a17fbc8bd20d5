package mcp

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// maxFailing bounds how many addresses are remembered.
const maxFailing = 10_000

// failing remembers addresses that have sent too many bad tokens lately: nobody outside is asked about another token of theirs. Good
// tokens that can be judged here are still served, since an address may be that of many.
type failing struct {
	clock clock.PassiveClock

	mu    sync.Mutex
	until map[string]time.Time
}

func newFailing(clk clock.PassiveClock) *failing {
	return &failing{clock: clk, until: map[string]time.Time{}}
}

func (f *failing) block(address string, d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.until) >= maxFailing {
		clear(f.until) // whoever goes on is back with the next failure
	}
	f.until[address] = f.clock.Now().Add(d)
}

func (f *failing) blocked(address string) (time.Duration, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	left := f.until[address].Sub(f.clock.Now())
	return left, left > 0
}
