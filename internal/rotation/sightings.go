package rotation

import (
	"sync"
	"time"
)

// sightings remembers when this process first saw an intent of another one. Waiting by one's own clock since then is immune to
// clocks that disagree. The zero value is empty.
type sightings struct {
	mu    sync.Mutex
	first map[string]time.Time
}

// since is how long ago an attempt was first seen; zero at the first time.
func (s *sightings) since(attempt string, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first == nil {
		s.first = map[string]time.Time{}
	}
	first, ok := s.first[attempt]
	if !ok {
		s.forget(now)
		s.first[attempt], first = now, now
	}
	return now.Sub(first)
}

// forget drops attempts that were first seen over an hour ago, so that the map stays small.
func (s *sightings) forget(now time.Time) {
	for attempt, first := range s.first {
		if now.Sub(first) > time.Hour {
			delete(s.first, attempt)
		}
	}
}
