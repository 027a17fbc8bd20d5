package mcp

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// Validate reports every problem at once; each line names the field and what to do. It reads no file.
func (c Config) Validate() error {
	p := &problems{}
	p.checkAddress("listen", c.Listen)
	p.checkAddress("operationsListen", c.OperationsListen)
	p.check(c.Listen != c.OperationsListen || strings.HasSuffix(c.Listen, ":0"),
		"operationsListen: is the same as listen; give it another port")
	p.checkResource(c.Resource)
	for i, host := range c.AllowedHosts {
		p.check(validHost(host), "allowedHosts[%d]: %q is not a host name; write it without scheme, port and path", i, host)
	}
	p.checkCallers(c)
	p.checkTLS(c.TLS)
	p.checkIssuers(c.Issuers)
	p.checkRules(c.Rules, c.Issuers)
	p.checkLimits(c.Limits)
	p.checkTracing(c.Tracing)
	p.checkBaseURL(c.Upstream.BaseURL)
	p.check(c.Upstream.TokenDir != "" || c.Upstream.FromEnvironment, "upstream.tokenDir: is empty; name the folder where the consumer Secret is mounted")
	p.check(c.Upstream.TokenDir == "" || !c.Upstream.FromEnvironment, "upstream.fromEnvironment: excludes tokenDir; remove one of them")
	p.check(c.OrganizationID > 0, "organizationID: must be a positive number; Make shows it in the URL of the organization's page")
	p.check(c.TeamID >= 0, "teamID: must not be negative; leave it out for every team")
	p.check(len(c.Scopes) > 0, "scopes: is empty; list the Make scopes that the server's token holds, for example scenarios:read")
	p.checkNames("scopes", c.Scopes)
	p.checkNames("tools.include", c.Tools.Include)
	p.checkNames("tools.exclude", c.Tools.Exclude)
	p.check(slices.Contains([]string{"", ConfirmDestructive, ConfirmNever}, c.Tools.Confirmation),
		"tools.confirmation: %q is neither Destructive nor Never", c.Tools.Confirmation)
	return errors.Join(p.found...)
}

// problems collects what is wrong with a Config.
type problems struct{ found []error }

func (p *problems) check(ok bool, format string, args ...any) {
	if !ok {
		p.found = append(p.found, fmt.Errorf(format, args...))
	}
}

func (p *problems) checkAddress(field, address string) {
	_, port, err := net.SplitHostPort(address)
	p.check(err == nil && port != "", "%s: %q is not an address; write host:port or :port", field, address)
}

func (p *problems) checkResource(resource string) {
	u, err := url.Parse(resource)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		p.check(false, "resource: %q is not an http or https URL; write the URL that callers use, for example http://tools.sales.svc/mcp", resource)
		return
	}
	p.check(u.RawQuery == "" && u.Fragment == "" && u.User == nil,
		"resource: %q has a query, fragment or user; a resource identifier is scheme, host and path only", resource)
	p.check(strings.Trim(u.Path, "/") != "" && !strings.HasSuffix(u.Path, "/"),
		"resource: the path of %q must be non-empty and without a slash at the end, for example /mcp", resource)
	p.check(!strings.HasPrefix(u.Path, wellKnownPath), "resource: the path of %q is taken by the resource metadata; choose another", resource)
}

// checkNames refuses empty strings, spaces and wildcards: every name in a config is exact.
func (p *problems) checkNames(field string, names []string) {
	for i, name := range names {
		p.check(name != "" && !strings.ContainsAny(name, "* \t\n\""), "%s[%d]: %q is not an exact name; patterns are not supported", field, i, name)
	}
}

func validHost(host string) bool {
	return host != "" && !strings.ContainsAny(host, "/*? @#") && (!strings.Contains(host, ":") || net.ParseIP(host) != nil)
}
