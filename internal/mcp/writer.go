package mcp

import (
	"net/http"
	"time"

	"k8s.io/utils/clock"
)

const (
	// readerPatience is how long a caller may take for one piece of an answer.
	readerPatience = 10 * time.Second
	// pieceBytes is how much of an answer is written at a time.
	pieceBytes = 32 << 10
	// answerPatience is how long after the end of its call a caller may read the answer.
	answerPatience = 30 * time.Second
)

// writer remembers the status, and lets no slow reader hold an answer in memory: each piece has to be taken in time, and the whole
// answer too. Its times are those of sockets, so no clock can be injected.
type writer struct {
	http.ResponseWriter
	control *http.ResponseController
	status  int
	until   time.Time // when the whole answer has to be taken; zero: no such time
}

func newWriter(w http.ResponseWriter) *writer {
	return &writer{ResponseWriter: w, control: http.NewResponseController(w)}
}

// endAfter bounds the whole answer, and the time until its first piece.
func (w *writer) endAfter(d time.Duration) {
	w.until = clock.RealClock{}.Now().Add(d)
	w.rest()
}

// WriteHeader implements http.ResponseWriter.
func (w *writer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *writer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	written := 0
	for {
		w.extend()
		n, err := w.ResponseWriter.Write(p[written:min(len(p), written+pieceBytes)])
		written += n
		if err != nil || written >= len(p) {
			w.rest()
			return written, err
		}
	}
}

// FlushError implements what http.ResponseController looks for.
func (w *writer) FlushError() error {
	w.extend()
	defer w.rest()
	return w.control.Flush()
}

// finish gives the reader time for what is still buffered.
func (w *writer) finish() { w.extend() }

// rest leaves time for the next piece to come into being: with HTTP/2 a deadline ends the answer even while nothing is written.
func (w *writer) rest() {
	if !w.until.IsZero() {
		_ = w.control.SetWriteDeadline(w.until)
	}
}

// extend gives the reader time for the next piece. A connection without deadlines is one of a test.
func (w *writer) extend() {
	deadline := clock.RealClock{}.Now().Add(readerPatience)
	if !w.until.IsZero() && w.until.Before(deadline) {
		deadline = w.until
	}
	_ = w.control.SetWriteDeadline(deadline)
}

// Unwrap lets http.ResponseController reach what is below.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
