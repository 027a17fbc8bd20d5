package audit

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// Log writes entries, one at a time. All fields but OrganizationID are required.
type Log struct {
	// Out receives one line per entry, each in one Write.
	Out io.Writer
	// Clock stamps the entries.
	Clock clock.PassiveClock
	// Lost is told of each entry that could not be written.
	Lost func(error)
	// OrganizationID is Make's, written into each entry.
	OrganizationID int64

	mu sync.Mutex
}

// Record is the entry of one request while it is being handled. Several goroutines may touch it: the handler of a call outlives a
// caller who hangs up.
type Record struct {
	log   *Log
	begun time.Time

	mu    sync.Mutex
	entry Entry
	done  bool
}

// Begin opens the record of a request that has just arrived.
func (l *Log) Begin() *Record {
	now := l.Clock.Now()
	return &Record{log: l, begun: now, entry: Entry{Time: now.UTC(), AuditID: rand.Text(), OrganizationID: l.OrganizationID}}
}

// Note lets edit fill in what has become known.
func (r *Record) Note(edit func(*Entry)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	edit(&r.entry)
}

// Finish writes the line; only the first call does.
func (r *Record) Finish(outcome Outcome, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done {
		return
	}
	r.done = true
	r.entry.Outcome, r.entry.Reason = outcome, reason
	r.entry.LatencyMillis = r.log.Clock.Since(r.begun).Milliseconds()
	r.log.write(r.entry)
}

// Open reports whether the request is of this method and its line is not written yet.
func (r *Record) Open(method string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.done && r.entry.Method == method
}

func (l *Log) write(entry Entry) {
	raw, err := json.Marshal(entry)
	if err != nil {
		l.Lost(fmt.Errorf("encode audit entry: %w", err))
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.Out.Write(append(raw, '\n')); err != nil {
		l.Lost(fmt.Errorf("write audit entry: %w", err))
	}
}
