package makesim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
)

// ledger is append-only: the newest entries in memory, all of them line by line in out.
type ledger struct {
	mu      sync.Mutex
	out     io.Writer
	limit   int     // entries that stay in memory; zero is all
	entries []Entry // the newest, oldest first
	last    int64   // Seq of the newest entry
	line    bytes.Buffer
	encoder *json.Encoder // into line
	err     error
}

// newLedger goes on after what a LedgerFile holds.
func newLedger(out io.Writer, limit int) *ledger {
	l := &ledger{out: out, limit: limit}
	l.encoder = json.NewEncoder(&l.line)
	if file, ok := out.(*LedgerFile); ok {
		l.last = file.lastSeq
	}
	return l
}

// append numbers an entry and writes it out before it returns: what was answered is in the file.
func (l *ledger) append(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	e.Seq = l.last
	l.entries = append(l.entries, e)
	if l.limit > 0 && len(l.entries) >= 2*l.limit { // seldom, so that an entry is moved once
		l.entries = slices.Clone(l.entries[len(l.entries)-l.limit:])
	}
	if l.out == nil || l.err != nil {
		return
	}
	l.line.Reset()
	err := l.encoder.Encode(e)
	if err == nil {
		_, err = l.out.Write(l.line.Bytes())
	}
	if err != nil {
		l.err = fmt.Errorf("write ledger: %w", err)
	}
}

// failure is the first error of the writer: a simulator that lost its ledger answers nothing more.
func (l *ledger) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// after returns the entries with a higher Seq; those that left memory from the file, if there is one.
func (l *ledger) after(seq int64) ([]Entry, error) {
	l.mu.Lock()
	kept := l.entries
	first := l.last - int64(len(kept)) // Seq before the oldest in memory
	file, _ := l.out.(*LedgerFile)
	l.mu.Unlock()
	if seq >= first {
		return slices.Clone(kept[min(seq-first, int64(len(kept))):]), nil
	}
	if file == nil {
		return slices.Clone(kept), nil
	}
	old, err := file.between(seq, first)
	if err != nil {
		return nil, err
	}
	return append(old, kept...), nil
}
