package makeapi

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Kind says what a failed call means for the caller's next move.
type Kind int

// The kinds of failure. Their order carries no meaning.
const (
	// Unknown is an error that is not of this package: retry with backoff.
	Unknown Kind = iota
	// DeadCredential: Make does not know the token any more, or it is no token at all. Get another.
	DeadCredential
	// MissingScope: the token is alive but lacks the scope in Error.Scope. Ask for it.
	MissingScope
	// MissingRole: the token and its scopes are right, the user's role or organization is not.
	MissingRole
	// NotFound: no such object, or Make hides it from this user.
	NotFound
	// NeedsConfirmation: Make wants the same request with confirmed=true.
	NeedsConfirmation
	// PlanLimit: the plan lacks the feature or its quota is used up. Only the account's owner can change that.
	PlanLimit
	// RateLimited: too many calls for the organization; wait RetryAfter, or about a minute if it is zero.
	RateLimited
	// Conflict: the object's present state refuses (busy, inactive, locked). Another state may accept.
	Conflict
	// Invalid: the request or the answer is not what the other side understands; repeating it changes nothing.
	Invalid
	// Transient: certainly not processed, or safe to repeat. Retry with backoff, not before RetryAfter.
	Transient
	// UnknownOutcome: a request that must not be repeated blindly may or may not have been processed.
	UnknownOutcome
	// ZoneNotAllowed: the host is outside the allow-list, or resolves to an address that is not public. Nothing was sent.
	ZoneNotAllowed
	// InvalidGrant: the authorization code or refresh token is used, expired or revoked (RFC 6749 §5.2).
	InvalidGrant
	// InvalidClient: the authorization server does not accept client ID and secret (RFC 6749 §5.2).
	InvalidClient
)

// String is the kind in words, lower case, fit for a message.
func (k Kind) String() string {
	switch k {
	case DeadCredential:
		return "dead credential"
	case MissingScope:
		return "missing scope"
	case MissingRole:
		return "missing role"
	case NotFound:
		return "not found"
	case NeedsConfirmation:
		return "needs confirmation"
	case PlanLimit:
		return "plan limit"
	case RateLimited:
		return "rate limited"
	case Conflict:
		return "conflict"
	case Invalid:
		return "invalid"
	case Transient:
		return "transient"
	case UnknownOutcome:
		return "unknown outcome"
	case ZoneNotAllowed:
		return "zone not allowed"
	case InvalidGrant:
		return "invalid grant"
	case InvalidClient:
		return "invalid client"
	default:
		return "unknown"
	}
}

// Error is every error that this package returns. It never holds a URL, a body
// or a token, so that it may be logged and shown as it is.
type Error struct {
	// Kind is what the failure means.
	Kind Kind
	// Status is the HTTP status; zero when no answer came.
	Status int
	// Code is Make's error code ("SC403") or the OAuth one ("invalid_grant"); "" when the answer named none that is known.
	Code string
	// Op is what was tried, as verb and object: "list scenarios".
	Op string
	// Scope is the scope that the token lacks; set for MissingScope only.
	Scope string
	// Reason is a fixed phrase for failures that no HTTP status tells ("connection refused"); "" otherwise.
	Reason string
	// Details are what Make says of single parameters, in its words as far as these cannot hold a secret, at most five;
	// nil when it says nothing. Error leaves them out.
	Details []string
	// RetryAfter is how long to wait, asked by the server or owed to the budget; zero means that no delay is known.
	RetryAfter time.Duration

	// cause is a context error or nil: other causes may quote what the server sent.
	cause error
}

// Error is "op: kind (status code)", for example "list scenarios: missing scope (403 SC403)".
func (e *Error) Error() string {
	var details []string
	if e.Status != 0 {
		details = append(details, strconv.Itoa(e.Status))
	}
	for _, s := range []string{e.Code, e.Reason} {
		if s != "" {
			details = append(details, s)
		}
	}
	text := e.Op + ": " + e.Kind.String()
	if len(details) > 0 {
		text += " (" + strings.Join(details, " ") + ")"
	}
	return text
}

// Unwrap is context.Canceled, context.DeadlineExceeded or nil.
func (e *Error) Unwrap() error { return e.cause }

// KindOf is the kind of the *Error in err's tree, or Unknown.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Unknown
}
