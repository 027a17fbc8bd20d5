package makeapi

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"syscall"
)

// maxBody bounds what is read of a response, in bytes. Make's own limit on requests is about half of it.
const maxBody = 4 << 20

// answer is a complete response.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send makes one exchange: a request body written at most once, no redirect
// followed, the whole answer read. once marks a request that must not be repeated
// when its outcome is not known. The *Error it returns has no Op yet.
//
// It uses the round tripper directly, because http.Client would follow
// redirects and would put the URL into its errors.
func (c *Client) send(via http.RoundTripper, req *http.Request, once bool) (answer, *Error) {
	req.Header.Set("User-Agent", c.userAgent)
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", jsonType)
	}
	req.GetBody = nil // the transport could write the body a second time with it

	var connected atomic.Bool
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	resp, err := via.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return answer{}, transportError(ctx, err, once && connected.Load())
	}
	defer func() { _ = resp.Body.Close() }() // read to the end or given up: nothing to learn from it
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	got := answer{status: resp.StatusCode, header: resp.Header, body: body}
	if err == nil && len(body) > maxBody {
		err = errTooLarge
	}
	if err != nil && resp.StatusCode < 300 { // an error answer is told by its status
		return answer{}, transportError(ctx, err, once)
	}
	return got, nil
}

var errTooLarge = errors.New("response is too large")

// transportError says what a failure without a complete answer means. unsure is
// set when a request that must not be repeated may have reached the server.
func transportError(ctx context.Context, err error, unsure bool) *Error {
	e := &Error{Kind: Transient, Reason: reason(err)}
	switch {
	case errors.Is(err, errNotPublic), errors.Is(err, errNotAllowed):
		e.Kind = ZoneNotAllowed
	case unsure:
		e.Kind = UnknownOutcome
	case errors.Is(err, errTooLarge):
		e.Kind = Invalid
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(ctx.Err(), context.Canceled):
		e.cause, e.Reason = context.Canceled, "canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded):
		e.cause, e.Reason = context.DeadlineExceeded, "timeout"
	}
	return e
}

// reason is a fixed phrase for err: the text of an error of net/http may quote
// what the server sent.
func reason(err error) string {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "host name not resolved"
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return "timeout"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "server certificate not trusted"
	}
	// crypto/tls tells of alerts, sent and received, by these operations.
	if e, ok := errors.AsType[*net.OpError](err); ok && (e.Op == "local error" || e.Op == "remote error") {
		return "TLS handshake failed"
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return "server does not speak TLS"
	}
	for _, known := range []error{errNotPublic, errNotAllowed, errTooLarge} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed early"
	default:
		return "transport failed"
	}
}
