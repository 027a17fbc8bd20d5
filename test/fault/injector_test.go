package fault

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// injector numbers the requests of one manager, and disturbs one of them. Its zero value lets everything pass.
type injector struct {
	// kill ends the process that sent the request, stop holds it.
	kill, stop, terminate func()

	mu    sync.Mutex
	on    bool
	seen  map[string]int
	order []point
	fault fault
	call  func() // of callAfter and skewAfter
	met   time.Time
	busy  time.Time // when the last request that changes something, or goes to Make, was seen
}

// arm begins to number requests, and disturbs the one that f names; the zero fault disturbs none.
func (i *injector) arm(f fault, call func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.on, i.seen, i.order, i.fault, i.call, i.met = true, map[string]int{}, nil, f, call, time.Time{}
}

// disarm lets everything pass again, and returns what was seen.
func (i *injector) disarm() []point {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.on, i.fault = false, fault{}
	return i.order
}

// metAt is when the fault was met; zero before.
func (i *injector) metAt() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.met
}

// quietFor is how long nothing was changed, and nothing asked of Make.
func (i *injector) quietFor() time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	return time.Since(i.busy)
}

// meet counts a request and says how to disturb it.
func (i *injector) meet(signature string) (kind, point) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if p := (point{signature: signature}); !p.reads() && !p.aside() {
		i.busy = time.Now()
	}
	if !i.on {
		return undisturbed, point{}
	}
	i.seen[signature]++
	p := point{signature, i.seen[signature]}
	i.order = append(i.order, p)
	if i.fault.at != p || i.fault.kind == undisturbed {
		return undisturbed, p
	}
	i.met = time.Now()
	return i.fault.kind, p
}

// refusal is an answer in place of the server's.
type refusal func(w http.ResponseWriter, r *http.Request, status int)

// serve lets a request pass to next, or disturbs it.
func (i *injector) serve(w http.ResponseWriter, r *http.Request, signature string, next http.Handler, refuse refusal) {
	k, p := i.meet(signature)
	if k == undisturbed {
		next.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	commit := func() *httptest.ResponseRecorder { // also where the client has left
		again := r.Clone(context.WithoutCancel(r.Context()))
		again.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, again)
		return answer
	}
	switch k {
	case dieBefore:
		i.kill()
	case dieAfter:
		commit()
		i.kill()
	case replyLost:
		commit()
	case terminated:
		answer := commit()
		i.terminate()
		time.Sleep(time.Second) //nolint:forbidigo // the process has begun to end by then, and still waits for the reply
		pass(w, answer)
		return
	case conflict:
		refuse(w, r, http.StatusConflict)
		return
	case tooMany:
		w.Header().Set("Retry-After", "1")
		refuse(w, r, http.StatusTooManyRequests)
		return
	case errorAfter:
		commit()
		refuse(w, r, http.StatusInternalServerError)
		return
	case delayed:
		pass(w, late(p, commit))
		return
	case stopAfter:
		answer := commit()
		i.stop()
		i.call()
		pass(w, answer)
		return
	case skewAfter, callAfter:
		answer := commit()
		i.call()
		pass(w, answer)
		return
	}
	panic(http.ErrAbortHandler) // how net/http cuts a connection
}

// late is an answer that comes after its deadline. Make has done its part by then; of the API server the write itself is late.
func late(p point, commit func() *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	if !p.toMake() {
		time.Sleep(p.hold()) //nolint:forbidigo // a delay in real time is what is tested
		return commit()
	}
	answer := commit()
	time.Sleep(p.hold()) //nolint:forbidigo // a delay in real time is what is tested
	return answer
}

// pass hands on a recorded answer.
func pass(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the client may have left
}
