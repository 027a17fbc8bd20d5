package access

import "slices"

// Rule gives scopes and, optionally, only some tools to exact subjects of one issuer.
type Rule struct {
	Issuer   string
	Subjects []string
	Scopes   []string
	Tools    []string // empty: all tools that the scopes allow
	ListOnly bool     // the subjects see the tools and call none
}

// Grant is what one rule gives to a caller.
type Grant struct {
	Scopes   []string
	Tools    []string // empty: all tools that the scopes allow
	ListOnly bool     // enough to see the tools, not to call one
}

// Grants is everything that a caller was given. It is kept by rule: the scopes of one rule never combine with the tools
// of another. Empty means nothing.
type Grants []Grant

// GrantsFor returns what rules give to p, never more than the ceiling, the scopes of the server's own token. No matching
// rule gives nil.
func GrantsFor(p Principal, rules []Rule, ceiling []string) Grants {
	var out Grants
	for _, r := range rules {
		if r.Issuer != p.Issuer || !slices.Contains(r.Subjects, p.Subject) {
			continue
		}
		scopes := slices.DeleteFunc(slices.Clone(r.Scopes), func(s string) bool { return !slices.Contains(ceiling, s) })
		out = append(out, Grant{Scopes: scopes, Tools: r.Tools, ListOnly: r.ListOnly})
	}
	return out
}

// Callable returns the grants that let a caller call tools.
func (g Grants) Callable() Grants {
	return slices.DeleteFunc(slices.Clone(g), func(grant Grant) bool { return grant.ListOnly })
}

// Scopes returns the scopes of all grants, sorted, each once.
func (g Grants) Scopes() []string {
	var out []string
	for _, grant := range g {
		out = append(out, grant.Scopes...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
