package scope

import (
	"slices"
	"strings"
)

// BuiltInName is the name of the policy that counts where there is no other.
const BuiltInName = "built-in"

// Policy is a ceiling. The zero value allows every well-formed scope; wildcards
// and malformed names no policy can allow. All limits of a policy hold together.
type Policy struct {
	// Name is shown in verdicts.
	Name string
	// AllowedScopes are the only scopes allowed, by their exact names; empty means all.
	AllowedScopes []string
	// MaxRisk is the highest class allowed; zero means that there is no ceiling.
	MaxRisk Risk
	// Refused are never allowed: exact names, or "resource:*" for all of a resource.
	Refused []string
	// RefusedBelow are refused to consumers and servers, in the form of Refused; a
	// connection may hold them.
	RefusedBelow []string
}

// BuiltIn is the policy that counts where there is no other: no administrators'
// scopes for anybody, and no minting of tokens by consumers and servers.
func BuiltIn() Policy {
	return Policy{
		Name:         BuiltInName,
		Refused:      []string{"admin:*", "system:*", "apps:*"},
		RefusedBelow: []string{"user:write"},
	}
}

// fixOf says what to do about a scope that the policy refuses, or "" if it allows
// it. below is set for scopes of consumers and servers.
func (p Policy) fixOf(info Info, below bool) string {
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
func (p Policy) narrower(info Info, below bool) (string, bool) {
	resource, _, _ := strings.Cut(info.Name, ":")
	read, ok := Lookup(resource + ":read")
	if !ok || read.Name == info.Name || p.fixOf(read, below) != "" {
		return "", false
	}
	return read.Name, true
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		resource, all := strings.CutSuffix(pattern, ":*")
		return pattern == name || all && strings.HasPrefix(name, resource+":")
	})
}
