package filewatch_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/mcp/filewatch"
)

// start runs a watcher on dir and returns its calls. The test ends it.
func start(t *testing.T, dir string, clock *clocktesting.FakeClock) <-chan struct{} {
	t.Helper()
	calls := make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	watcher := filewatch.Watcher{
		Dir: dir, Names: []string{"token"}, Clock: clock, Log: slog.New(slog.DiscardHandler),
		Changed: func() {
			select {
			case calls <- struct{}{}:
			default:
			}
		},
	}
	go func() {
		defer close(done)
		watcher.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	await(t, calls) // the look at the start
	return calls
}

func await(t *testing.T, calls <-chan struct{}) {
	t.Helper()
	select {
	case <-calls:
	case <-time.After(30 * time.Second):
		t.Fatal("no call came")
	}
}

func TestNotification(t *testing.T) {
	dir := t.TempDir()
	calls := start(t, dir, clocktesting.NewFakeClock(time.Now()))
	if err := os.Symlink("..1", filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	await(t, calls) // the clock stands still, so this was the notification
}

// TestOtherFilesAreNoNews: a log file in the watched folder must not make the watcher, and so its log, run in a circle.
func TestOtherFilesAreNoNews(t *testing.T) {
	dir := t.TempDir()
	calls := start(t, dir, clocktesting.NewFakeClock(time.Now()))
	for _, name := range []string{"server.log", "token"} { // notifications come in order
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	await(t, calls)
	if len(calls) != 0 {
		t.Errorf("%d more calls", len(calls))
	}
}

func TestRhythm(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now())
	dir := filepath.Join(t.TempDir(), "later")
	calls := start(t, dir, clock)
	clock.Step(filewatch.Interval)
	await(t, calls) // nothing to be notified of: the folder does not exist
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	clock.Step(filewatch.Interval)
	await(t, calls)
	if err := os.WriteFile(filepath.Join(dir, "token"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, calls) // watched since it appeared
}
