package limit

import (
	"context"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// pause is for how long a store that failed is left alone, so that calls do not wait for it one after the other.
const pause = time.Second

// Shared is a Store that asks another one and, while that fails, counts by itself: with the rates divided by the number of processes,
// so that all of them together let through what one would. It never fails and never lets a call through uncounted.
type Shared struct {
	// Remote is the store that the processes share.
	Remote Store
	// Local counts meanwhile.
	Local *Memory
	// Processes is how many share Remote; less than one means one.
	Processes int
	// Clock paces the attempts.
	Clock clock.PassiveClock
	// Changed is told when Remote begins to fail, with the error, and when it is back, with nil.
	Changed func(error)

	mu      sync.Mutex
	failing bool
	retryAt time.Time
}

// Take implements Store.
func (s *Shared) Take(ctx context.Context, buckets []Bucket) (Decision, error) {
	if !s.due() {
		return s.local(ctx, buckets)
	}
	d, err := s.Remote.Take(ctx, buckets)
	if err != nil && ctx.Err() != nil { // the caller is gone, which says nothing about the store
		return s.local(ctx, buckets)
	}
	s.note(err)
	if err != nil {
		return s.local(ctx, buckets)
	}
	return d, nil
}

// Degraded reports whether the processes count apart.
func (s *Shared) Degraded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failing
}

// due reports whether Remote is to be asked. While it fails, one call per pause tries it.
func (s *Shared) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Clock.Now()
	if !s.failing {
		return true
	}
	if now.Before(s.retryAt) {
		return false
	}
	s.retryAt = now.Add(pause)
	return true
}

func (s *Shared) note(err error) {
	s.mu.Lock()
	changed := s.failing != (err != nil)
	s.failing = err != nil
	if err != nil {
		s.retryAt = s.Clock.Now().Add(pause)
	}
	s.mu.Unlock()
	if changed {
		s.Changed(err)
	}
}

func (s *Shared) local(ctx context.Context, buckets []Bucket) (Decision, error) {
	parts := make([]Bucket, len(buckets))
	for i, b := range buckets {
		parts[i] = b
		parts[i].Rate = b.Rate.part(s.Processes)
	}
	return s.Local.Take(ctx, parts)
}
