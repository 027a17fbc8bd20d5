package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"k8s.io/utils/clock"
)

const (
	// leeway is how far the clocks of issuer and server may differ.
	leeway = 30 * time.Second
	// maxTokenBytes bounds the work that an unauthenticated caller can cause.
	maxTokenBytes = 16 << 10
	// maxCandidates bounds the signature checks for a token without a key id.
	maxCandidates = 4
)

// ErrUnavailable means that the issuer's keys were never loaded or are too old, so no token of it can be judged now.
var ErrUnavailable = errors.New("issuer keys are not available")

// Reason says why a token was refused. It is for the server's own log and metrics, never for the caller.
type Reason string

// The reasons, in the order in which a token is checked.
const (
	ReasonMalformed Reason = "malformed" // not a signed JWT, or none of the accepted algorithms
	ReasonClaims    Reason = "claims"    // a deciding claim is missing, empty, repeated, misspelled or of the wrong type
	ReasonIssuer    Reason = "issuer"    // not an issuer of this server
	ReasonSignature Reason = "signature" // no key of the issuer verifies it
	ReasonAudience  Reason = "audience"  // made for another server
	ReasonTime      Reason = "time"      // expired, not valid yet, or issued in the future
	ReasonBound     Reason = "bound"     // bound to a proof of possession that this server cannot check
)

// InvalidTokenError is a refused token. Its text holds nothing of the token.
type InvalidTokenError struct {
	Reason Reason
	err    error
}

func (e *InvalidTokenError) Error() string { return "invalid token: " + string(e.Reason) }

// Unwrap returns the cause, which may be nil.
func (e *InvalidTokenError) Unwrap() error { return e.err }

// Principal is a verified caller.
type Principal struct {
	// Issuer and Subject are the iss and sub claims, never empty.
	Issuer, Subject string
	// ClientID is the client_id claim; empty when the token has none.
	ClientID string
}

// KeySource holds the keys of one issuer.
type KeySource interface {
	// Keys returns public keys that may have signed a token with this key id; an empty id means any. ErrUnavailable when
	// no key set was ever read.
	Keys(ctx context.Context, keyID string) ([]jose.JSONWebKey, error)
}

// Issuer is one trusted issuer.
type Issuer struct {
	Name      string   // exact iss
	Audiences []string // accepted aud values, at least one
	Keys      KeySource
}

// Verifier verifies bearer tokens of a fixed set of issuers.
type Verifier struct {
	issuers map[string]Issuer
	clock   clock.PassiveClock
}

// NewVerifier returns a Verifier for issuers.
func NewVerifier(issuers []Issuer, clk clock.PassiveClock) *Verifier {
	v := &Verifier{issuers: make(map[string]Issuer, len(issuers)), clock: clk}
	for _, is := range issuers {
		v.issuers[is.Name] = is
	}
	return v
}

// algorithms are the accepted signatures: asymmetric only, so that no public key can serve as an HMAC secret.
func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.PS256, jose.EdDSA}
}

// Verify returns the caller that token stands for. Errors: *InvalidTokenError, ErrUnavailable, or ctx's.
func (v *Verifier) Verify(ctx context.Context, token string) (Principal, error) {
	if len(token) > maxTokenBytes {
		return Principal{}, &InvalidTokenError{Reason: ReasonMalformed}
	}
	signed, err := jose.ParseSignedCompact(token, algorithms())
	if err != nil || !acceptedType(signed) {
		return Principal{}, &InvalidTokenError{Reason: ReasonMalformed}
	}
	// The claims are decoded once, from the bytes that the signature covers; nothing of them is used but the issuer's name
	// until the signature has been checked.
	c, err := parseClaims(signed.UnsafePayloadWithoutVerification())
	if err != nil {
		return Principal{}, &InvalidTokenError{Reason: ReasonClaims, err: err}
	}
	issuer, known := v.issuers[c.issuer]
	if !known {
		return Principal{}, &InvalidTokenError{Reason: ReasonIssuer}
	}
	if err := verifySignature(ctx, signed, issuer.Keys); err != nil {
		return Principal{}, err
	}
	if reason := v.judge(c, issuer); reason != "" {
		return Principal{}, &InvalidTokenError{Reason: reason}
	}
	return Principal{Issuer: c.issuer, Subject: c.subject, ClientID: c.clientID}, nil
}

// judge checks what a correctly signed token says; empty means that it is good.
func (v *Verifier) judge(c claims, issuer Issuer) Reason {
	now := v.clock.Now()
	switch {
	case !slices.ContainsFunc(c.audience, func(aud string) bool { return slices.Contains(issuer.Audiences, aud) }):
		return ReasonAudience
	case !now.Before(c.expiry.Add(leeway)), now.Add(leeway).Before(c.notBefore), now.Add(leeway).Before(c.issuedAt):
		return ReasonTime
	case c.bound:
		return ReasonBound
	}
	return ""
}

// acceptedType refuses JWTs made for another purpose (an ID token hint, a logout token, a proof). Kubernetes sets no typ.
func acceptedType(signed *jose.JSONWebSignature) bool {
	typ, present := signed.Signatures[0].Protected.ExtraHeaders[jose.HeaderType]
	if !present {
		return true
	}
	name, isText := typ.(string)
	name = strings.TrimPrefix(strings.ToLower(name), "application/")
	return isText && (name == "jwt" || name == "at+jwt")
}

func verifySignature(ctx context.Context, signed *jose.JSONWebSignature, source KeySource) error {
	header := signed.Signatures[0].Protected
	keys, err := source.Keys(ctx, header.KeyID)
	if err != nil {
		return fmt.Errorf("find key: %w", err)
	}
	tried := 0
	for _, key := range keys {
		if key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		if tried++; tried > maxCandidates {
			break
		}
		if _, err := signed.Verify(key.Key); err == nil {
			return nil
		}
	}
	return &InvalidTokenError{Reason: ReasonSignature}
}
