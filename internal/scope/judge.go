package scope

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Connection is what a MakeConnection asks for.
type Connection struct {
	// Namespace and Name are those of the object; exceptions name them.
	Namespace, Name string
	// Zone is spec.zone; "" is not judged.
	Zone string
	// OAuth is set where all consumers share one grant.
	OAuth bool
	// RotateEvery is the interval between rotations; zero is not judged.
	RotateEvery time.Duration
	// Scopes are the most that anybody gets through the connection: spec.scopes.
	Scopes []string
	// Consumers are in the order of spec.consumers.
	Consumers []Consumer
}

// Consumer is a ServiceAccount that gets a token of a connection.
type Consumer struct {
	// Name of the ServiceAccount.
	Name string
	// Scopes are a part of the connection's; empty means all of them.
	Scopes []string
}

// Server is what a MakeMCPServer asks for.
type Server struct {
	// Namespace and Name are those of the object.
	Namespace, Name string
	// ConnectionName is what it refers to; exceptions name it.
	ConnectionName string
	// Scopes are spec.scopes; empty means all of the connection's.
	Scopes []string
	// Connection are the scopes of the connection that it refers to; nil means that
	// these are not known (yet), and then it is not judged whether Scopes are a part of them.
	Connection []string
	// Tools say which tools exist.
	Tools Tools
}

// JudgeConnection judges a connection and its consumers by all policies together. The order of policies does not matter.
func JudgeConnection(c Connection, rules Rules) Verdict {
	j := newJudge(rules, c.Namespace, c.Name)
	j.zone(c.Zone)
	j.rotation(c.RotateEvery)
	if c.OAuth && len(c.Consumers) > 1 {
		j.sharing("spec.auth.oauth", "one OAuth grant for several consumers")
	}
	j.scopes("spec.scopes", c.Scopes, "", nil)
	if c.OAuth { // one grant holds them all
		j.together("spec.scopes", c.Scopes, "")
	}
	for i, consumer := range c.Consumers {
		field := fmt.Sprintf("spec.consumers[%d].scopes", i)
		j.holder(field, "consumer "+quote(consumer.Name), ServiceAccount(consumer.Name), consumer.Scopes, c.Scopes)
	}
	return j.done()
}

// JudgeServer judges an MCP server as JudgeConnection does a consumer.
func JudgeServer(s Server, rules Rules) Verdict {
	j := newJudge(rules, s.Namespace, s.ConnectionName)
	j.holder("spec.scopes", "the server", MCPServer(s.Name), s.Scopes, s.Connection)
	j.tools(s)
	return j.done()
}

// JudgeSharing judges that the consumers of a connection hold the same token.
func JudgeSharing(c Connection, rules Rules) Verdict {
	j := newJudge(rules, c.Namespace, c.Name)
	j.sharing("spec.auth", "one token for all consumers")
	return j.done()
}

// JudgeGranted judges what Make granted to a holder of a connection, by its name; "" is the connection itself. What Make calls its
// scopes is not criticized.
func JudgeGranted(c Connection, holder string, granted []string, rules Rules) Verdict {
	j := newJudge(rules, c.Namespace, c.Name)
	for _, name := range granted {
		info, err := Parse(name)
		if err != nil {
			info = Info{Name: name, Risk: High, Reason: "is not a scope that this version knows"}
		}
		j.refuseScope("granted", info, holder)
	}
	return j.done()
}

// judge collects a verdict.
type judge struct {
	policies   []Policy // by name
	now        time.Time
	namespace  string
	connection string
	verdict    Verdict
}

func newJudge(rules Rules, namespace, connection string) *judge {
	policies := slices.Clone(rules.Policies)
	policies = append(policies, BuiltIn())
	slices.SortStableFunc(policies, func(a, b Policy) int { return strings.Compare(a.Name, b.Name) })
	return &judge{policies: policies, now: rules.Now, namespace: namespace, connection: connection}
}

// done gives the verdict.
func (j *judge) done() Verdict { return j.verdict }

// governing yields the policies that judge a holder, by name. The built-in one is among them where no other that denies limits scopes.
func (j *judge) governing(holder string, yield func(*Policy)) {
	limited := slices.ContainsFunc(j.policies, func(p Policy) bool { return p.LimitsScopes() && p.judges(holder) })
	for i := range j.policies {
		p := &j.policies[i]
		if p.judges(holder) && !(p.Name == BuiltInName && limited) {
			yield(p)
		}
	}
}

// holder judges a consumer or a server. Where it names no scopes it inherits the
// connection's, and what it may not have of these is said of its field as a whole.
func (j *judge) holder(field, who, name string, scopes, connection []string) {
	if len(scopes) > 0 {
		j.scopes(field, scopes, name, connection)
		j.together(field, scopes, name)
		return
	}
	for _, inherited := range connection {
		info, err := Parse(inherited)
		if err != nil {
			continue // is said of the connection
		}
		j.governing(name, func(p *Policy) {
			if p.judges("") && p.fixOf(info, false) != "" {
				return // the connection itself is at fault
			}
			if fix := p.fixOf(info, true); fix != "" {
				j.object(p, liftsScope(inherited), Violation{
					Field: field, Scope: inherited, Risk: info.Risk, Reason: "it " + info.Reason, Fix: "list the scopes of " + who + ", without it",
				})
			}
		})
	}
	j.together(field, connection, name)
}

// scopes judges a list. ceiling is what it must be a part of; nil means anything.
func (j *judge) scopes(field string, names []string, holder string, ceiling []string) {
	for i, name := range names {
		at := fmt.Sprintf("%s[%d]", field, i)
		info, err := Parse(name)
		if malformed, ok := errors.AsType[*FormError](err); ok {
			j.deny(j.malformed(at, malformed, holder))
			continue
		}
		if j.refuseScope(at, info, holder) {
			continue
		}
		if ceiling != nil && !slices.Contains(ceiling, name) {
			j.deny(Violation{
				Field: at, Scope: name, Risk: info.Risk, Reason: "it is not among the connection's scopes",
				Fix: "remove it here, or add it to the connection's spec.scopes",
			})
			continue
		}
		if info.Status == Unlisted {
			j.verdict.Warnings = append(j.verdict.Warnings, Warning{
				Field: at, Scope: name, Risk: info.Risk, Reason: "it " + info.Reason, Fix: "check its spelling",
			})
		}
	}
}

// refuseScope says what the policies have against a scope, and whether one of them denies it.
func (j *judge) refuseScope(field string, info Info, holder string) (denied bool) {
	j.governing(holder, func(p *Policy) {
		fix := p.fixOf(info, holder != "")
		if fix == "" {
			return
		}
		denied = j.object(p, liftsScope(info.Name), Violation{
			Field: field, Scope: info.Name, Risk: info.Risk, Reason: "it " + info.Reason, Fix: fix,
		}) || denied
	})
	return denied
}

// together judges combinations of scopes that one token holds. What a policy lists by name it allows together, too. Where no
// policy has a ceiling of risk they are worth a warning.
func (j *judge) together(field string, names []string, holder string) {
	for _, c := range catalogue().Combinations {
		if !c.in(names) {
			continue
		}
		judged := false
		j.governing(holder, func(p *Policy) {
			if p.Enforcement == Deny && p.LimitsScopes() {
				judged = true
			}
			if p.MaxRisk == 0 || c.Risk <= p.MaxRisk || c.worst() > p.MaxRisk { // the last is said of the scope alone
				return
			}
			j.object(p, liftsScope(c.Scopes...), Violation{
				Field: field, Scope: c.Scopes[0], With: c.Scopes[1], Risk: c.Risk, Reason: c.Reason,
				Fix: "give them to different consumers, or have the policy changed",
			})
		})
		if !judged {
			j.verdict.Warnings = append(j.verdict.Warnings, Warning{
				Field: field, Scope: c.Scopes[0], With: c.Scopes[1], Risk: c.Risk, Reason: c.Reason, Fix: "give them to different consumers if you can",
			})
		}
	}
}

// zone judges where a connection goes.
func (j *judge) zone(zone string) {
	if zone == "" {
		return
	}
	j.governing("", func(p *Policy) {
		if !p.allowsZone(zone) {
			j.object(p, func(e *Exception) bool { return matchesZone(e.Zones, zone) }, Violation{
				Field: "spec.zone", Value: "zone " + quote(zone), Reason: "it is not among the zones that the policy allows",
				Fix: "choose " + strings.Join(p.AllowedZones[:min(3, len(p.AllowedZones))], ", ") + ", or have the policy changed",
			})
		}
	})
}

// rotation judges how often tokens are replaced.
func (j *judge) rotation(every time.Duration) {
	j.governing("", func(p *Policy) {
		if !p.allowsRotation(every) {
			j.object(p, func(e *Exception) bool { return e.Rotation }, Violation{
				Field: "spec.rotation.everySeconds", Value: fmt.Sprintf("an interval of %d s", int64(every.Seconds())),
				Reason: "the policy wants tokens replaced more often",
				Fix:    fmt.Sprintf("set it to %d or less", int64(p.MaxRotation.Seconds())),
			})
		}
	})
}

// sharing judges that consumers hold more than their own scopes.
func (j *judge) sharing(field, what string) {
	j.governing("", func(p *Policy) {
		if p.LeastPrivilege {
			j.object(p, func(e *Exception) bool { return e.LeastPrivilege }, Violation{
				Field: field, Value: what, Reason: "the policy requires that each consumer holds a token of its own with its own scopes only",
				Fix: "use apiToken with a token that holds user:read and user:write, or a connection for each consumer",
			})
		}
	})
}

// object records what a policy has against a request, unless an exception lifts it, and says whether the policy denies it. Of the
// policies that deny the same, the first by name is shown.
func (j *judge) object(p *Policy, lifts func(*Exception) bool, v Violation) (denied bool) {
	lifted, ended := j.excepted(p, lifts)
	if lifted {
		return false
	}
	if ended {
		v.Reason = "the exception for it has ended; " + v.Reason
	}
	v.Policy = p.Name
	switch p.Enforcement {
	case Warn:
		j.verdict.Warned = append(j.verdict.Warned, v)
	case Audit:
		j.verdict.Audited = append(j.verdict.Audited, v)
	default:
		j.verdict.Revoke = j.verdict.Revoke || p.Revoke
		same := func(o Violation) bool { return o.Field == v.Field && o.Scope == v.Scope && o.With == v.With }
		if !slices.ContainsFunc(j.verdict.Violations, same) {
			j.verdict.Violations = append(j.verdict.Violations, v)
		}
	}
	return p.Enforcement == Deny
}

// excepted says whether an exception lifts a limit now, or did before it ended.
func (j *judge) excepted(p *Policy, lifts func(*Exception) bool) (lifted, ended bool) {
	var last time.Time
	for i := range p.Exceptions {
		e := &p.Exceptions[i]
		if e.Namespace != j.namespace || e.Connection != "" && e.Connection != j.connection || !lifts(e) {
			continue
		}
		ended = true
		if e.Expires.After(last) {
			last = e.Expires
		}
	}
	if !last.After(j.now) {
		return false, ended
	}
	if j.verdict.Until.IsZero() || last.Before(j.verdict.Until) {
		j.verdict.Until = last
	}
	return true, false
}

// liftsScope finds exceptions for one of some scopes.
func liftsScope(names ...string) func(*Exception) bool {
	return func(e *Exception) bool {
		return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(e.Scopes, name) })
	}
}

func (j *judge) deny(v Violation) { j.verdict.Violations = append(j.verdict.Violations, v) }

// malformed is the violation of a name that is no scope. A wildcard is as risky as
// the worst that it could mean.
func (j *judge) malformed(field string, e *FormError, holder string) Violation {
	v := Violation{Field: field, Scope: e.Scope, Risk: High, Reason: "it " + e.Reason}
	if e.Wildcard {
		v.Risk = Critical
	}
	j.governing(holder, func(p *Policy) { // no scope that it stands for would do either
		if v.Policy == "" && slices.Contains(p.Refused, e.Scope) {
			v.Policy = p.Name
		}
	})
	switch {
	case v.Policy != "":
		v.Fix = "remove it"
	case e.Wildcard && e.Suggestion != "":
		v.Fix = "write the scopes that are used by their names, such as " + e.Suggestion
	case e.Suggestion != "":
		v.Fix = "did you mean " + e.Suggestion + "?"
	default:
		v.Fix = "write the scopes that are used by their names"
	}
	return v
}
