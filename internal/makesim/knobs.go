package makesim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Knobs choose between behaviours that Make does not document, and inject faults. They can be changed at
// any time and count from the next request on.
type Knobs struct {
	// RefreshClass is what happens to a refresh token that is presented again.
	RefreshClass RefreshClass `json:"refreshClass"`
	// RefreshGraceSeconds is the window of the classes B and F.
	RefreshGraceSeconds int `json:"refreshGraceSeconds"`
	// AccessTokenSeconds, RefreshTokenSeconds and CodeSeconds are the lives of what is issued next.
	AccessTokenSeconds  int `json:"accessTokenSeconds"`
	RefreshTokenSeconds int `json:"refreshTokenSeconds"`
	CodeSeconds         int `json:"codeSeconds"`
	// PublicClientRefresh gives refresh tokens to public clients too.
	PublicClientRefresh bool `json:"publicClientRefresh"`
	// GrantedScopes, unless null, are granted at consent whatever was asked for.
	GrantedScopes []string `json:"grantedScopes"`
	// MintMissingScopes lets an API token mint scopes that it does not hold itself.
	MintMissingScopes bool `json:"mintMissingScopes"`
	// MissingScopeStatus is 403 or 401.
	MissingScopeStatus int `json:"missingScopeStatus"`
	// RateLimitJSON makes the 429 of the plan's limit JSON instead of text.
	RateLimitJSON bool `json:"rateLimitJSON"`
	// RateLimitRetryAfter adds Retry-After to the 429 of the plan's limit.
	RateLimitRetryAfter bool `json:"rateLimitRetryAfter"`
	// LatencyMilliseconds delays each request in real time, before it is processed.
	LatencyMilliseconds int `json:"latencyMilliseconds"`
	// RunSeconds is how long every scenario runs on the simulator's clock; zero means as seeded.
	RunSeconds int `json:"runSeconds"`
	// RunFails is the error that every run ends with; empty means as seeded.
	RunFails string `json:"runFails"`
	// RunNeedsReadWrite asks for scenarios:read and scenarios:write, beside scenarios:run, to run a scenario.
	RunNeedsReadWrite bool `json:"runNeedsReadWrite"`
	// WebhookKeyStatus answers a webhook's caller whose x-make-apikey is wrong or missing, 400 to 499.
	WebhookKeyStatus int `json:"webhookKeyStatus"`
	// Faults are met by the next matching requests; the first fault that matches counts down.
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

// FaultKind is what happens to a request that meets a fault.
type FaultKind string

// The kinds. A reset closes an HTTP/1.1 connection, and resets the stream of an HTTP/2 one.
const (
	FaultStatus      FaultKind = "status"      // answers Fault.Status, processes nothing
	FaultResetBefore FaultKind = "resetBefore" // closes the connection, processes nothing
	FaultResetAfter  FaultKind = "resetAfter"  // processes the request, then closes the connection unanswered
)

// Fault is a disturbance for a number of requests.
type Fault struct {
	Kind FaultKind `json:"kind"`
	// PathPrefix and Method select requests; empty selects all.
	PathPrefix string `json:"pathPrefix,omitempty"`
	Method     string `json:"method,omitempty"`
	// Credential selects by the fingerprint of the Authorization header's value; empty selects all.
	Credential string `json:"credential,omitempty"`
	// Count is how many requests will still meet it, at least 1.
	Count int `json:"count"`
	// Status is 400 to 599, for FaultStatus only.
	Status int `json:"status,omitempty"`
	// RetryAfterSeconds is sent as Retry-After with FaultStatus; zero sends none.
	RetryAfterSeconds int `json:"retryAfterSeconds,omitempty"`
}

// DefaultKnobs is the suggested behaviour for each open point: strict rotation, access tokens of 300 seconds,
// missing scopes refused with 403.
func DefaultKnobs() Knobs {
	return Knobs{
		RefreshClass:        ClassStrict,
		RefreshGraceSeconds: 30,
		AccessTokenSeconds:  300,
		RefreshTokenSeconds: 180 * 24 * 3600,
		CodeSeconds:         300,
		MissingScopeStatus:  http.StatusForbidden,
		WebhookKeyStatus:    http.StatusUnauthorized,
	}
}

// Knobs returns the current knobs, with the counts that are left of faults.
func (s *Server) Knobs() Knobs {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.knobs.clone()
}

// SetKnobs replaces all knobs. Start from Knobs or DefaultKnobs: a zero Knobs is refused.
func (s *Server) SetKnobs(k Knobs) error {
	if err := k.validate(); err != nil {
		return fmt.Errorf("check knobs: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.knobs = k.clone()
	return nil
}

func (k Knobs) clone() Knobs {
	k.Faults = slices.Clone(k.Faults)
	k.GrantedScopes = slices.Clone(k.GrantedScopes)
	return k
}

func (k Knobs) validate() error {
	if !strings.Contains("ABCDEF", string(k.RefreshClass)) || len(k.RefreshClass) != 1 {
		return fmt.Errorf("refreshClass: %q is none of A, B, C, D, E, F", k.RefreshClass)
	}
	if k.MissingScopeStatus != http.StatusForbidden && k.MissingScopeStatus != http.StatusUnauthorized {
		return fmt.Errorf("missingScopeStatus: %d is neither 401 nor 403", k.MissingScopeStatus)
	}
	if k.WebhookKeyStatus < 400 || k.WebhookKeyStatus > 499 {
		return fmt.Errorf("webhookKeyStatus: %d is not within 400 to 499", k.WebhookKeyStatus)
	}
	for _, n := range []struct {
		name       string
		value, min int
	}{
		{"refreshGraceSeconds", k.RefreshGraceSeconds, 0},
		{"accessTokenSeconds", k.AccessTokenSeconds, 1},
		{"refreshTokenSeconds", k.RefreshTokenSeconds, 1},
		{"codeSeconds", k.CodeSeconds, 1},
		{"latencyMilliseconds", k.LatencyMilliseconds, 0},
		{"runSeconds", k.RunSeconds, 0},
	} {
		if n.value < n.min {
			return fmt.Errorf("%s: %d is less than %d", n.name, n.value, n.min)
		}
	}
	for i, f := range k.Faults {
		if err := f.validate(); err != nil {
			return fmt.Errorf("faults[%d].%w", i, err)
		}
	}
	return nil
}

func (f Fault) validate() error {
	switch {
	case f.Kind != FaultStatus && f.Kind != FaultResetBefore && f.Kind != FaultResetAfter:
		return fmt.Errorf("kind: %q is none of status, resetBefore, resetAfter", f.Kind)
	case f.Count < 1:
		return fmt.Errorf("count: %d is less than 1", f.Count)
	case f.Kind == FaultStatus && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("status: %d is not within 400 to 599", f.Status)
	case f.Kind != FaultStatus && (f.Status != 0 || f.RetryAfterSeconds != 0):
		return fmt.Errorf("kind: %s takes neither status nor retryAfterSeconds", f.Kind)
	case f.RetryAfterSeconds < 0:
		return fmt.Errorf("retryAfterSeconds: %d is negative", f.RetryAfterSeconds)
	}
	return nil
}
