// Package filewatch tells when files of a mounted folder may have changed. Kubernetes replaces a mounted Secret or
// ConfigMap by swapping one symbolic link, so the folder is watched, never a file in it; and because notifications can be
// missing (network file systems, exhausted limits) the folder is also looked at in a fixed rhythm. It does not read files:
// the reader compares contents.
package filewatch

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	"k8s.io/utils/clock"
)

// Interval is the rhythm in which a watched folder is looked at even when no notification came.
const Interval = 10 * time.Second

// Watcher calls Changed after each possible change of Dir.
type Watcher struct {
	// Dir is the folder to watch. It may appear later.
	Dir string
	// Names are the files in Dir that matter. The links and folders that Kubernetes swaps ("..data") always do; what else
	// happens in Dir, for example to a log file, is passed over.
	Names []string
	// Changed is called in one goroutine at a time, at least once per Interval. It must be cheap when nothing changed.
	Changed func()
	// Clock drives the rhythm.
	Clock clock.WithTicker
	// Log receives what hinders notifications.
	Log *slog.Logger
}

// Run watches until ctx ends.
func (w Watcher) Run(ctx context.Context) {
	ticker := w.Clock.NewTicker(Interval)
	defer ticker.Stop()
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		w.Log.Warn("file notifications are not available, polling only", "error", err)
		w.poll(ctx, ticker)
		return
	}
	defer func() { _ = notify.Close() }()
	w.add(notify)
	w.Changed() // what happened before the watch began
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
			w.add(notify) // the folder may have been replaced
			w.Changed()
		case event := <-notify.Events:
			if w.matters(filepath.Base(event.Name)) {
				w.Changed()
			}
		case err := <-notify.Errors:
			w.Log.Warn("file notification failed", "error", err)
		}
	}
}

func (w Watcher) poll(ctx context.Context, ticker clock.Ticker) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
			w.Changed()
		}
	}
}

func (w Watcher) matters(name string) bool {
	return strings.HasPrefix(name, "..") || slices.Contains(w.Names, name)
}

// add watches Dir; adding a watched folder again is free.
func (w Watcher) add(notify *fsnotify.Watcher) {
	if err := notify.Add(w.Dir); err != nil {
		w.Log.Debug("folder is not watched yet", "error", fmt.Errorf("watch %s: %w", w.Dir, err))
	}
}
