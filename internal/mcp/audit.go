package mcp

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/makeops/make-operator/internal/mcp/access"
)

// The outcomes of an audited request.
const (
	outcomeAllowed = "allowed" // the tool ran and answered
	outcomeDenied  = "denied"  // refused before anything was asked of Make
	outcomeError   = "error"   // allowed, but the tool failed
)

// auditLine is one line of the audit log: a tools/call, or a request that was refused before it could become one.
// It holds no token, no argument and no address of the caller.
type auditLine struct {
	Time    time.Time `json:"time"`
	AuditID string    `json:"auditID"`
	Outcome string    `json:"outcome"`
	// Reason says why a request was refused or failed, in one word or two; empty when it was allowed.
	Reason string `json:"reason,omitempty"`
	// HTTPStatus is set for requests that were refused before the MCP layer.
	HTTPStatus int    `json:"httpStatus,omitempty"`
	Issuer     string `json:"iss,omitempty"`
	Subject    string `json:"sub,omitempty"`
	ClientID   string `json:"clientID,omitempty"`
	Method     string `json:"method,omitempty"`
	Tool       string `json:"tool,omitempty"`
	// ScopesNeeded and ScopesHeld are Make scopes; held is what the rules give the caller on this server.
	ScopesNeeded []string `json:"scopesNeeded,omitempty"`
	ScopesHeld   []string `json:"scopesHeld,omitempty"`
	// ArgumentsDigest is the SHA-256 of the arguments as they were sent, hexadecimal.
	ArgumentsDigest string `json:"argumentsDigest,omitempty"`
	OrganizationID  int64  `json:"organizationID,omitempty"`
	ScenarioID      int64  `json:"scenarioID,omitempty"`
	ExecutionID     string `json:"executionID,omitempty"`
	ProtocolVersion string `json:"protocolVersion,omitempty"`
	LatencyMillis   int64  `json:"latencyMillis"`
}

// auditor writes audit lines, one at a time.
type auditor struct {
	clock          clock.PassiveClock
	log            *slog.Logger
	organizationID int64

	mu  sync.Mutex
	out io.Writer
}

// record is the audit line of one request while it is being handled. Several goroutines may touch it: the handler of a
// call outlives a caller who hangs up.
type record struct {
	auditor *auditor
	begun   time.Time

	mu   sync.Mutex
	line auditLine
	done bool
}

func (a *auditor) begin() *record {
	now := a.clock.Now()
	return &record{auditor: a, begun: now, line: auditLine{Time: now.UTC(), AuditID: rand.Text(), OrganizationID: a.organizationID}}
}

// note lets edit fill in what has become known.
func (r *record) note(edit func(*auditLine)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	edit(&r.line)
}

// finish writes the line; only the first call does.
func (r *record) finish(outcome, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done {
		return
	}
	r.done = true
	r.line.Outcome, r.line.Reason = outcome, reason
	r.line.LatencyMillis = r.auditor.clock.Since(r.begun).Milliseconds()
	r.auditor.write(r.line)
}

// openCall reports whether the request is a tools/call whose line is not written yet.
func (r *record) openCall() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.done && r.line.Method == methodCallTool
}

func (a *auditor) write(line auditLine) {
	raw, err := json.Marshal(line)
	if err != nil {
		a.log.Error("audit line was lost", "error", err)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, err := a.out.Write(append(raw, '\n')); err != nil {
		a.log.Error("audit line was lost", "error", err)
	}
}

// digest is the SHA-256 of raw in hexadecimal; empty for nothing.
func digest(raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

type contextKey int

const (
	recordKey contextKey = iota
	callerKey
)

// caller is a verified principal and what the rules give it.
type caller struct {
	principal access.Principal
	grants    access.Grants
}

func recordFrom(ctx context.Context) *record {
	r, _ := ctx.Value(recordKey).(*record)
	return r
}

// callerFrom returns the zero caller, who may do nothing, when there is none.
func callerFrom(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey).(caller)
	return c
}
