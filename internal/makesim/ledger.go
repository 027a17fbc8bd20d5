package makesim

import (
	"slices"
	"time"
)

// Entry is one line of the ledger: either a request or something that happened to a token.
// It never holds a token value, only fingerprints (see Fingerprint).
type Entry struct {
	// Seq counts entries from 1 without gaps.
	Seq int64 `json:"seq"`
	// Time is the simulator's clock, UTC.
	Time time.Time `json:"time"`
	// Number counts requests from 1; entries with the same number belong to the same request. Zero: the seed
	// or a control call. A request's own entry comes after those of the tokens that it touched.
	Number int64 `json:"number"`
	// Request is set for a request that has ended.
	Request *RequestRecord `json:"request,omitempty"`
	// Token is set for an event in the life of a token.
	Token *TokenRecord `json:"token,omitempty"`
}

// RequestRecord says who asked for what and how it ended.
type RequestRecord struct {
	Method string `json:"method"`
	// Path has neither query nor token: a segment that is a token value reads "[redacted]".
	Path string `json:"path"`
	// Status is what was answered, or would have been without Fault; zero when nothing was processed.
	Status int `json:"status"`
	// Fault is the kind of the injected fault, empty without one.
	Fault FaultKind `json:"fault,omitempty"`
	// Credential is the fingerprint of the value in the Authorization header, empty without one.
	Credential string `json:"credential,omitempty"`
	// CredentialState is that token's state when it was presented; "unknown" for a value never issued.
	CredentialState TokenState `json:"credentialState,omitempty"`
	// ClientID is the OAuth client that authenticated at the authorization server.
	ClientID string `json:"clientID,omitempty"`
	// OrganizationID is the organization whose budget paid, zero for none.
	OrganizationID int64 `json:"organizationID,omitempty"`
	// Remote is the peer's address, UserAgent what it calls itself: together they tell processes apart.
	Remote    string `json:"remote"`
	UserAgent string `json:"userAgent,omitempty"`
}

// TokenEvent names what happened to a token.
type TokenEvent string

// The events. API and access tokens are presented with every request, so their presentations are in the
// requests' entries; refresh tokens and codes have an entry of their own for each.
const (
	TokenMinted    TokenEvent = "minted"    // came into being
	TokenPresented TokenEvent = "presented" // a refresh token or code reached the token endpoint
	TokenRotated   TokenEvent = "rotated"   // a refresh token got a successor
	TokenRevoked   TokenEvent = "revoked"   // revoked by its owner, by reuse of its family, or by control
	TokenDeleted   TokenEvent = "deleted"   // an API token was deleted through the API
	TokenExpired   TokenEvent = "expired"   // first seen after its life was over
	TokenRefused   TokenEvent = "refused"   // was asked for and not minted
)

// Outcome is what the token endpoint made of a refresh token or code.
type Outcome string

// The outcomes of a presentation.
const (
	OutcomeOK      Outcome = "ok"      // accepted, also as a retry where the refresh class allows one
	OutcomeReuse   Outcome = "reuse"   // was used before
	OutcomeExpired Outcome = "expired" // its life was over
	OutcomeRevoked Outcome = "revoked" // had been revoked
	OutcomeUnknown Outcome = "unknown" // never issued
	OutcomeRefused Outcome = "refused" // right token, wrong client, verifier, redirect URI or scope
	OutcomeDropped Outcome = "dropped" // a fault ended the request before it was processed
)

// TokenRecord is one event in the life of a token.
type TokenRecord struct {
	Event TokenEvent `json:"event"`
	Kind  TokenKind  `json:"kind"`
	// Token is its fingerprint; empty for TokenRefused.
	Token    string   `json:"token,omitempty"`
	UserID   int64    `json:"userID,omitempty"`
	ClientID string   `json:"clientID,omitempty"`
	Label    string   `json:"label,omitempty"`
	Scopes   []string `json:"scopes,omitempty"`
	// Family numbers the consent that a token descends from, from 1; zero for API tokens.
	Family int64 `json:"family,omitempty"`
	// Generation counts rotations: 1 for the tokens of the code exchange, then one more for each refresh.
	Generation int `json:"generation,omitempty"`
	// Outcome is set for TokenPresented.
	Outcome Outcome `json:"outcome,omitempty"`
	// SuccessorIssued, of a presented refresh token: a successor had been issued before (delivered or not).
	SuccessorIssued bool `json:"successorIssued,omitempty"`
	// SuccessorUsed, of a presented refresh token: a successor, or an access token issued with one, had been
	// presented before. A client that stores before it uses had then stored the successor.
	SuccessorUsed bool `json:"successorUsed,omitempty"`
}

// RepresentedAfterUse returns the presentations of a refresh token whose successor had already been used.
// Of a client that stores a successor before it uses it, there must be none.
func RepresentedAfterUse(entries []Entry) []Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool {
		return e.Token == nil || e.Token.Event != TokenPresented || !e.Token.SuccessorUsed
	})
}
