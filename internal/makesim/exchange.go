package makesim

import (
	"net/http"
	"strconv"
)

// slowParts is how many parts a slow body arrives in.
const slowParts = 8

// exchange is one request under way: where its answer goes and what the ledger will say about it. It is the
// ResponseWriter of the handlers, and disturbs what they write where a fault says so.
type exchange struct {
	http.ResponseWriter
	number int64
	record RequestRecord

	discard  bool   // the answer is computed, then thrown away
	truncate bool   // only the first half of the body is sent
	slow     func() // waits before each part of a body; nil sends it at once
}

// Header returns the answer's header; of an answer that is thrown away, a scratch one.
func (x *exchange) Header() http.Header {
	if x.discard {
		return http.Header{}
	}
	return x.ResponseWriter.Header()
}

// WriteHeader notes the status for the ledger and sends it unless the answer is thrown away.
func (x *exchange) WriteHeader(status int) {
	x.record.Status = status
	if !x.discard && !x.truncate { // a truncated answer must announce its length first
		x.ResponseWriter.WriteHeader(status)
	}
}

// Write sends a part of the body unless the answer is thrown away.
func (x *exchange) Write(p []byte) (int, error) {
	switch {
	case x.discard:
		return len(p), nil
	case x.truncate:
		x.Header().Set("Content-Length", strconv.Itoa(len(p)))
		x.ResponseWriter.WriteHeader(x.record.Status)
		if _, err := x.ResponseWriter.Write(p[:len(p)/2]); err != nil {
			return 0, err
		}
		return len(p), http.NewResponseController(x.ResponseWriter).Flush()
	case x.slow != nil:
		return x.writeSlowly(p)
	}
	return x.ResponseWriter.Write(p)
}

func (x *exchange) writeSlowly(p []byte) (int, error) {
	size, sent := len(p)/slowParts+1, 0
	for sent < len(p) {
		x.slow()
		n, err := x.ResponseWriter.Write(p[sent:min(sent+size, len(p))])
		sent += n
		if err != nil {
			return sent, err
		}
		if err := http.NewResponseController(x.ResponseWriter).Flush(); err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// replace sends an answer in place of the one that was thrown away. The ledger keeps the status of the latter.
func (x *exchange) replace(r reply) {
	status := x.record.Status
	x.discard = false
	write(x, r)
	x.record.Status = status
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }
