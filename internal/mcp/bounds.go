package mcp

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/makeops/make-operator/internal/audit"
)

const (
	// maxBodyBytes bounds a request body.
	maxBodyBytes = 1 << 20
	// maxBodiesBytes bounds all bodies that are held at a time.
	maxBodiesBytes = 16 << 20
	// maxDepth bounds how deep a body nests.
	maxDepth = 64
)

// reasonTooManyAtOnce is the reason of requests of a caller with too many under way.
const reasonTooManyAtOnce = "too_many_at_once"

// bounds limits what is under way.
type bounds struct {
	all, perCaller int
	bodies         *semaphore.Weighted

	mu      sync.Mutex
	total   int
	callers map[string]int
}

func newBounds(all, perCaller int) *bounds {
	return &bounds{all: all, perCaller: perCaller, bodies: semaphore.NewWeighted(maxBodiesBytes), callers: map[string]int{}}
}

// enter counts a request of a caller in; leave counts it out again. A reason says that it may not enter.
func (b *bounds) enter(caller string) (leave func(), reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.callers[caller] >= b.perCaller:
		return nil, reasonTooManyAtOnce
	case b.total >= b.all:
		return nil, "server_busy"
	}
	b.total++
	b.callers[caller]++
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.total--
		if b.callers[caller]--; b.callers[caller] == 0 {
			delete(b.callers, caller)
		}
	}, ""
}

// refuseBusy answers a request that may not enter.
func refuseBusy(w http.ResponseWriter, reason string) string {
	status := http.StatusServiceUnavailable
	if reason == reasonTooManyAtOnce {
		status = http.StatusTooManyRequests
	}
	refuseFor(w, status, time.Second)
	return reason
}

// readBody returns the body, which done gives back, or answers and returns why not.
func (f *front) readBody(w http.ResponseWriter, r *http.Request) (body []byte, done func(), reason string) {
	size := r.ContentLength
	if size > maxBodyBytes {
		w.Header().Set("Connection", "close") // nobody reads the rest
		refuse(w, http.StatusRequestEntityTooLarge)
		return nil, nil, "body_too_large"
	}
	if size < 0 {
		size = maxBodyBytes
	}
	if !f.bounds.bodies.TryAcquire(size) {
		return nil, nil, refuseBusy(w, "server_busy")
	}
	done = func() { f.bounds.bodies.Release(size) }
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if err != nil {
		done()
		return nil, nil, refuseBody(w, err)
	}
	// The deadline was for the request. Left in place it would end the call: net/http takes a read that fails for a caller who left.
	if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		done()
		return nil, nil, refuseBody(w, err)
	}
	return body, done, ""
}

func refuseBody(w http.ResponseWriter, err error) string {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		refuse(w, http.StatusRequestEntityTooLarge)
		return "body_too_large"
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.Header().Set("Connection", "close")
		refuse(w, http.StatusRequestTimeout)
		return "body_too_slow"
	}
	refuse(w, http.StatusBadRequest)
	return "unreadable_body"
}

// tooDeep reports whether JSON nests deeper than limit. What is no JSON is for the parser to refuse.
func tooDeep(raw []byte, limit int) bool {
	depth, inText := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// note says in the audit entry what the caller wants.
func (m message) note(rec *audit.Record, version string) {
	rec.Note(func(e *audit.Entry) { e.Method, e.Tool, e.ProtocolVersion = clip(m.method), m.tool, clip(version) })
}

// withBody is a request whose body has been read.
func withBody(r *http.Request, body []byte) *http.Request {
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r
}
