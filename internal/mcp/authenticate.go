package mcp

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/makeops/make-operator/internal/audit"
	"github.com/makeops/make-operator/internal/mcp/access"
)

// authenticate verifies the bearer token and returns the caller, or answers and returns why.
func (f *front) authenticate(w http.ResponseWriter, r *http.Request, rec *audit.Record) (caller, string) {
	if r.URL.Query().Has("access_token") {
		// RFC 6750 §2.3 and MCP forbid tokens in URLs: they end up in logs.
		return caller{}, f.refuseCaller(w, r, http.StatusBadRequest, "token_in_query")
	}
	token, ok := bearerToken(r.Header)
	if !ok {
		f.resource.challenge(w, "", f.resource.scopes)
		return caller{}, f.refuseCaller(w, r, http.StatusUnauthorized, "no_bearer_token")
	}
	verify := f.verifier.Verify
	wait, blocked := f.failing.blocked(f.address(r))
	if blocked {
		verify = f.verifier.VerifyOffline
	}
	principal, err := verify(r.Context(), token)
	if errors.Is(err, access.ErrReviewNeeded) {
		refuseFor(w, http.StatusTooManyRequests, wait)
		return caller{}, reasonTooManyFailures
	}
	if err != nil {
		return caller{}, f.refuseToken(w, r, err)
	}
	who := caller{principal: principal, grants: access.GrantsFor(principal, f.rules, f.ceiling)}
	rec.Note(func(e *audit.Entry) {
		e.Issuer, e.Subject, e.ClientID = principal.Issuer, principal.Subject, principal.ClientID
		e.TokenID, e.ScopesHeld = audit.TokenID(principal.TokenID), who.grants.Scopes()
	})
	if len(who.grants) == 0 {
		refuse(w, http.StatusForbidden)
		return caller{}, "no_access_rule"
	}
	return who, ""
}

// refuseToken answers a token that was not accepted. All reasons look the same to the caller.
func (f *front) refuseToken(w http.ResponseWriter, r *http.Request, err error) string {
	invalid, isInvalid := errors.AsType[*access.InvalidTokenError](err)
	if !isInvalid {
		f.log.Warn("token could not be judged", "error", err)
		refuseFor(w, http.StatusServiceUnavailable, 5*time.Second)
		return "issuer_unavailable"
	}
	f.resource.challenge(w, "invalid_token", f.resource.scopes)
	return f.refuseCaller(w, r, http.StatusUnauthorized, "invalid_token_"+string(invalid.Reason))
}

// refuseCaller answers a request without a good token: as the status says, until the caller's address has sent too many of them.
func (f *front) refuseCaller(w http.ResponseWriter, r *http.Request, status int, reason string) string {
	if throttled := f.failed(w, r, reason); throttled != "" {
		return throttled
	}
	refuse(w, status)
	return reason
}

// bearerToken returns the token of the one Authorization header. Source: RFC 6750 §2.1; the scheme is case-insensitive
// (RFC 9110 §11.1).
func bearerToken(h http.Header) (string, bool) {
	values := h.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, token, found := strings.Cut(values[0], " ")
	if !found || !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsAny(token, " \t,") {
		return "", false
	}
	return token, true
}
