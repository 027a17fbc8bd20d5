package scope

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Connection is what a MakeConnection asks for.
type Connection struct {
	// Scopes are the most that anybody gets through the connection: spec.scopes.
	Scopes []string
	// Consumers are in the order of spec.consumers.
	Consumers []Consumer
}

// Consumer is one who gets a token of a connection.
type Consumer struct {
	// Name is shown in verdicts.
	Name string
	// Scopes are a part of the connection's; empty means all of them.
	Scopes []string
}

// Server is what a MakeMCPServer asks for.
type Server struct {
	// Scopes are spec.scopes; empty means all of the connection's.
	Scopes []string
	// Connection are the scopes of the connection that it refers to; nil means that
	// these are not known (yet), and then it is not judged whether Scopes are a part of them.
	Connection []string
}

// JudgeConnection judges a connection and its consumers by all policies together;
// without any, by BuiltIn. The order of policies does not matter.
func JudgeConnection(c Connection, policies ...Policy) Verdict {
	j := newJudge(policies)
	j.scopes("spec.scopes", c.Scopes, false, nil)
	for i, consumer := range c.Consumers {
		field := fmt.Sprintf("spec.consumers[%d].scopes", i)
		j.holder(field, "consumer "+quote(consumer.Name), consumer.Scopes, c.Scopes)
	}
	return j.verdict
}

// JudgeServer judges an MCP server as JudgeConnection does a consumer.
func JudgeServer(s Server, policies ...Policy) Verdict {
	j := newJudge(policies)
	j.holder("spec.scopes", "the server", s.Scopes, s.Connection)
	return j.verdict
}

// judge collects a verdict.
type judge struct {
	policies []Policy // by name
	verdict  Verdict
}

func newJudge(policies []Policy) *judge {
	if len(policies) == 0 {
		policies = []Policy{BuiltIn()}
	}
	policies = slices.Clone(policies)
	slices.SortStableFunc(policies, func(a, b Policy) int { return strings.Compare(a.Name, b.Name) })
	return &judge{policies: policies}
}

// holder judges a consumer or a server. Where it names no scopes it inherits the
// connection's, and what it may not have of these is said of its field as a whole.
func (j *judge) holder(field, who string, scopes, connection []string) {
	if len(scopes) > 0 {
		j.scopes(field, scopes, true, connection)
		return
	}
	for _, name := range connection {
		info, err := Parse(name)
		if err != nil {
			continue // is said of the connection
		}
		if v, refused := j.refusal(info, true); refused && j.allowedAbove(info) {
			v.Field = field
			v.Fix = "list the scopes of " + who + ", without it"
			j.verdict.Violations = append(j.verdict.Violations, v)
		}
	}
}

// allowedAbove says whether the connection may hold the scope, so that only its holder is at fault.
func (j *judge) allowedAbove(info Info) bool {
	_, refused := j.refusal(info, false)
	return !refused
}

// scopes judges a list. ceiling is what it must be a part of; nil means anything.
func (j *judge) scopes(field string, names []string, below bool, ceiling []string) {
	for i, name := range names {
		at := func() string { return fmt.Sprintf("%s[%d]", field, i) } // seldom needed
		info, err := Parse(name)
		if malformed, ok := errors.AsType[*FormError](err); ok {
			j.refuse(j.malformed(at(), malformed))
			continue
		}
		if v, refused := j.refusal(info, below); refused {
			v.Field = at()
			j.refuse(v)
			continue
		}
		if ceiling != nil && !slices.Contains(ceiling, name) {
			j.refuse(Violation{
				Field: at(), Scope: name, Risk: info.Risk, Reason: "it is not among the connection's scopes",
				Fix: "remove it here, or add it to the connection's spec.scopes",
			})
			continue
		}
		if info.Status == Unlisted {
			j.verdict.Warnings = append(j.verdict.Warnings, Warning{
				Field: at(), Scope: name, Risk: info.Risk, Reason: "it " + info.Reason, Fix: "check its spelling",
			})
		}
	}
}

func (j *judge) refuse(v Violation) { j.verdict.Violations = append(j.verdict.Violations, v) }

// refusal is the first policy's, by name, that refuses a scope. It has no Field yet.
func (j *judge) refusal(info Info, below bool) (Violation, bool) {
	for _, p := range j.policies {
		if fix := p.fixOf(info, below); fix != "" {
			return Violation{Scope: info.Name, Risk: info.Risk, Policy: p.Name, Reason: "it " + info.Reason, Fix: fix}, true
		}
	}
	return Violation{}, false
}

// malformed is the violation of a name that is no scope. A wildcard is as risky as
// the worst that it could mean.
func (j *judge) malformed(field string, e *FormError) Violation {
	v := Violation{Field: field, Scope: e.Scope, Risk: High, Reason: "it " + e.Reason}
	if e.Wildcard {
		v.Risk = Critical
	}
	refuses := func(p Policy) bool { return slices.Contains(p.Refused, e.Scope) }
	switch i := slices.IndexFunc(j.policies, refuses); {
	case i >= 0: // no scope that it stands for would do either
		v.Policy, v.Fix = j.policies[i].Name, "remove it"
	case e.Wildcard && e.Suggestion != "":
		v.Fix = "write the scopes that are used by their names, such as " + e.Suggestion
	case e.Suggestion != "":
		v.Fix = "did you mean " + e.Suggestion + "?"
	default:
		v.Fix = "write the scopes that are used by their names"
	}
	return v
}
