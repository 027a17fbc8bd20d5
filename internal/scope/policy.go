package scope

import (
	"slices"
	"strings"
	"time"
)

// BuiltInName is the name of the policy that counts where no other one limits scopes.
const BuiltInName = "built-in"

// Enforcement is what a policy does about what exceeds it.
type Enforcement int

// The enforcements. The zero value denies.
const (
	// Deny refuses the request.
	Deny Enforcement = iota
	// Warn tells the requester, and the object's condition.
	Warn
	// Audit tells those who look at the policy.
	Audit
)

// Policy is a ceiling. The zero value allows every well-formed scope; wildcards
// and malformed names no policy can allow. All limits of a policy hold together.
type Policy struct {
	// Name is shown in verdicts.
	Name string
	// Enforcement is what it does about what exceeds it.
	Enforcement Enforcement
	// Revoke ends tokens that exist already and that the policy denies; else they live until they would have been replaced.
	Revoke bool
	// Holders are the only ones judged, as ServiceAccount and MCPServer name them; empty means everybody.
	Holders []string
	// AllowedScopes are the only scopes allowed, by their exact names; empty means all.
	AllowedScopes []string
	// MaxRisk is the highest class allowed, of a scope or of some together; zero means that there is no ceiling.
	MaxRisk Risk
	// AllowedZones are the only zones allowed, each a host or "*." and a domain; empty means all.
	AllowedZones []string
	// MaxRotation is the longest interval between rotations; zero means no limit.
	MaxRotation time.Duration
	// LeastPrivilege demands that each consumer holds a token of its own with its own scopes only.
	LeastPrivilege bool
	// Refused are never allowed: exact names, or "resource:*" for all of a resource.
	Refused []string
	// RefusedBelow are refused to consumers and servers, in the form of Refused; a
	// connection may hold them.
	RefusedBelow []string
	// Exceptions lift limits of this policy until they expire.
	Exceptions []Exception
}

// Exception lifts limits of a policy.
type Exception struct {
	// Namespace is where it counts.
	Namespace string
	// Connection limits it to one connection, its consumers and its servers; "" means all of the namespace.
	Connection string
	// Scopes and Zones that are allowed nonetheless, in the forms of AllowedScopes and AllowedZones.
	Scopes, Zones []string
	// Rotation and LeastPrivilege lift these limits.
	Rotation, LeastPrivilege bool
	// Expires is the moment from which it does not count.
	Expires time.Time
}

// Rules are what counts for a request. The zero value is the built-in policy alone.
type Rules struct {
	// Policies that govern the request's namespace, in any order.
	Policies []Policy
	// Now is the time at which exceptions are looked at.
	Now time.Time
}

// BuiltIn is the policy that counts where no other one that denies limits scopes: no administrators'
// scopes for anybody, and no minting of tokens by consumers and servers.
func BuiltIn() Policy {
	return Policy{
		Name:         BuiltInName,
		Refused:      []string{"admin:*", "system:*", "apps:*"},
		RefusedBelow: []string{"user:write"},
	}
}

// ServiceAccount names a ServiceAccount as a holder of a token.
func ServiceAccount(name string) string { return "sa:" + name }

// MCPServer names a MakeMCPServer as a holder of a token.
func MCPServer(name string) string { return "mcp:" + name }

// LimitsScopes says whether the policy takes the place of the built-in one.
func (p *Policy) LimitsScopes() bool {
	return p.Enforcement == Deny && (len(p.AllowedScopes) > 0 || p.MaxRisk != 0)
}

// judges says whether the policy has a word on a holder; "" is the connection itself.
func (p *Policy) judges(holder string) bool {
	return len(p.Holders) == 0 || holder != "" && slices.Contains(p.Holders, holder)
}

// fixOf says what to do about a scope that the policy refuses, or "" if it allows
// it. below is set for scopes of consumers and servers.
func (p *Policy) fixOf(info Info, below bool) string {
	switch {
	case matchesAny(p.Refused, info.Name):
		return "remove it"
	case below && matchesAny(p.RefusedBelow, info.Name):
		return "remove it here, only the connection itself may hold it"
	case len(p.AllowedScopes) > 0 && !slices.Contains(p.AllowedScopes, info.Name):
		return "choose among the scopes that the policy allows, or have it allowed there"
	case p.MaxRisk != 0 && info.Risk > p.MaxRisk:
		fix := "choose scopes of risk " + p.MaxRisk.String() + " at most"
		if narrower, ok := p.narrower(info, below); ok {
			fix = "ask for " + narrower + " if that is enough"
		}
		return fix + ", or have the policy changed"
	default:
		return ""
	}
}

// narrower finds the read scope of the same resource where the policy allows it.
func (p *Policy) narrower(info Info, below bool) (string, bool) {
	resource, _, _ := strings.Cut(info.Name, ":")
	read, ok := Lookup(resource + ":read")
	if !ok || read.Name == info.Name || p.fixOf(read, below) != "" {
		return "", false
	}
	return read.Name, true
}

// allowsZone says whether the policy allows a zone.
func (p *Policy) allowsZone(zone string) bool {
	return len(p.AllowedZones) == 0 || matchesZone(p.AllowedZones, zone)
}

// allowsRotation says whether the policy allows an interval.
func (p *Policy) allowsRotation(every time.Duration) bool {
	return p.MaxRotation == 0 || every <= p.MaxRotation
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		resource, all := strings.CutSuffix(pattern, ":*")
		return pattern == name || all && strings.HasPrefix(name, resource+":")
	})
}

func matchesZone(patterns []string, zone string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		domain, many := strings.CutPrefix(pattern, "*")
		return pattern == zone || many && strings.HasSuffix(zone, domain) && len(zone) > len(domain)
	})
}
