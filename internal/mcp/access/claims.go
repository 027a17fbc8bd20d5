package access

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/makeops/make-operator/internal/mcp/strictjson"
)

// registered are the claims that decide; a token that spells one of them differently or repeats one is refused.
// Source: RFC 7519 §4.1, RFC 7800 §3.1 (cnf), RFC 9068 §2.2 (client_id).
var registered = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "client_id"}

// claims are the registered claims of one token, decoded once from the signed bytes.
type claims struct {
	issuer, subject, clientID string
	audience                  []string
	expiry                    time.Time
	notBefore, issuedAt       time.Time // zero: not in the token
	bound                     bool      // the token is bound to a key that the caller would have to prove
}

func parseClaims(payload []byte) (claims, error) {
	members, err := strictjson.Object(payload, registered...)
	if err != nil {
		return claims{}, err
	}
	var c claims
	r := reader{members: members}
	c.issuer = r.text("iss", true)
	c.subject = r.text("sub", true)
	c.clientID = r.text("client_id", false)
	c.audience = r.audience()
	c.expiry = r.date("exp", true)
	c.notBefore = r.date("nbf", false)
	c.issuedAt = r.date("iat", false)
	_, c.bound = members["cnf"]
	return c, r.err
}

// reader decodes single claims and keeps the first error.
type reader struct {
	members map[string]json.RawMessage
	err     error
}

func (r *reader) fail(name string) {
	if r.err == nil {
		r.err = fmt.Errorf("read claim %s: missing, empty or of the wrong type", name)
	}
}

// text reads a string claim; a claim that is there must not be empty.
func (r *reader) text(name string, required bool) string {
	raw, ok := r.members[name]
	if !ok {
		if required {
			r.fail(name)
		}
		return ""
	}
	var v *string
	if err := json.Unmarshal(raw, &v); err != nil || v == nil || *v == "" {
		r.fail(name)
		return ""
	}
	return *v
}

// audience reads aud, which is one string or a list of strings (RFC 7519 §4.1.3).
func (r *reader) audience() []string {
	var one string
	if err := json.Unmarshal(r.members["aud"], &one); err == nil && one != "" {
		return []string{one}
	}
	var many []*string
	if err := json.Unmarshal(r.members["aud"], &many); err != nil || len(many) == 0 {
		r.fail("aud")
		return nil
	}
	out := make([]string, 0, len(many))
	for _, v := range many {
		if v == nil || *v == "" {
			r.fail("aud")
			return nil
		}
		out = append(out, *v)
	}
	return out
}

// date reads a NumericDate: seconds since 1970, fractions allowed (RFC 7519 §2).
func (r *reader) date(name string, required bool) time.Time {
	raw, ok := r.members[name]
	if !ok && !required {
		return time.Time{}
	}
	const year9999 = 253402300799
	var v *float64
	if err := json.Unmarshal(raw, &v); err != nil || v == nil || *v <= 0 || *v > year9999 {
		r.fail(name)
		return time.Time{}
	}
	whole, fraction := math.Modf(*v)
	return time.Unix(int64(whole), int64(fraction*float64(time.Second))).UTC()
}
