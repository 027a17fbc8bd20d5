package makeapi

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// maxRetryAfter bounds what a server can ask to wait.
const maxRetryAfter = 24 * time.Hour

// codeForm is the form of Make's error codes. Anything else in their place is
// not repeated in an error, since it could be anything.
// Source: the error examples of Make's OpenAPI document (SC403, IM004, …).
var codeForm = regexp.MustCompile(`^[A-Z]{2}[0-9]{3,4}$`)

// codeKinds are the codes that say more than their status does.
// Source: the list of error codes in Make's OpenAPI document.
var codeKinds = map[string]Kind{
	"IM001": MissingRole, // access denied
	"IM002": MissingRole, // insufficient rights
	"IM003": PlanLimit,   // storage full
	"IM004": NeedsConfirmation,
	"IM007": NotFound,  // module
	"IM011": PlanLimit, // limit exceeded
	"IM016": Conflict,  // not allowed in this state
	"IM027": PlanLimit, // custom properties are off
	"IM304": NotFound,  // connection
	"IM903": PlanLimit, // private spaces are off
}

// parseErrorCode finds Make's error code in the body of an error answer; "" when
// there is none, or the body is not JSON (some refusals are plain text).
func parseErrorCode(body []byte) string {
	var members map[string]json.RawMessage
	var code string
	if json.Unmarshal(body, &members) != nil || json.Unmarshal(members["code"], &code) != nil {
		return ""
	}
	return codeForm.FindString(code)
}

// classify says what an answer of the zone API other than 2xx means. once marks a
// request that must not be repeated. DeadCredential and MissingRole are first
// readings: Make does not tell a dead token, a missing scope and a missing role apart (refine does).
func classify(status int, code string, once bool) Kind {
	if kind, ok := codeKinds[code]; ok && status >= 400 && status < 500 {
		return kind
	}
	switch {
	case status >= 500, status == http.StatusFailedDependency, status == http.StatusRequestTimeout:
		// 408 too: a responsive run that outlives Make's 40 s times out and runs on.
		if once {
			return UnknownOutcome
		}
		return Transient
	case status == http.StatusUnauthorized:
		return DeadCredential
	case status == http.StatusForbidden:
		return MissingRole
	}
	switch status {
	case http.StatusPaymentRequired:
		return PlanLimit
	case http.StatusNotFound, http.StatusGone:
		return NotFound
	case http.StatusNotAcceptable:
		return NeedsConfirmation
	case http.StatusConflict, http.StatusLocked:
		return Conflict
	case http.StatusTooManyRequests:
		return RateLimited
	case http.StatusTeapot, http.StatusMisdirectedRequest, http.StatusTooEarly:
		return Transient
	default: // 400, 413, 422, and redirects, which are not followed
		return Invalid
	}
}

// refine tells a refusal's three causes apart by what current-authorization said:
// needs is the scope that the refused call wants ("" = none is known), probe the
// error of that question.
func refine(needs string, held []string, probe error) Kind {
	switch kind := KindOf(probe); {
	case probe == nil && needs != "" && !slices.Contains(held, needs):
		return MissingScope
	case probe == nil:
		return MissingRole
	case kind == DeadCredential, kind == RateLimited:
		return kind
	default: // the refused call was not processed, so asking again later is safe
		return Transient
	}
}

// retryAfter reads a Retry-After header, in seconds or as an HTTP date (RFC 9110
// §10.2.3); zero when absent, past or not understood.
func retryAfter(header string, now time.Time) time.Duration {
	var d time.Duration
	if seconds, err := strconv.ParseUint(header, 10, 32); err == nil {
		d = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
}
