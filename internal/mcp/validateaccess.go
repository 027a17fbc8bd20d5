package mcp

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/makeops/make-operator/internal/mcp/access"
)

// checkCallers checks what says where callers may come from.
func (p *problems) checkCallers(c Config) {
	for i, origin := range c.AllowedOrigins {
		u, err := url.Parse(origin)
		p.check(err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && origin == u.Scheme+"://"+u.Host,
			"allowedOrigins[%d]: %q is not an origin; write scheme and host, for example https://app.example.com", i, origin)
	}
	for i, text := range c.TrustedProxies {
		_, err := netip.ParsePrefix(text)
		p.check(err == nil, "trustedProxies[%d]: %q is not a range of addresses; write it as in 10.0.0.0/8, one address as in 10.1.2.3/32", i, text)
	}
}

func (p *problems) checkIssuers(issuers []Issuer) {
	p.check(len(issuers) > 0, "issuers: is empty; name at least one token issuer, since a server without one would refuse everybody")
	seen := map[string]bool{}
	for i, is := range issuers {
		field := fmt.Sprintf("issuers[%d]", i)
		p.check(is.Issuer != "", "%s.issuer: is empty; write the exact value of the iss claim", field)
		p.check(!seen[is.Issuer], "%s.issuer: %q is there twice; merge the two entries", field, is.Issuer)
		seen[is.Issuer] = true
		p.checkKeys(field, is)
		for j, name := range is.Algorithms {
			p.check(slices.Contains(access.Algorithms(), name), "%s.algorithms[%d]: %q is none of %s", field, j, name, strings.Join(access.Algorithms(), ", "))
		}
		p.check(!strings.ContainsAny(is.ScopeClaim, " \t\n"), "%s.scopeClaim: %q has white space; write the name of one claim", field, is.ScopeClaim)
		p.checkNames(field+".audiences", is.Audiences)
	}
}

// checkKeys checks how an issuer's tokens are judged.
func (p *problems) checkKeys(field string, is Issuer) {
	ways := 0
	for _, way := range []string{is.JWKSFile, is.JWKSURL, is.TokenReviewURL} {
		if way != "" {
			ways++
		}
	}
	p.check(ways <= 1, "%s: set one of jwksFile, jwksURL and tokenReviewURL, or none of them to ask the issuer itself", field)
	for name, address := range map[string]string{"jwksURL": is.JWKSURL, "tokenReviewURL": is.TokenReviewURL} {
		p.check(address == "" || is.trustsText(address),
			"%s.%s: must be an https URL without user and query; plain http takes allowLoopbackHTTP and a loopback address", field, name)
	}
	p.check(ways > 0 || is.Issuer == "" || is.trustsText(is.Issuer),
		"%s.issuer: %q is not an https URL, so it cannot be asked for its keys; set jwksFile or jwksURL", field, is.Issuer)
	p.check(!strings.HasSuffix(is.TokenReviewURL, "/"), "%s.tokenReviewURL: must not end with a slash", field)
	p.check(is.CAFile == "" || is.JWKSFile == "", "%s.caFile: belongs to an address, not to jwksFile; remove it", field)
	p.check(is.BearerTokenFile == "" || is.JWKSURL+is.TokenReviewURL != "",
		"%s.bearerTokenFile: belongs to jwksURL or tokenReviewURL; remove it", field)
}

func (is Issuer) trustsText(address string) bool {
	u, err := url.Parse(address)
	return err == nil && is.trusts(u)
}

func (p *problems) checkRules(rules []Rule, issuers []Issuer) {
	p.check(len(rules) > 0, "rules: is empty; add a rule that says who may call, a server is never open")
	for i, r := range rules {
		field := fmt.Sprintf("rules[%d]", i)
		p.check(len(r.Subjects)+len(r.Claims) > 0, "%s.subjects: is empty; list the exact sub claims that the rule is for, or claims", field)
		for j, c := range r.Claims {
			claim := fmt.Sprintf("%s.claims[%d]", field, j)
			p.check(c.Name != "" && c.Name != "/" && !strings.ContainsAny(c.Name, " \t\n"), "%s.name: %q is not the name of a claim", claim, c.Name)
			p.check(len(c.Values) > 0 && !slices.Contains(c.Values, ""), "%s.values: list the exact values that are accepted, none of them empty", claim)
		}
		p.check(slices.ContainsFunc(issuers, func(is Issuer) bool { return is.Issuer == r.Issuer }),
			"%s.issuer: %q is not among issuers; use one of them", field, r.Issuer)
		p.check(len(r.Scopes) > 0, "%s.scopes: is empty; list the Make scopes that these subjects get", field)
		p.checkNames(field+".subjects", r.Subjects)
		p.checkNames(field+".scopes", r.Scopes)
		p.checkNames(field+".tools", r.Tools)
	}
}
