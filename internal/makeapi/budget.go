package makeapi

import (
	"slices"
	"sync"
	"time"
)

// Priority says who gives way when an organization's calls run short.
type Priority int

// The priorities, and what each leaves of the calls that the plan allows per minute.
const (
	// Interactive calls have somebody waiting; they leave a tenth, for rotation.
	Interactive Priority = iota
	// Background calls can come back later; they leave a quarter, for the others.
	Background
	// Rotation keeps credentials alive and may use everything.
	Rotation
)

// share is how many of limit calls p may use; at least one.
func (p Priority) share(limit int) int {
	switch p {
	case Rotation:
		return limit
	case Background:
		return max(1, limit-(limit+3)/4)
	default:
		return max(1, limit-(limit+9)/10)
	}
}

const (
	// smallestPlan is the lowest limit of any plan, in calls per minute: with fewer calls there is no need to know the
	// organization's own. Source: a published measurement of a Free organization; the documented plans start at 60.
	smallestPlan = 30
	// limitLife is for how long a learned limit is believed, limitRetry how soon Make is asked again when it named none.
	limitLife, limitRetry = 24 * time.Hour, time.Hour
)

// budget counts the calls for one organization. It remembers those of the last minute one by one: a token bucket as deep
// as the limit would let twice as many pass within some minutes, and Make does not say when its own minute begins.
type budget struct {
	mu     sync.Mutex
	limit  int         // calls per minute; 0 = not known, so none is held back
	sent   []time.Time // within the last minute, oldest first
	closed time.Time   // until then Make refuses
	askAt  time.Time   // when to ask Make for the limit, if there are many calls
}

// take counts a call and returns zero, or returns how long to wait before trying again. A nil budget has no limit.
func (b *budget) take(now time.Time, p Priority) time.Duration {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if wait := b.closed.Sub(now); wait > 0 {
		return wait
	}
	b.forget(now)
	if share := p.share(b.limit); b.limit > 0 && len(b.sent) >= share {
		return b.sent[len(b.sent)-share].Add(rateWindow).Sub(now)
	}
	b.sent = append(b.sent, now)
	return 0
}

// forget drops what is older than a minute and, while the limit is not known, all but what tells that there are many calls.
func (b *budget) forget(now time.Time) {
	old := 0
	for old < len(b.sent) && now.Sub(b.sent[old]) >= rateWindow {
		old++
	}
	if b.limit == 0 {
		old = max(old, len(b.sent)-smallestPlan)
	}
	b.sent = slices.Delete(b.sent, 0, old)
}

// close lets no call pass before until.
func (b *budget) close(until time.Time) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if until.After(b.closed) {
		b.closed = until
	}
}

// wantsLimit says, to one caller at a time, that the calls are so many that Make should be asked for the limit. It counts
// that question.
func (b *budget) wantsLimit(now time.Time) bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.sent) < smallestPlan || now.Before(b.askAt) {
		return false
	}
	b.askAt = now.Add(limitRetry)
	b.sent = append(b.sent, now)
	return true
}

// learn takes over a limit that Make named; zero and less mean that it named none.
func (b *budget) learn(limit int, now time.Time) {
	if b == nil || limit <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit, b.askAt = limit, now.Add(limitLife)
}
