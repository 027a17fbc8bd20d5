package scope

import (
	"fmt"
	"strconv"
	"strings"
)

// What Message spells out: so many violations, and so many bytes of them.
const (
	maxShown   = 3
	maxMessage = 900
)

// Verdict is what the policies say of a request. The zero value allows it.
type Verdict struct {
	// Violations are in the order of the fields; one is enough to refuse the request.
	Violations []Violation
	// Warnings do not refuse it.
	Warnings []Warning
}

// Allowed says whether there is no violation.
func (v Verdict) Allowed() bool { return len(v.Violations) == 0 }

// Message spells the first violations out and counts the rest, so that it fits
// into a condition; "" when there is none. It is deterministic.
func (v Verdict) Message() string {
	var b strings.Builder
	for i, violation := range v.Violations {
		sentence := violation.String()
		if i > 0 && (i == maxShown || b.Len()+len(sentence) > maxMessage) {
			fmt.Fprintf(&b, "; and %d more", len(v.Violations)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(sentence)
	}
	return b.String()
}

// Violation is one scope that must not be asked for.
type Violation struct {
	// Field is its path in the object: "spec.consumers[0].scopes[1]".
	Field string
	// Scope is the name as it was given, cut to a bounded length.
	Scope string
	// Risk is its class; Critical for wildcards, High for other malformed names.
	Risk Risk
	// Policy is the name of the one that refuses it; "" where none could allow it.
	Policy string
	// Reason is a clause: why it is refused, or what it lets its holder do.
	Reason string
	// Fix is a clause: what to do.
	Fix string
}

// String is one sentence with all of it.
func (v Violation) String() string {
	by := ""
	if v.Policy != "" {
		by = ", policy " + v.Policy
	}
	return fmt.Sprintf("%s: scope %s is refused (risk %s%s): %s; %s", v.Field, quote(v.Scope), v.Risk, by, v.Reason, v.Fix)
}

// Warning is a scope that may be asked for, but should be looked at.
type Warning struct {
	// Field, Scope, Risk, Reason and Fix are those of Violation.
	Field, Scope string
	Risk         Risk
	Reason, Fix  string
}

// String is one sentence with all of it.
func (w Warning) String() string {
	return fmt.Sprintf("%s: scope %s (risk %s): %s; %s", w.Field, quote(w.Scope), w.Risk, w.Reason, w.Fix)
}

// quote leaves a name of the usual characters as it is and quotes any other.
func quote(name string) string {
	plain := func(r rune) bool {
		return r < 0x80 && (r == ':' || r == '-' || r == '_' || r == '.' || r == '*' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	}
	if name != "" && strings.IndexFunc(name, func(r rune) bool { return !plain(r) }) < 0 {
		return name
	}
	return strconv.Quote(name)
}
