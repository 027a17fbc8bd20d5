package makesim

import (
	"context"
	"math/rand/v2"
	"time"
)

// LatencyDistribution is how delays scatter.
type LatencyDistribution string

// The distributions; the mean of each is Knobs.LatencyMilliseconds.
const (
	LatencyFixed       LatencyDistribution = "fixed"       // always the mean
	LatencyUniform     LatencyDistribution = "uniform"     // from nothing to twice the mean
	LatencyExponential LatencyDistribution = "exponential" // mostly short, seldom long: at most ten times the mean
)

func newRandom(seed uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // G404: a sequence that can be repeated is what is wanted
}

// latency draws the delay of one request.
func (k Knobs) latency(random *rand.Rand) time.Duration {
	mean := time.Duration(k.LatencyMilliseconds) * time.Millisecond
	switch {
	case mean == 0:
		return 0
	case k.LatencyDistribution == LatencyUniform:
		return time.Duration(random.Int64N(int64(2*mean) + 1))
	case k.LatencyDistribution == LatencyExponential:
		return min(time.Duration(random.ExpFloat64()*float64(mean)), 10*mean)
	}
	return mean
}

// pause waits in real time, or until the client is gone.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	delay := time.NewTimer(d)
	defer delay.Stop()
	select {
	case <-delay.C:
	case <-ctx.Done():
	}
}
