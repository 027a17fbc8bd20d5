package access

import "slices"

// Rule gives scopes and, optionally, only some tools to some subjects of one issuer: those with an exact sub claim, those with
// certain claims, or, where the rule has both, those with both. A rule with neither is for nobody.
type Rule struct {
	Issuer   string
	Subjects []string
	Claims   []Claim // all must match
	Scopes   []string
	Tools    []string // empty: all tools that the scopes allow
	ListOnly bool     // the subjects see the tools and call none
}

// Claim is a claim that a token must have.
type Claim struct {
	// Name is the claim's, or a JSON Pointer (it starts with a slash) into nested claims.
	Name string
	// Values are the accepted ones; a claim that is a list matches if it holds one of them.
	Values []string
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

// GrantsFor returns what rules give to p, never more than the ceiling, the scopes of the server's own token, and, where the issuer
// has a scope claim, than the token says. No matching rule gives nil.
func GrantsFor(p Principal, rules []Rule, ceiling []string) Grants {
	var out Grants
	for _, r := range rules {
		if !r.matches(p) {
			continue
		}
		scopes := slices.DeleteFunc(slices.Clone(r.Scopes), func(s string) bool {
			return !slices.Contains(ceiling, s) || (p.Limited && !slices.Contains(p.Scopes, s))
		})
		out = append(out, Grant{Scopes: scopes, Tools: r.Tools, ListOnly: r.ListOnly})
	}
	return out
}

func (r Rule) matches(p Principal) bool {
	if r.Issuer != p.Issuer || len(r.Subjects)+len(r.Claims) == 0 {
		return false
	}
	if len(r.Subjects) > 0 && !slices.Contains(r.Subjects, p.Subject) {
		return false
	}
	return !slices.ContainsFunc(r.Claims, func(c Claim) bool {
		return !slices.ContainsFunc(p.claims.values(c.Name), func(v string) bool { return slices.Contains(c.Values, v) })
	})
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
