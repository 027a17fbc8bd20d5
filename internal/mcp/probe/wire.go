package probe

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"syscall"
)

// maxBodyBytes bounds one answer: a server must not fill the memory of who looks at it.
const maxBodyBytes = 8 << 20

// wire is the HTTP below one probe. It adds the token, bounds the answers and remembers what went wrong, because the layers above
// turn a status into text.
type wire struct {
	base  *http.Transport
	token string

	mu     sync.Mutex
	status int   // of the last answer
	err    error // of the last request that got none
}

func newWire(endpoint, token string) *wire {
	return &wire{token: token, base: &http.Transport{DialContext: dialOnly(endpoint), MaxIdleConns: 1}}
}

// client never follows a redirect: the token is for this server alone.
func (w *wire) client() *http.Client {
	return &http.Client{Transport: w, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+w.token)
	res, err := w.base.RoundTrip(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err = err; err != nil {
		return nil, err
	}
	w.status = res.StatusCode
	res.Body = &boundedBody{Reader: io.LimitReader(res.Body, maxBodyBytes), Closer: res.Body}
	return res, nil
}

// boundedBody is a body that ends early.
type boundedBody struct {
	io.Reader
	io.Closer
}

// explain says what went wrong on the wire, or else that what came over it was no MCP. Other errors hold what the server wrote.
func (w *wire) explain(ctx context.Context, err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return errors.New("the server did not answer in time")
	case errors.Is(w.err, syscall.ECONNREFUSED):
		return errors.New("the server refused the connection")
	case w.err != nil:
		return errors.New("the connection to the server failed")
	case w.status < 200 || w.status >= 300:
		return refused(w.status)
	default:
		return &ProtocolError{err: err}
	}
}

// ProtocolError means that the server answered, but not as an MCP server does.
type ProtocolError struct{ err error }

func (*ProtocolError) Error() string { return "the server did not answer as an MCP server" }

// Unwrap returns the cause. It may hold what the server wrote: show it to nobody.
func (e *ProtocolError) Unwrap() error { return e.err }
