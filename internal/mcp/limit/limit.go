package limit

import (
	"context"
	"time"
)

// Rate is how fast a bucket fills and how much it holds.
type Rate struct {
	// Count calls fit into Period in the long run. Both are positive.
	Count  int
	Period time.Duration
	// Burst is how many calls may come at once after a pause; at least one.
	Burst int
}

// interval is the time in which one call is filled in.
func (r Rate) interval() time.Duration { return r.Period / time.Duration(r.Count) }

// depth is the time in which an empty bucket fills.
func (r Rate) depth() time.Duration { return r.interval() * time.Duration(r.Burst) }

// part is the rate of one of n processes that cannot agree. Each may let one call through at once, however small its part.
func (r Rate) part(n int) Rate {
	if n <= 1 {
		return r
	}
	return Rate{Count: r.Count, Period: r.Period * time.Duration(n), Burst: max(1, r.Burst/n)}
}

// Bucket is one bucket. The same Key always comes with the same Rate.
type Bucket struct {
	// Key names the bucket among all; it holds no secret.
	Key string
	// Name is what callers are told, such as "standard".
	Name string
	Rate Rate
}

// Decision says whether a call may pass, and how its buckets stand after it.
type Decision struct {
	Allowed bool
	// Bucket is the one that decided: the slowest to allow a refused call, or else the emptiest.
	Bucket Bucket
	// Remaining is how many calls Bucket would still let through at once.
	Remaining int
	// Reset is when Bucket will be full, from now.
	Reset time.Duration
	// RetryAfter is when the call could pass, from now; zero if it was allowed.
	RetryAfter time.Duration
}

// Store counts calls.
type Store interface {
	// Take takes one call from each of buckets, or from none of them if one is empty. At least one bucket is given.
	Take(ctx context.Context, buckets []Bucket) (Decision, error)
}

// decide builds a Decision from how far each bucket is from full: before the call if it was refused, else after it.
func decide(buckets []Bucket, allowed bool, behind []time.Duration) Decision {
	var d Decision
	for i, b := range buckets {
		one := Decision{Allowed: allowed, Bucket: b, Reset: behind[i]}
		free := b.Rate.depth() - behind[i]
		one.Remaining = max(0, int(free/b.Rate.interval()))
		if !allowed {
			one.RetryAfter = max(0, b.Rate.interval()-free)
		}
		if i == 0 || one.RetryAfter > d.RetryAfter || (allowed && one.Remaining < d.Remaining) {
			d = one
		}
	}
	return d
}
