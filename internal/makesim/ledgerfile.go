package makesim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// LedgerFile is a ledger on disk, for Options.Ledger: lines of JSON, one Entry each. A process that is killed
// loses no entry of an answered request, and the next one goes on in the same file with the numbers that follow.
type LedgerFile struct {
	file       *os.File
	lastSeq    int64
	lastNumber int64
}

// OpenLedger opens a ledger file, or makes one. A last line that a crash cut off is removed.
func OpenLedger(name string) (*LedgerFile, error) {
	file, err := os.OpenFile(filepath.Clean(name), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	l := &LedgerFile{file: file}
	if err := l.resume(); err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger %s: %w", name, err), file.Close())
	}
	return l, nil
}

// resume finds the highest numbers and where the last whole line ends.
func (l *LedgerFile) resume() error {
	info, err := l.file.Stat()
	if err != nil || !info.Mode().IsRegular() { // a pipe or a terminal starts anew
		return err
	}
	whole := int64(0)
	err = l.lines(func(line []byte) error {
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil || e.Seq <= l.lastSeq {
			return fmt.Errorf("after entry %d: not a ledger", l.lastSeq)
		}
		l.lastSeq, l.lastNumber = e.Seq, max(l.lastNumber, e.Number)
		whole += int64(len(line))
		return nil
	})
	if err != nil || whole == info.Size() {
		return err
	}
	return l.file.Truncate(whole)
}

// lines passes each whole line, from the beginning.
func (l *LedgerFile) lines(do func(line []byte) error) error {
	reader := bufio.NewReaderSize(io.NewSectionReader(l.file, 0, 1<<62), 1<<16)
	for {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil // also of the line that is being written
		}
		if err != nil {
			return err
		}
		if err := do(line); err != nil {
			return err
		}
	}
}

// between returns the entries whose Seq is above low and not above high.
func (l *LedgerFile) between(low, high int64) ([]Entry, error) {
	var entries []Entry
	err := l.lines(func(line []byte) error {
		var e Entry
		if err := json.Unmarshal(bytes.TrimSpace(line), &e); err != nil {
			return fmt.Errorf("read ledger: %w", err)
		}
		if e.Seq > low && e.Seq <= high {
			entries = append(entries, e)
		}
		return nil
	})
	return entries, err
}

// Write appends; it is for the simulator.
func (l *LedgerFile) Write(p []byte) (int, error) { return l.file.Write(p) }

// Close closes the file.
func (l *LedgerFile) Close() error { return l.file.Close() }
