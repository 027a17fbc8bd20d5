package makeapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// request is one call of the zone API.
type request struct {
	op     string        // verb and object, for errors
	method string        // HTTP method
	path   string        // below /api/v2, with its leading slash, escaped
	query  url.Values    // nil = none
	body   any           // sent as JSON, a rawBody as it is; nil = none
	scope  string        // what Make wants the token to hold; "" = nothing, or not known
	once   bool          // must not be repeated when its outcome is not known, and is never repeated by this package
	free   bool          // Make does not count it
	accept string        // media types; "" = JSON
	wait   time.Duration // deadline of the whole exchange; zero = callTimeout
}

// rawBody is a body that is not made of a Go value.
type rawBody struct {
	contentType string
	content     []byte
}

// call makes r and decodes the answer into out (nil = ignore it). A refusal is
// told apart by one question to current-authorization.
func (z *Zone) call(ctx context.Context, r request, out any) error {
	failed := z.deliver(ctx, r, out)
	if failed == nil {
		return nil
	}
	failed.Op = r.op
	refused := failed.Status != 0 && (failed.Kind == DeadCredential || failed.Kind == MissingRole)
	if !refused {
		return failed
	}
	if r.path == currentAuthorizationPath {
		if failed.Kind == MissingRole && failed.Code == "" {
			failed.Kind = Transient // needs no role, and Make names a code: this is its edge speaking
		}
		return failed
	}
	auth, err := z.CurrentAuthorization(ctx)
	failed.Kind = refine(r.scope, auth.Scopes, err)
	if failed.Kind == MissingScope {
		failed.Scope = r.scope
	}
	if probe, ok := errors.AsType[*Error](err); ok {
		failed.RetryAfter, failed.cause = probe.RetryAfter, probe.cause
	}
	return failed
}

// try is one exchange, classified.
func (z *Zone) try(ctx context.Context, r request, out any) *Error {
	body, err := r.encode()
	if err != nil {
		return &Error{Kind: Invalid, Reason: "request cannot be encoded"}
	}
	ctx, cancel := context.WithTimeout(ctx, callDeadline(r))
	defer cancel()
	req, err := z.newRequest(ctx, r, body)
	if err != nil {
		return &Error{Kind: Invalid, Reason: "request cannot be encoded"}
	}
	got, failed := z.send(req, r.once)
	if failed != nil {
		return failed
	}
	if got.status < 200 || got.status > 299 {
		code := parseErrorCode(got.body)
		return &Error{
			Kind:       classify(got.status, code, r.once),
			Status:     got.status,
			Code:       code,
			Details:    parseDetails(got.body, said(z.cred, r.query, body.content)),
			RetryAfter: retryAfter(got.header.Get("Retry-After"), z.client.clock.Now()),
		}
	}
	if got.decode(out) == nil {
		return nil
	}
	kind := Transient // a page of some intermediary, most likely
	if r.once {
		kind = UnknownOutcome
	}
	return &Error{Kind: kind, Status: got.status, Reason: "answer not understood"}
}

// send is Client.send for the zone's API, unless the zone has been failing.
func (z *Zone) send(req *http.Request, once bool) (answer, *Error) {
	done, failed := z.state.allow()
	if failed != nil {
		return answer{}, failed
	}
	if z.calls != nil {
		z.calls.Add(1)
	}
	got, failed := z.client.send(z.client.api, req, once)
	done(got.status, failed)
	return got, failed
}

// decode reads the body into out; nil ignores it, an *Answer takes it as it is.
func (a answer) decode(out any) error {
	switch out := out.(type) {
	case nil:
		return nil
	case *Answer:
		return out.read(a)
	default:
		return json.Unmarshal(a.body, out)
	}
}

func (r request) encode() (rawBody, error) {
	switch body := r.body.(type) {
	case nil:
		return rawBody{}, nil
	case rawBody:
		return body, nil
	default:
		content, err := json.Marshal(body)
		return rawBody{contentType: "application/json", content: content}, err
	}
}

func callDeadline(r request) time.Duration {
	if r.wait > 0 {
		return r.wait
	}
	return callTimeout
}

func (z *Zone) newRequest(ctx context.Context, r request, body rawBody) (*http.Request, error) {
	target := "https://" + z.host + "/api/v2" + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(body.content))
	if err != nil {
		return nil, err
	}
	if body.contentType != "" {
		req.Header.Set("Content-Type", body.contentType)
	}
	if r.accept != "" {
		req.Header.Set("Accept", r.accept)
	}
	req.Header.Set("Authorization", z.cred.Header())
	return req, nil
}
