package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Outcome is how a request ended.
type Outcome string

// The outcomes.
const (
	Allowed     Outcome = "allowed"      // the tool ran and answered
	Denied      Outcome = "denied"       // refused before anything was asked of Make
	RateLimited Outcome = "rate_limited" // refused because the caller, its address or the organization had its share
	Failed      Outcome = "error"        // allowed, but the tool failed
)

// Entry is one line of the log. Empty fields are left out.
type Entry struct {
	// Time is when the request arrived, UTC.
	Time time.Time `json:"time"`
	// AuditID names the line; it is random.
	AuditID string `json:"auditID"`
	// TraceID is the W3C trace id, of the caller's trace where it sent one.
	TraceID string `json:"traceID,omitempty"`
	// Outcome is how it ended, Reason why it was refused or failed, in one word or two; empty when it was allowed.
	Outcome Outcome `json:"outcome"`
	Reason  string  `json:"reason,omitempty"`
	// HTTPStatus is set for requests that were refused before the MCP layer.
	HTTPStatus int `json:"httpStatus,omitempty"`
	// Issuer, Subject and ClientID are the claims of the verified token.
	Issuer   string `json:"iss,omitempty"`
	Subject  string `json:"sub,omitempty"`
	ClientID string `json:"clientID,omitempty"`
	// TokenID is the SHA-256 of the token's jti claim, cut to 16 hexadecimal digits; empty when the token has none.
	TokenID string `json:"tokenID,omitempty"`
	// Method is the MCP method, Tool the name of the tool as the caller wrote it.
	Method string `json:"method,omitempty"`
	Tool   string `json:"tool,omitempty"`
	// LimitClass is the class of calls that the request counts as.
	LimitClass string `json:"limitClass,omitempty"`
	// ScopesNeeded and ScopesHeld are Make scopes; held is what the rules give the caller on this server.
	ScopesNeeded []string `json:"scopesNeeded,omitempty"`
	ScopesHeld   []string `json:"scopesHeld,omitempty"`
	// ArgumentsDigest is the SHA-256 of the arguments as they were sent, hexadecimal.
	ArgumentsDigest string `json:"argumentsDigest,omitempty"`
	// OrganizationID and the IDs after it are Make's.
	OrganizationID int64  `json:"organizationID,omitempty"`
	ScenarioID     int64  `json:"scenarioID,omitempty"`
	ExecutionID    string `json:"executionID,omitempty"`
	// UpstreamStatus is the HTTP status with which Make refused; zero when it did not, or was not asked.
	UpstreamStatus int `json:"upstreamStatus,omitempty"`
	// ProtocolVersion is the MCP revision that the request named.
	ProtocolVersion string `json:"protocolVersion,omitempty"`
	// LatencyMillis is the time from arrival to the end, in milliseconds.
	LatencyMillis int64 `json:"latencyMillis"`
}

// Digest is the SHA-256 of raw in hexadecimal; empty for nothing.
func Digest(raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// tokenIDLength is enough to tell the tokens of one log apart.
const tokenIDLength = 16

// TokenID is what a log may hold of a token's jti claim; empty for none. A jti is no secret, but some issuers put an opaque
// reference token there.
func TokenID(jti string) string {
	if jti == "" {
		return ""
	}
	return Digest([]byte(jti))[:tokenIDLength]
}
