package makesim

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"time"

	"github.com/google/uuid"
)

// TokenKind tells the kinds of token values apart.
type TokenKind string

// The kinds. A code is a token too: presented once, for five minutes.
const (
	KindAPIToken     TokenKind = "apiToken"
	KindAccessToken  TokenKind = "accessToken"
	KindRefreshToken TokenKind = "refreshToken"
	KindCode         TokenKind = "code"
)

// TokenState is where a token is in its life.
type TokenState string

// The states. A rotated refresh token may still be accepted, depending on Knobs.RefreshClass.
const (
	StateAlive   TokenState = "alive"
	StateRotated TokenState = "rotated" // of a code: exchanged
	StateRevoked TokenState = "revoked"
	StateDeleted TokenState = "deleted"
	StateExpired TokenState = "expired"
	StateUnknown TokenState = "unknown" // never issued
)

// token is one token of any kind.
type token struct {
	value   string
	kind    TokenKind
	user    *User
	scopes  []string
	label   string
	created time.Time
	expires time.Time // zero: does not expire

	state       TokenState // never StateExpired: expiry follows from the clock
	expiryNoted bool

	// Tokens of the authorization server only.
	grant      *grant
	generation int
	used       bool // a refresh token: itself or an access token issued with it was presented
	rotated    time.Time
	successors []*token          // refresh tokens issued for this one
	sibling    *token            // of an access token: the refresh token issued with it, nil without
	request    *authorizeRequest // of a code: what the client asked for
}

// grant is a user's consent to a client: the family of all tokens issued under it.
type grant struct {
	family int64
	client *OAuthClient
	user   *User
	scopes []string
	code   *token // that it began with, nil once that is forgotten
	tokens []*token
	name   string // what the client renamed its connection to; empty: the client's name

	lastUsed time.Time // when an access token was presented last; zero for never
}

// stateAt is the state at a time.
func (t *token) stateAt(now time.Time) TokenState {
	if t.state == StateAlive && !t.expires.IsZero() && !now.Before(t.expires) {
		return StateExpired
	}
	return t.state
}

func (t *token) record(event TokenEvent) TokenRecord {
	r := TokenRecord{
		Event: event, Kind: t.kind, Token: Fingerprint(t.value), UserID: t.user.ID,
		Label: t.label, Scopes: slices.Clone(t.scopes), Generation: t.generation,
	}
	if t.grant != nil {
		r.Family, r.ClientID = t.grant.family, t.grant.client.ID
	}
	return r
}

// Fingerprint is the first eight hexadecimal digits of the value's SHA-256: enough to recognize a token in
// the ledger, not enough to use it.
func Fingerprint(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:4])
}

// newAPITokenValue is a UUID of version 4: Make's own clients send "Token" for that form only.
func newAPITokenValue() string { return uuid.NewString() }

// newOAuthValue is opaque, but looks like a JWT as Make's do.
func newOAuthValue() string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + randomText(48) + "." + randomText(32)
}

func randomText(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(b)
}
