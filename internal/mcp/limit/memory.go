package limit

import (
	"context"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// maxBuckets bounds the memory of one process: some 100 bytes each.
const maxBuckets = 50_000

// Memory is a Store for one process.
type Memory struct {
	clock clock.PassiveClock

	mu   sync.Mutex
	full map[string]time.Time // when a bucket will be full
	// forgot is when full buckets were last forgotten.
	forgot time.Time
}

// NewMemory returns an empty Memory.
func NewMemory(clk clock.PassiveClock) *Memory {
	return &Memory{clock: clk, full: map[string]time.Time{}}
}

// Take implements Store; it never fails.
func (m *Memory) Take(_ context.Context, buckets []Bucket) (Decision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock.Now()
	if len(m.full)+len(buckets) > maxBuckets {
		m.forget(now)
	}
	keys, behind, allowed := make([]string, len(buckets)), make([]time.Duration, len(buckets)), true
	for i, b := range buckets {
		keys[i] = m.key(b)
		behind[i] = max(0, m.full[keys[i]].Sub(now))
		if behind[i]+b.Rate.interval() > b.Rate.depth() {
			allowed = false
		}
	}
	if allowed {
		for i, b := range buckets {
			behind[i] += b.Rate.interval()
			m.full[keys[i]] = now.Add(behind[i])
		}
	}
	return decide(buckets, allowed, behind), nil
}

// key is a bucket's own, unless there are too many: then those that are new share one by name, so that neither memory grows nor
// calls pass uncounted.
func (m *Memory) key(b Bucket) string {
	if _, known := m.full[b.Key]; known || len(m.full) < maxBuckets {
		return b.Key
	}
	return "\x00" + b.Name
}

// forget drops the buckets that are full again: they count as before. It looks at all of them, so it does that once a second.
func (m *Memory) forget(now time.Time) {
	if now.Sub(m.forgot) < time.Second {
		return
	}
	m.forgot = now
	for key, at := range m.full {
		if !at.After(now) {
			delete(m.full, key)
		}
	}
}
