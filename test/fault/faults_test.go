package fault

import (
	"slices"
	"strings"
	"time"
)

// kind is how a request is disturbed.
type kind string

// The kinds. "After" means that the server did what was asked.
const (
	undisturbed kind = ""
	dieBefore   kind = "die-before" // SIGKILL, and the request is never sent
	dieAfter    kind = "die-after"  // the server commits, SIGKILL, the reply is never read
	replyLost   kind = "reply-lost" // the server commits, and the connection is cut
	conflict    kind = "409"        // refused
	tooMany     kind = "429"        // refused, with Retry-After: 1
	errorAfter  kind = "500-after"  // the server commits and answers an error
	delayed     kind = "delay"      // beyond the deadline, see hold
	terminated  kind = "sigterm"    // the server commits, and SIGTERM comes before the reply
	stopAfter   kind = "stop-after" // the server commits, and SIGSTOP comes before the reply
	skewAfter   kind = "skew-after" // the server commits, and the manager's clock jumps before the reply
	callAfter   kind = "call-after" // the server commits, and then the test has its turn
)

// kinds are those that the sweep tries on every request.
var kinds = []kind{dieBefore, dieAfter, replyLost, conflict, tooMany, errorAfter, delayed, terminated}

// kills reports whether the process dies.
func (k kind) kills() bool { return k == dieBefore || k == dieAfter }

// losesReply reports whether the server does what was asked, and the client does not learn it.
func (k kind) losesReply() bool {
	return slices.Contains([]kind{dieAfter, replyLost, errorAfter, delayed}, k)
}

// point is a request: the nth of its signature since the scenario's event.
type point struct {
	signature string
	nth       int
}

// fault is one disturbed request.
type fault struct {
	at   point
	kind kind
}

// Parts of signatures.
const (
	apiSide      = "api "
	makeSide     = "make "
	tokenRefresh = "make POST /oauth/v2/token refresh_token"
	grantWrite   = "/secrets/make-grant-"
)

func (p point) toMake() bool { return strings.HasPrefix(p.signature, makeSide) }

// reads reports whether the request leaves everything as it is.
func (p point) reads() bool {
	return !p.toMake() && slices.ContainsFunc([]string{"api GET ", "api LIST ", "api WATCH "}, func(prefix string) bool {
		return strings.HasPrefix(p.signature, prefix)
	})
}

// aside reports whether the request is made beside the work, and nothing waits for it.
func (p point) aside() bool {
	return strings.Contains(p.signature, "/events") || strings.HasPrefix(p.signature, "api WATCH ")
}

// Longest times that the manager waits for a reply: internal/rotation's presentTimeout, internal/makeapi's callTimeout, and of the
// API server the budget of a refresh, which is counted from before its announcement.
const (
	pastRefresh = 21 * time.Second
	pastCall    = 31 * time.Second
	pastBudget  = 31 * time.Second
)

// hold is how long a delayed reply, or a delayed write of the API server, takes.
func (p point) hold() time.Duration {
	switch {
	case p.signature == tokenRefresh:
		return pastRefresh
	case p.toMake():
		return pastCall
	}
	return pastBudget
}
