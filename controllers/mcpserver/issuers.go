package mcpserver

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/mcp"
)

// Issuer is a token issuer outside the cluster that the operator's administrators trust.
type Issuer struct {
	// Config is how make-mcp is told of it. Files in it are not used.
	Config mcp.Issuer
	// CA holds PEM certificates that sign its servers; empty means the system's.
	CA []byte
}

// port is where its keys are. An issuer whose metadata sends elsewhere has to name the address of its keys.
func (i Issuer) port() int32 {
	address := i.Config.JWKSURL
	if address == "" {
		address = i.Config.Issuer
	}
	if u, err := url.Parse(address); err == nil {
		if n, err := strconv.ParseUint(u.Port(), 10, 16); err == nil && n > 0 {
			return int32(n)
		}
	}
	return httpsPort
}

// untrustedIssuer says which rule names an issuer that the operator does not know; empty means none.
func untrustedIssuer(server *v1alpha1.MakeMCPServer, issuers map[string]Issuer) string {
	for i, r := range server.Spec.Access.Rules {
		if r.OIDC == nil {
			continue
		}
		if _, trusted := issuers[r.OIDC.Issuer]; !trusted {
			known := "none is configured"
			if names := slices.Sorted(maps.Keys(issuers)); len(names) > 0 {
				known = "it trusts " + strings.Join(names, ", ")
			}
			return fmt.Sprintf("spec.access.rules[%d].oidc.issuer: the operator trusts no issuer called %s (%s): correct the name, or have its "+
				"administrator add it with --oidc-issuer", i, r.OIDC.Issuer, known)
		}
	}
	return ""
}

// trusted are the names of the issuers that the rules use, each once, sorted.
func (in inputs) trusted() []string {
	var used []string
	for _, r := range in.server.Spec.Access.Rules {
		if r.OIDC != nil {
			used = append(used, r.OIDC.Issuer)
		}
	}
	slices.Sort(used)
	return slices.Compact(used)
}

// oidcIssuers are those issuers as make-mcp is told of them.
func (in inputs) oidcIssuers() []mcp.Issuer {
	var out []mcp.Issuer
	for _, name := range in.trusted() {
		issuer := in.issuers[name]
		told := issuer.Config
		if len(issuer.CA) > 0 {
			told.CAFile = path.Join(configDir, issuerCAFile(name))
		}
		out = append(out, told)
	}
	return out
}

func issuerCAFile(name string) string { return "issuer-" + name + ".pem" }

func claimsOf(claims []v1alpha1.RequiredClaim) []mcp.Claim {
	var out []mcp.Claim
	for _, c := range claims {
		out = append(out, mcp.Claim{Name: c.Name, Values: c.Values})
	}
	return out
}

func limitsOf(limit v1alpha1.RateLimit) mcp.Limits {
	rate := func(r v1alpha1.CallRate) mcp.Rate { return mcp.Rate{PerHour: int(r.CallsPerHour), Burst: int(r.Burst)} }
	return mcp.Limits{
		Standard: rate(limit.Standard), Sensitive: rate(limit.Sensitive), Admin: rate(limit.Admin),
		OrganizationPerMinute:          int(limit.OrganizationCallsPerMinute),
		FailedAuthenticationsPerMinute: int(limit.FailedAuthenticationsPerMinute),
	}
}
