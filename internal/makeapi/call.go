package makeapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// request is one call of the zone API.
type request struct {
	op     string        // verb and object, for errors
	method string        // HTTP method
	path   string        // below /api/v2, with its leading slash, escaped
	query  url.Values    // nil = none
	body   any           // sent as JSON; nil = none
	scope  string        // what Make wants the token to hold; "" = nothing, or not known
	once   bool          // must not be repeated when its outcome is not known
	wait   time.Duration // deadline of the whole exchange; zero = callTimeout
}

// call makes r and decodes the answer into out (nil = ignore it). A refusal is
// told apart by one question to current-authorization.
func (z *Zone) call(ctx context.Context, r request, out any) error {
	failed := z.try(ctx, r, out)
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
	if z.host == "" {
		return &Error{Kind: ZoneNotAllowed, Reason: errNotAllowed.Error()}
	}
	if _, value, _ := strings.Cut(z.cred.Header(), " "); !isToken(value) {
		return &Error{Kind: DeadCredential, Reason: "value is empty or not a token"}
	}
	ctx, cancel := context.WithTimeout(ctx, callDeadline(r))
	defer cancel()
	req, err := z.newRequest(ctx, r)
	if err != nil {
		return &Error{Kind: Invalid, Reason: "request cannot be encoded"}
	}
	got, failed := z.client.send(z.client.api, req, r.once)
	if failed != nil {
		return failed
	}
	if got.status < 200 || got.status > 299 {
		code := parseErrorCode(got.body)
		return &Error{
			Kind:       classify(got.status, code, r.once),
			Status:     got.status,
			Code:       code,
			RetryAfter: retryAfter(got.header.Get("Retry-After"), z.client.clock.Now()),
		}
	}
	if out == nil || json.Unmarshal(got.body, out) == nil {
		return nil
	}
	kind := Transient // a page of some intermediary, most likely
	if r.once {
		kind = UnknownOutcome
	}
	return &Error{Kind: kind, Status: got.status, Reason: "answer not understood"}
}

func (z *Zone) newRequest(ctx context.Context, r request) (*http.Request, error) {
	var body []byte
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return nil, fmt.Errorf("encode body: %w", err)
		}
	}
	target := "https://" + z.host + "/api/v2" + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", z.cred.Header())
	return req, nil
}

func callDeadline(r request) time.Duration {
	if r.wait > 0 {
		return r.wait
	}
	return callTimeout
}
