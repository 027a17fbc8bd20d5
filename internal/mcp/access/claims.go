package access

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/makeops/make-operator/internal/mcp/strictjson"
)

// registered are the claims that always decide; a token that spells one of them differently or repeats one is refused.
// Source: RFC 7519 §4.1, RFC 7800 §3.1 (cnf), RFC 9068 §2.2 (client_id).
func registered() []string {
	return []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "client_id"}
}

// claims are the registered claims of one token, decoded once from the signed bytes.
type claims struct {
	issuer, subject, clientID, id string
	audience                      []string
	expiry                        time.Time
	notBefore, issuedAt           time.Time // zero: not in the token
	bound                         bool      // the token is bound to a key that the caller would have to prove
	members                       map[string]json.RawMessage
}

// parseClaims decodes a token's payload. Deciding are the first members of the claims that rules and issuers name.
func parseClaims(payload []byte, deciding []string) (claims, error) {
	members, err := strictjson.Object(payload, deciding...)
	if err != nil {
		return claims{}, err
	}
	c := claims{members: members}
	r := reader{members: members}
	c.issuer = r.text("iss", true)
	c.subject = r.text("sub", true)
	c.clientID = r.text("client_id", false)
	c.id = r.text("jti", false)
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
	all, ok := textOrList(r.members["aud"])
	if !ok {
		r.fail("aud")
	}
	return all
}

// textOrList reads a non-empty string, or a non-empty list of them.
func textOrList(raw json.RawMessage) ([]string, bool) {
	var one string
	if err := json.Unmarshal(raw, &one); err == nil && one != "" {
		return []string{one}, true
	}
	var many []*string
	if err := json.Unmarshal(raw, &many); err != nil || len(many) == 0 {
		return nil, false
	}
	out := make([]string, 0, len(many))
	for _, v := range many {
		if v == nil || *v == "" {
			return nil, false
		}
		out = append(out, *v)
	}
	return out, true
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

// member finds a claim by its name, or, if the name starts with a slash, by a JSON Pointer into nested objects (RFC 6901), as in
// "/realm_access/roles". Nil means that it is not there or that two readers could see different things.
func (c claims) member(name string) json.RawMessage {
	if !strings.HasPrefix(name, "/") {
		return c.members[name]
	}
	steps := strings.Split(name[1:], "/")
	members := c.members
	for i, step := range steps {
		raw := members[strings.NewReplacer("~1", "/", "~0", "~").Replace(step)]
		if i == len(steps)-1 {
			return raw
		}
		var next string
		if i+1 < len(steps) {
			next = steps[i+1]
		}
		var err error
		if members, err = strictjson.Object(raw, next); err != nil {
			return nil
		}
	}
	return nil
}

// firstMember is the top-level claim that a claim's name or pointer leads to.
func firstMember(name string) string {
	if !strings.HasPrefix(name, "/") {
		return name
	}
	first, _, _ := strings.Cut(name[1:], "/")
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(first)
}

// values are what a claim says: a string, a list of strings or a truth value; nil for anything else.
func (c claims) values(name string) []string {
	raw := c.member(name)
	if s := strings.TrimSpace(string(raw)); s == "true" || s == "false" {
		return []string{s}
	}
	all, _ := textOrList(raw)
	return all
}

// scopes reads a scope claim: one string with spaces between the scopes (RFC 9068 §2.2.3) or a list.
func (c claims) scopes(name string) []string {
	var out []string
	for _, value := range c.values(name) {
		out = append(out, strings.Fields(value)...)
	}
	return out
}
