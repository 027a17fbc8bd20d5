package mcp

import (
	"errors"
	"net/http"
	"strings"

	"github.com/makeops/make-operator/internal/mcp/access"
)

// authenticate verifies the bearer token and returns the caller, or answers and returns why.
func (f *front) authenticate(w http.ResponseWriter, r *http.Request, rec *record) (caller, string) {
	if r.URL.Query().Has("access_token") {
		// RFC 6750 §2.3 and MCP forbid tokens in URLs: they end up in logs.
		refuse(w, http.StatusBadRequest)
		return caller{}, "token_in_query"
	}
	token, ok := bearerToken(r.Header)
	if !ok {
		f.resource.challenge(w, "", f.resource.scopes)
		refuse(w, http.StatusUnauthorized)
		return caller{}, "no_bearer_token"
	}
	principal, err := f.verifier.Verify(r.Context(), token)
	if err != nil {
		return caller{}, f.refuseToken(w, err)
	}
	who := caller{principal: principal, grants: access.GrantsFor(principal, f.rules, f.ceiling)}
	rec.note(func(l *auditLine) {
		l.Issuer, l.Subject, l.ClientID = principal.Issuer, principal.Subject, principal.ClientID
		l.ScopesHeld = who.grants.Scopes()
	})
	if len(who.grants) == 0 {
		refuse(w, http.StatusForbidden)
		return caller{}, "no_access_rule"
	}
	return who, ""
}

// refuseToken answers a token that was not accepted. All reasons look the same to the caller.
func (f *front) refuseToken(w http.ResponseWriter, err error) string {
	invalid, isInvalid := errors.AsType[*access.InvalidTokenError](err)
	if !isInvalid {
		f.log.Warn("token could not be judged", "error", err)
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable)
		return "issuer_keys_unavailable"
	}
	f.resource.challenge(w, "invalid_token", f.resource.scopes)
	refuse(w, http.StatusUnauthorized)
	return "invalid_token_" + string(invalid.Reason)
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
