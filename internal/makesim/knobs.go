package makesim

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Knobs choose between behaviours that Make does not document, and inject faults. They can be changed at
// any time and count from the next request on. Each can also be set for one credential alone (see
// SetKnobsFor), except those that say that they are global.
type Knobs struct {
	// RefreshClass is what happens to a refresh token that is presented again.
	RefreshClass RefreshClass `json:"refreshClass"`
	// RefreshGraceSeconds is the window of the classes B and F.
	RefreshGraceSeconds int `json:"refreshGraceSeconds"`
	// LostRotations is how many of the next refreshes rotate the token and then lose the answer: the
	// connection is closed. It counts down.
	LostRotations int `json:"lostRotations"`
	// AccessTokenSeconds, RefreshTokenSeconds and CodeSeconds are the lives of what is issued next.
	AccessTokenSeconds  int `json:"accessTokenSeconds"`
	RefreshTokenSeconds int `json:"refreshTokenSeconds"`
	CodeSeconds         int `json:"codeSeconds"`
	// PublicClientRefresh gives refresh tokens to public clients too.
	PublicClientRefresh bool `json:"publicClientRefresh"`
	// RevocationKeepsAccess leaves access tokens alive when the refresh token of their family is revoked
	// by its client (RFC 7009 §2.1 leaves that to the server).
	RevocationKeepsAccess bool `json:"revocationKeepsAccess"`
	// RevokedClients are the IDs of OAuth clients that the authorization server no longer knows; none of
	// their tokens works. Global.
	RevokedClients []string `json:"revokedClients"`
	// GrantedScopes, unless null, are granted at consent whatever was asked for.
	GrantedScopes []string `json:"grantedScopes"`
	// TokenEncoding is what bodies the token and revocation endpoints take. Global.
	TokenEncoding TokenEncoding `json:"tokenEncoding"`
	// IdentityClaims adds name and email to id_tokens and userinfo, which otherwise say sub only.
	IdentityClaims bool `json:"identityClaims"`

	// ExtraScopes are held by every token beyond those that it was granted.
	ExtraScopes []string `json:"extraScopes"`
	// APITokenSeconds is the life of API tokens that are minted next; zero is without end.
	APITokenSeconds int `json:"apiTokenSeconds"`
	// APITokenLimit is how many living API tokens a user may have; zero is any number.
	APITokenLimit int `json:"apiTokenLimit"`
	// MintMissingScopes lets an API token mint scopes that it does not hold itself.
	MintMissingScopes bool `json:"mintMissingScopes"`
	// MissingScopeStatus is 403 or 401.
	MissingScopeStatus int `json:"missingScopeStatus"`
	// RunNeedsReadWrite makes a run need scenarios:read and scenarios:write beside scenarios:run.
	RunNeedsReadWrite bool `json:"runNeedsReadWrite"`

	// FreePlanLimit is the requests per minute of organizations on the free plan. Global.
	FreePlanLimit int `json:"freePlanLimit"`
	// RateLimitJSON makes the 429 of the plan's limit JSON instead of text.
	RateLimitJSON bool `json:"rateLimitJSON"`
	// RateLimitRetryAfter adds Retry-After to the 429 of the plan's limit.
	RateLimitRetryAfter bool `json:"rateLimitRetryAfter"`
	// WebhookKeyStatus is what a webhook answers to a missing or wrong x-make-apikey, 400 to 499. Global.
	WebhookKeyStatus int `json:"webhookKeyStatus"`
	// RunSeconds is how long every scenario runs on the simulator's clock; zero means as seeded.
	RunSeconds int `json:"runSeconds"`
	// RunFails is the error that every run ends with; empty means as seeded. Global, like RunSeconds.
	RunFails string `json:"runFails"`

	// LatencyMilliseconds delays each request in real time, before it is processed; see LatencyDistribution.
	LatencyMilliseconds int `json:"latencyMilliseconds"`
	// LatencyDistribution says how delays scatter around LatencyMilliseconds.
	LatencyDistribution LatencyDistribution `json:"latencyDistribution"`
	// Seed starts the random sequence behind latency and Fault.Percent. Setting it starts anew; the same
	// seed and the same requests give the same sequence. Global.
	Seed uint64 `json:"seed"`
	// Down lists parts of Make that close each connection without an answer. Global.
	Down []Part `json:"down"`
	// TLSFault is met by the next TLSFaultCount handshakes, whoever makes them. Connections that are open
	// stay as they are, and so do plain HTTP listeners. Both are global.
	TLSFault      TLSFault `json:"tlsFault"`
	TLSFaultCount int      `json:"tlsFaultCount"`
	// Faults are met by the next matching requests; the first fault that matches counts down. Global: a
	// fault has a credential of its own.
	Faults []Fault `json:"faults"`
}

// RefreshClass is a behaviour of authorization servers towards rotated refresh tokens.
type RefreshClass string

// The classes. In all of them a refresh token that was revoked or is too old answers invalid_grant.
const (
	ClassNoRotation RefreshClass = "A" // the refresh token stays the same
	ClassGrace      RefreshClass = "B" // the previous one works within the grace window
	ClassUntilUsed  RefreshClass = "C" // the previous one works until a successor is used
	ClassStrict     RefreshClass = "D" // the previous one is dead, the rest of the family lives
	ClassFamily     RefreshClass = "E" // presenting the previous one revokes the whole family
	ClassBuggyGrace RefreshClass = "F" // within the grace window any ancestor works, and is returned as the new one
)

// TokenEncoding is the form of a request body.
type TokenEncoding string

// The encodings. Make's documentation names none, and clients of both kinds exist.
const (
	EncodingAny  TokenEncoding = "any"
	EncodingForm TokenEncoding = "form"
	EncodingJSON TokenEncoding = "json"
)

// DefaultKnobs is the suggested behaviour for each open point: strict rotation, access tokens of 300 seconds,
// missing scopes refused with 403.
func DefaultKnobs() Knobs {
	return Knobs{
		RefreshClass:        ClassStrict,
		RefreshGraceSeconds: 30,
		AccessTokenSeconds:  300,
		RefreshTokenSeconds: 180 * 24 * 3600,
		CodeSeconds:         300,
		TokenEncoding:       EncodingAny,
		MissingScopeStatus:  http.StatusForbidden,
		FreePlanLimit:       30,
		WebhookKeyStatus:    http.StatusUnauthorized,
		LatencyDistribution: LatencyFixed,
	}
}

// Knobs returns the current knobs, with the counts that are left of faults.
func (s *Server) Knobs() Knobs {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.knobs.clone()
}

// SetKnobs replaces all knobs. Start from Knobs or DefaultKnobs: a zero Knobs is refused. What was set for
// one credential stays.
func (s *Server) SetKnobs(k Knobs) error {
	if err := k.validate(); err != nil {
		return fmt.Errorf("check knobs: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setKnobs(k)
	return nil
}

// ParseKnobs returns the knobs with the changes of a JSON object. A name that is none, or a value that does not
// fit, is an error of one line.
func ParseKnobs(k Knobs, changes []byte) (Knobs, error) {
	k = k.clone()
	faults := k.Faults
	k.Faults = nil // decoding into a list would mix old members into new elements
	if err := decodeStrictly(changes, &k); err != nil {
		return k, errors.New(strings.Replace(err.Error(), "unknown field", "unknown knob", 1))
	}
	if k.Faults == nil {
		k.Faults = faults
	}
	return k, k.validate()
}

func (s *Server) setKnobs(k Knobs) {
	if k.Seed != s.state.knobs.Seed {
		s.state.random = newRandom(k.Seed)
	}
	s.state.knobs = k.clone()
	s.touch()
}

func (k Knobs) clone() Knobs {
	k.Faults = slices.Clone(k.Faults)
	k.GrantedScopes = slices.Clone(k.GrantedScopes)
	k.ExtraScopes = slices.Clone(k.ExtraScopes)
	k.RevokedClients = slices.Clone(k.RevokedClients)
	k.Down = slices.Clone(k.Down)
	return k
}
