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

// ErrUnavailable means that no token of the issuer can be judged now: its keys were never loaded or are too old, or the API server
// that reviews tokens does not answer.
var ErrUnavailable = errors.New("tokens of the issuer cannot be judged now")

// ErrReviewNeeded means that only the API server could judge the token, and was not to be asked.
var ErrReviewNeeded = errors.New("the token needs a review")

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
	ReasonReview    Reason = "review"    // the API server does not accept it, for this audience or at all
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
	// TokenID is the jti claim; empty when the token has none.
	TokenID string
	// Limited is whether the issuer's tokens say what they are good for; Scopes is then what this one says.
	Limited bool
	Scopes  []string

	claims claims
}

// KeySource holds the keys of one issuer.
type KeySource interface {
	// Keys returns public keys that may have signed a token with this key id; an empty id means any. ErrUnavailable when
	// no key set was ever read.
	Keys(ctx context.Context, keyID string) ([]jose.JSONWebKey, error)
}

// Reviewer asks the one who issued a token whether it is good.
type Reviewer interface {
	// Review returns the name of the token's user. Errors: *InvalidTokenError, ErrUnavailable, or ctx's.
	Review(ctx context.Context, token string, audiences []string) (username string, err error)
}

// Issuer is one trusted issuer. Either Keys or Reviewer is set.
type Issuer struct {
	Name      string   // exact iss
	Audiences []string // accepted aud values, at least one
	// Algorithms are the accepted signatures, some of Algorithms(); empty means RS256, PS256, ES256 and EdDSA.
	Algorithms []string
	// ScopeClaim is the claim with the token's scopes, by name or JSON Pointer; empty means that the tokens name none, so that rules
	// alone decide.
	ScopeClaim string
	Keys       KeySource
	Reviewer   Reviewer
}

func (is Issuer) algorithms() []string {
	if len(is.Algorithms) > 0 {
		return is.Algorithms
	}
	return []string{"RS256", "PS256", "ES256", "EdDSA"}
}

// Verifier verifies bearer tokens of a fixed set of issuers.
type Verifier struct {
	issuers  map[string]Issuer
	deciding []string // claims that may not be repeated or come in another case
	clock    clock.PassiveClock
}

// NewVerifier returns a Verifier for issuers. Rules are those that its principals will be judged by.
func NewVerifier(issuers []Issuer, rules []Rule, clk clock.PassiveClock) *Verifier {
	v := &Verifier{issuers: make(map[string]Issuer, len(issuers)), clock: clk, deciding: registered()}
	for _, is := range issuers {
		v.issuers[is.Name] = is
		if is.ScopeClaim != "" {
			v.deciding = append(v.deciding, firstMember(is.ScopeClaim))
		}
	}
	for _, r := range rules {
		for _, c := range r.Claims {
			v.deciding = append(v.deciding, firstMember(c.Name))
		}
	}
	return v
}

// Algorithms are the signatures that an issuer may be allowed: asymmetric only, so that no public key can serve as an HMAC secret.
func Algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

func signatureAlgorithms() []jose.SignatureAlgorithm {
	var out []jose.SignatureAlgorithm
	for _, name := range Algorithms() {
		out = append(out, jose.SignatureAlgorithm(name))
	}
	return out
}

// Verify returns the caller that token stands for. Errors: *InvalidTokenError, ErrUnavailable, or ctx's.
func (v *Verifier) Verify(ctx context.Context, token string) (Principal, error) {
	return v.verify(ctx, token, true)
}

// VerifyOffline is Verify for callers whose tokens are not worth a question to the API server. A token that would need one is
// ErrReviewNeeded.
func (v *Verifier) VerifyOffline(ctx context.Context, token string) (Principal, error) {
	return v.verify(ctx, token, false)
}

func (v *Verifier) verify(ctx context.Context, token string, review bool) (Principal, error) {
	if len(token) > maxTokenBytes {
		return Principal{}, &InvalidTokenError{Reason: ReasonMalformed}
	}
	signed, err := jose.ParseSignedCompact(token, signatureAlgorithms())
	if err != nil || !acceptedType(signed) {
		return Principal{}, &InvalidTokenError{Reason: ReasonMalformed}
	}
	// The claims are decoded once, from the bytes that the signature covers; nothing of them is used but the issuer's name
	// until the signature has been checked, except to refuse.
	c, err := parseClaims(signed.UnsafePayloadWithoutVerification(), v.deciding)
	if err != nil {
		return Principal{}, &InvalidTokenError{Reason: ReasonClaims, err: err}
	}
	issuer, known := v.issuers[c.issuer]
	if !known {
		return Principal{}, &InvalidTokenError{Reason: ReasonIssuer}
	}
	if !slices.Contains(issuer.algorithms(), signed.Signatures[0].Protected.Algorithm) {
		return Principal{}, &InvalidTokenError{Reason: ReasonMalformed}
	}
	if issuer.Reviewer != nil {
		err = v.review(ctx, token, c, issuer, review)
	} else if err = verifySignature(ctx, signed, issuer.Keys); err == nil {
		err = v.judge(c, issuer)
	}
	if err != nil {
		return Principal{}, err
	}
	p := Principal{Issuer: c.issuer, Subject: c.subject, ClientID: c.clientID, TokenID: c.id, claims: c}
	if issuer.ScopeClaim != "" {
		p.Limited, p.Scopes = true, c.scopes(issuer.ScopeClaim)
	}
	return p, nil
}

// review has the API server judge the token, once everything that can be seen from here is right.
func (v *Verifier) review(ctx context.Context, token string, c claims, issuer Issuer, allowed bool) error {
	if err := v.judge(c, issuer); err != nil {
		return err
	}
	if !allowed {
		return ErrReviewNeeded
	}
	username, err := issuer.Reviewer.Review(ctx, token, issuer.Audiences)
	if err != nil {
		return err
	}
	if username != c.subject {
		return &InvalidTokenError{Reason: ReasonReview}
	}
	return nil
}

// judge checks what a token says. It returns an *InvalidTokenError or nil.
func (v *Verifier) judge(c claims, issuer Issuer) error {
	now := v.clock.Now()
	switch {
	case !slices.ContainsFunc(c.audience, func(aud string) bool { return slices.Contains(issuer.Audiences, aud) }):
		return &InvalidTokenError{Reason: ReasonAudience}
	case !now.Before(c.expiry.Add(leeway)), now.Add(leeway).Before(c.notBefore), now.Add(leeway).Before(c.issuedAt):
		return &InvalidTokenError{Reason: ReasonTime}
	case c.bound:
		return &InvalidTokenError{Reason: ReasonBound}
	}
	return nil
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
