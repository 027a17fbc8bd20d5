package scope

import (
	"fmt"
	"strconv"
	"strings"
	"time"
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
	// Warned and Audited are what policies of these enforcements have against it. They do not refuse it.
	Warned, Audited []Violation
	// Warnings do not refuse it. No policy stands behind them.
	Warnings []Warning
	// Revoke is set where a policy that refuses it wants tokens ended that exist already.
	Revoke bool
	// Until is when the first exception ends without which the verdict would be another; zero means never.
	Until time.Time
	// Narrower are the scopes that would do, sorted; nil where that cannot be told or is all of them.
	Narrower []string
}

// Allowed says whether there is no violation.
func (v Verdict) Allowed() bool { return len(v.Violations) == 0 }

// Message spells the first violations out and counts the rest, so that it fits
// into a condition; "" when there is none. It is deterministic.
func (v Verdict) Message() string { return Summary(v.Violations) }

// Summary spells the first of some violations out, as Message does.
func Summary(violations []Violation) string {
	var b strings.Builder
	for i, violation := range violations {
		sentence := violation.String()
		if i > 0 && (i == maxShown || b.Len()+len(sentence) > maxMessage) {
			fmt.Fprintf(&b, "; and %d more", len(violations)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(sentence)
	}
	return b.String()
}

// Violation is one scope, or one other thing, that must not be asked for.
type Violation struct {
	// Field is its path in the object: "spec.consumers[0].scopes[1]".
	Field string
	// Scope is the name as it was given, cut to a bounded length; "" where it is about something else.
	Scope string
	// With is the scope that it must not be combined with; "" where it must not be asked for at all.
	With string
	// Value is what it is about where that is no scope: "zone eu1.make.com".
	Value string
	// Risk is its class; Critical for wildcards, High for other malformed names, none where it is about something else.
	Risk Risk
	// Policy is the name of the one that refuses it; "" where none could allow it.
	Policy string
	// Reason is a clause: why it is refused, or what it lets its holder do.
	Reason string
	// Fix is a clause: what to do.
	Fix string
}

// String is one sentence with all of it.
func (v Violation) String() string { return v.Field + ": " + v.Detail() }

// Detail is the sentence without the field.
func (v Violation) Detail() string {
	if v.Scope == "" && v.Value != "" {
		return fmt.Sprintf("%s is refused (policy %s): %s; %s", v.Value, v.Policy, v.Reason, v.Fix)
	}
	by := ""
	if v.Policy != "" {
		by = ", policy " + v.Policy
	}
	return fmt.Sprintf("scope %s is refused (risk %s%s): %s; %s", named(v.Scope, v.With), v.Risk, by, v.Reason, v.Fix)
}

// Warning is a scope that may be asked for, but should be looked at.
type Warning struct {
	// Field, Scope, With, Risk, Reason and Fix are those of Violation.
	Field, Scope, With string
	Risk               Risk
	Reason, Fix        string
}

// String is one sentence with all of it.
func (w Warning) String() string { return w.Field + ": " + w.Detail() }

// Detail is the sentence without the field.
func (w Warning) Detail() string {
	return fmt.Sprintf("scope %s (risk %s): %s; %s", named(w.Scope, w.With), w.Risk, w.Reason, w.Fix)
}

// named are one or two scopes in a sentence.
func named(scope, with string) string {
	if with == "" {
		return quote(scope)
	}
	return quote(scope) + " with " + quote(with)
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
