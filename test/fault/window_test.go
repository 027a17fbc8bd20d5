package fault

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/makeops/make-operator/internal/makesim"
)

// The window in which a death can cost a grant, between Make's commit of a new refresh token and ours, is measured and printed.
func TestWindow(t *testing.T) {
	w := newWorld(t)
	rotations := 100
	if *full {
		rotations = 500
	}
	if err := w.begin(scenario{prepare: (*world).prepareConsented}, makesim.ClassFamily); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	for range rotations {
		before := len(w.history())
		if err := w.rotate(); err != nil {
			t.Fatal(err)
		}
		if err := await(patience, "a refresh token is stored", func() bool { return len(w.history()) > before }); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.awaitConnection("the connection is Ready", isReady); err != nil {
		t.Fatal(err)
	}
	w.checkPresentations(begun)
	for _, p := range w.takeProblems() {
		t.Error(p)
	}
	windows := w.windows(begun)
	if len(windows) != rotations {
		t.Errorf("%d refresh tokens were given out and stored, want %d", len(windows), rotations)
	}
	t.Logf("between Make's commit and ours, %d refreshes: %s", len(windows), percentiles(windows))
}

// windows are the times between the commits of Make and of the API server, of all refresh tokens that were stored.
func (w *world) windows(since time.Time) []time.Duration {
	var out []time.Duration
	for _, p := range w.make.presentations(since) {
		if at := w.storedAt(p.successor); p.successor != "" && !at.IsZero() {
			out = append(out, at.Sub(p.answered))
		}
	}
	slices.Sort(out)
	return out
}

// percentiles describes sorted times.
func percentiles(sorted []time.Duration) string {
	if len(sorted) == 0 {
		return "none"
	}
	at := func(share float64) time.Duration {
		return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))].Round(100 * time.Microsecond)
	}
	return fmt.Sprintf("p50 %v, p99 %v, longest %v", at(0.50), at(0.99), at(1))
}
