package rotation

import (
	"hash/fnv"
	"time"
)

// shortLife is the longest life of an access token that is refreshed early: a kubelet needs up to 90 s to show a changed Secret,
// so a token of five minutes is replaced at little more than half of its life.
const shortLife = 15 * time.Minute

// RefreshAt is when to replace a token that was issued and expires then: at 55 % of a short life and 80 % of a long one, moved by
// up to 5 % of the life either way, always the same for the same key so that many connections spread. A zero expiry gives a zero
// time: never.
func RefreshAt(issued, expiry time.Time, key string) time.Time {
	if expiry.IsZero() {
		return time.Time{}
	}
	life := expiry.Sub(issued)
	share := 0.80
	if life <= shortLife {
		share = 0.55
	}
	return issued.Add(time.Duration(float64(life) * (share + 0.05*spread(key))))
}

// RotateAt is when to replace an API token that was minted then and may become as old as every: jittered like RefreshAt, but only
// earlier, so that no token outlives what the spec allows.
func RotateAt(minted time.Time, every time.Duration, key string) time.Time {
	return minted.Add(time.Duration(float64(every) * (0.975 + 0.025*spread(key))))
}

// waits are how long to wait after the first, the second, … call to Make that failed; lastWait comes after all the others. A
// connection that fails all day, with up to four calls each time, makes fewer than 30 of them.
var waits = [...]time.Duration{
	settle, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute,
	40 * time.Minute,
}

const (
	lastWait = 90 * time.Minute
	// mostCounted is how many calls of one attempt count: whatever needs more has achieved something by them.
	mostCounted = 4
)

// Backoff is how long to wait after an attempt that failed and cost that many calls, in whole seconds, and the number of calls to
// pass the next time; failed is the number from before the attempt, zero after a success. It is jittered by up to a tenth.
func Backoff(failed, cost int, key string) (wait time.Duration, now int) {
	now = failed + min(cost, mostCounted)
	for i := failed; i < now; i++ {
		if i < len(waits) {
			wait += waits[i]
		} else {
			wait += lastWait
		}
	}
	return (wait + time.Duration(float64(wait)*0.05*(1+spread(key)))).Round(time.Second), min(now, 1<<20)
}

// spread maps a key evenly onto -1 … 1.
func spread(key string) float64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // never fails
	return float64(h.Sum32())/float64(1<<31) - 1
}
