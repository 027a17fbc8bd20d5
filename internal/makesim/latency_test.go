package makesim

import (
	"math"
	"testing"
	"time"
)

func TestLatencyDistributions(t *testing.T) {
	const draws, mean = 20_000, 10 * time.Millisecond
	for distribution, want := range map[LatencyDistribution]struct {
		least, most time.Duration
		deviation   time.Duration
	}{
		LatencyFixed:       {mean, mean, 0},
		LatencyUniform:     {0, 2 * mean, mean * 577 / 1000}, // twice the mean through the root of 12
		LatencyExponential: {0, 10 * mean, mean},
	} {
		k := Knobs{LatencyMilliseconds: 10, LatencyDistribution: distribution}
		random, again := newRandom(3), newRandom(3)
		var sum, squares float64
		for range draws {
			d := k.latency(random)
			if d < want.least || d > want.most || d != k.latency(again) {
				t.Fatalf("%s: drew %s", distribution, d)
			}
			sum += float64(d)
			squares += float64(d) * float64(d)
		}
		got := sum / draws
		deviation := math.Sqrt(max(0, squares/draws-got*got))
		if math.Abs(got-float64(mean)) > 0.05*float64(mean) || math.Abs(deviation-float64(want.deviation)) > 0.05*float64(mean) {
			t.Errorf("%s: mean %s, deviation %s", distribution, time.Duration(got), time.Duration(deviation))
		}
	}
	if d := (Knobs{LatencyDistribution: LatencyExponential}).latency(newRandom(1)); d != 0 {
		t.Errorf("of nothing: %s", d)
	}
}
