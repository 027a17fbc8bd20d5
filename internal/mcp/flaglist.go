package mcp

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// flagGroups are all flags but --config, in the order of the help text.
func flagGroups() []flagGroup {
	return []flagGroup{
		{"Addresses", []flagSpec{
			{"listen", "HOST:PORT", "MCP listener; default " + defaultListen, text(func(c *Config) *string { return &c.Listen })},
			{"operations-listen", "HOST:PORT", "listener of /healthz, /readyz and /metrics; default " + defaultOperationsListen, text(func(c *Config) *string { return &c.OperationsListen })},
			{"resource", "URL", "URL at which callers reach this server; its path is the MCP endpoint", text(func(c *Config) *string { return &c.Resource })},
			{"allowed-host", "HOST", "adds a Host header to serve beside the resource's", adding(func(c *Config) *[]string { return &c.AllowedHosts })},
			{"allowed-origin", "ORIGIN", "adds an origin of web pages that may call, as https://app.example.com", adding(func(c *Config) *[]string { return &c.AllowedOrigins })},
			{"trusted-proxy", "CIDR", "adds proxies in front whose X-Forwarded-For is believed", adding(func(c *Config) *[]string { return &c.TrustedProxies })},
			{"tls-cert-file", "FILE", "serves TLS with this PEM certificate, read again when it changes", text(func(c *Config) *string { return &c.TLS.CertFile })},
			{"tls-key-file", "FILE", "its key", text(func(c *Config) *string { return &c.TLS.KeyFile })},
		}},
		{"Callers (flags after an --issuer describe it)", callerFlags()},
		{"Make", []flagSpec{
			{"upstream-url", "URL", "Make's address, as https://eu1.make.com; default the zone that comes with the token", text(func(c *Config) *string { return &c.Upstream.BaseURL })},
			{"upstream-ca-file", "FILE", "PEM certificates to trust for Make's API, beside the system's", text(func(c *Config) *string { return &c.Upstream.CAFile })},
			{"token-dir", "DIR", "folder with the Make credential: files token, authorization and zone", text(func(c *Config) *string { return &c.Upstream.TokenDir })},
			{"token-from-environment", "", "takes the credential from MAKE_API_KEY and MAKE_ZONE instead", yes(func(c *Config) *bool { return &c.Upstream.FromEnvironment })},
			{"organization-id", "ID", "Make organization that the credential belongs to", id(func(c *Config) *int64 { return &c.OrganizationID })},
			{"team-id", "ID", "limits scenario tools to a team", id(func(c *Config) *int64 { return &c.TeamID })},
			{"scopes", "SCOPE,...", "Make scopes that the credential holds", names(func(c *Config) *[]string { return &c.Scopes })},
		}},
		{"Tools", []flagSpec{
			{"include-tools", "TOOL,...", "the only tools to offer", names(func(c *Config) *[]string { return &c.Tools.Include })},
			{"exclude-tools", "TOOL,...", "tools not to offer", names(func(c *Config) *[]string { return &c.Tools.Exclude })},
			{"read-only", "", "offers only tools that change nothing", yes(func(c *Config) *bool { return &c.Tools.ReadOnly })},
			{"no-scenarios", "", "offers no scenarios as tools; the default without a config file is to offer them", func(d *draft, _ string) error {
				d.Config.Tools.Scenarios = false
				return nil
			}},
		}},
		{"Limits", limitFlags()},
		{"Logs and traces", []flagSpec{
			{"audit-file", "FILE", "file that the audit log is appended to; default standard output", func(d *draft, v string) error {
				d.AuditFile = v
				return nil
			}},
			{"log-level", "LEVEL", "debug, info, warn or error, to standard error; default info", func(d *draft, v string) error {
				if err := d.LogLevel.UnmarshalText([]byte(v)); err != nil {
					return fmt.Errorf("%q is none of debug, info, warn, error", v)
				}
				return nil
			}},
			{"tracing-endpoint", "URL", "OTLP/HTTP address that spans are sent to, with path", text(func(c *Config) *string { return &c.Tracing.Endpoint })},
		}},
		{"Stopping", []flagSpec{
			{"drain-timeout", "DURATION", "how long running calls may finish after SIGTERM; default " + defaultDrainTimeout.String(), func(d *draft, v string) error {
				var err error
				d.DrainTimeout, err = time.ParseDuration(v)
				return err
			}},
		}},
	}
}

func callerFlags() []flagSpec {
	return []flagSpec{
		{"issuer", "ISSUER", "adds a token issuer, exactly as in the iss claim; its metadata says where its keys are", func(d *draft, v string) error {
			d.Config.Issuers = append(d.Config.Issuers, Issuer{Issuer: v})
			return nil
		}},
		{"jwks-url", "URL", "address of its key set", issuerText(func(is *Issuer) *string { return &is.JWKSURL })},
		{"jwks-file", "FILE", "file with its key set; without --issuer, of the one that is configured with a jwksFile", jwksFile},
		{"token-review-url", "URL", "Kubernetes API server that is asked about each token instead", issuerText(func(is *Issuer) *string { return &is.TokenReviewURL })},
		{"issuer-token-file", "FILE", "token to show at --jwks-url or --token-review-url", issuerText(func(is *Issuer) *string { return &is.BearerTokenFile })},
		{"issuer-ca-file", "FILE", "PEM certificates that sign its servers; default the system's", issuerText(func(is *Issuer) *string { return &is.CAFile })},
		{"allow-loopback-http", "", "lets its addresses be plain http on this machine", ofIssuer(func(is *Issuer, _ string) { is.AllowLoopbackHTTP = true })},
		{"audience", "AUDIENCE", "adds an accepted aud claim; default the resource alone", ofIssuer(func(is *Issuer, v string) { is.Audiences = append(is.Audiences, v) })},
		{"scope-claim", "CLAIM", "claim with the scopes of a token, by which callers have less than the rules give", issuerText(func(is *Issuer) *string { return &is.ScopeClaim })},
		{"rule", "RULE", "adds a rule, as \"subject=SUB;scopes=scenarios:run;tools=users_me\" or \"claim.groups=VALUE;scopes=...\"", addRule},
	}
}

func limitFlags() []flagSpec {
	return []flagSpec{
		{"limit", "CLASS=N[:BURST]", "calls per caller and hour; CLASS is standard, sensitive, admin or protocol", setRate},
		{"limit-organization", "N", "calls of all callers per minute; default 1000", number32(func(c *Config) *int { return &c.Limits.OrganizationPerMinute })},
		{"limit-failed-authentications", "N", "requests without a good token per address and minute; default 10", number32(func(c *Config) *int { return &c.Limits.FailedAuthenticationsPerMinute })},
		{"redis", "HOST:PORT", "Redis or Valkey in which replicas share their limits", text(func(c *Config) *string { return &c.Limits.Redis.Address })},
		{"redis-username", "NAME", "user there", text(func(c *Config) *string { return &c.Limits.Redis.Username })},
		{"redis-password-file", "FILE", "password there", text(func(c *Config) *string { return &c.Limits.Redis.PasswordFile })},
		{"redis-tls", "", "encrypts the connection", yes(func(c *Config) *bool { return &c.Limits.Redis.TLS })},
		{"redis-ca-file", "FILE", "PEM certificates that sign it; default the system's", text(func(c *Config) *string { return &c.Limits.Redis.CAFile })},
		{"redis-replicas", "N", "how many replicas share the limits: each has that part while Redis does not answer", number32(func(c *Config) *int { return &c.Limits.Redis.Replicas })},
	}
}

func text(field func(*Config) *string) func(*draft, string) error {
	return func(d *draft, v string) error {
		*field(&d.Config) = v
		return nil
	}
}

func yes(field func(*Config) *bool) func(*draft, string) error {
	return func(d *draft, _ string) error {
		*field(&d.Config) = true
		return nil
	}
}

// adding adds to what is there.
func adding(field func(*Config) *[]string) func(*draft, string) error {
	return func(d *draft, v string) error {
		*field(&d.Config) = append(*field(&d.Config), v)
		return nil
	}
}

// names replaces what is there.
func names(field func(*Config) *[]string) func(*draft, string) error {
	return func(d *draft, v string) error {
		*field(&d.Config) = strings.Split(v, ",")
		return nil
	}
}

func id(field func(*Config) *int64) func(*draft, string) error {
	return func(d *draft, v string) (err error) {
		if *field(&d.Config), err = strconv.ParseInt(v, 10, 64); err != nil {
			return fmt.Errorf("%q is not a number", v)
		}
		return nil
	}
}

func number32(field func(*Config) *int) func(*draft, string) error {
	return func(d *draft, v string) error {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil {
			return fmt.Errorf("%q is not a number", v)
		}
		*field(&d.Config) = int(n)
		return nil
	}
}

// ofIssuer changes the issuer that was named last.
func ofIssuer(change func(*Issuer, string)) func(*draft, string) error {
	return func(d *draft, v string) error {
		if len(d.Config.Issuers) == 0 {
			return errors.New("comes after the --issuer that it describes")
		}
		change(&d.Config.Issuers[len(d.Config.Issuers)-1], v)
		return nil
	}
}

func issuerText(field func(*Issuer) *string) func(*draft, string) error {
	return ofIssuer(func(is *Issuer, v string) { *field(is) = v })
}

// jwksFile is for the issuer that was named last, or, where only the config file names some, for the one with a jwksFile.
func jwksFile(d *draft, v string) error {
	issuers := d.Config.Issuers
	if len(issuers) > d.configured {
		issuers[len(issuers)-1].JWKSFile = v
		return nil
	}
	var found []*Issuer
	for i := range issuers {
		if issuers[i].JWKSFile != "" {
			found = append(found, &issuers[i])
		}
	}
	if len(found) != 1 {
		return fmt.Errorf("the config names %d issuers with a jwksFile, not one; set the paths there", len(found))
	}
	found[0].JWKSFile = v
	return nil
}

// addRule reads a rule for the issuer that was named last.
func addRule(d *draft, v string) error {
	if len(d.Config.Issuers) == 0 {
		return errors.New("comes after the --issuer that it is for")
	}
	rule := Rule{Issuer: d.Config.Issuers[len(d.Config.Issuers)-1].Issuer}
	for part := range strings.SplitSeq(v, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		claim, isClaim := strings.CutPrefix(key, "claim.")
		switch {
		case isClaim:
			rule.addClaim(claim, value)
		case key == "subject":
			rule.Subjects = append(rule.Subjects, value)
		case key == "scopes":
			rule.Scopes = append(rule.Scopes, strings.Split(value, ",")...)
		case key == "tools":
			rule.Tools = append(rule.Tools, strings.Split(value, ",")...)
		case key == "list-only" && value == "":
			rule.ListOnly = true
		default:
			return fmt.Errorf("%q is none of subject=, claim.NAME=, scopes=, tools=, list-only", part)
		}
	}
	d.Config.Rules = append(d.Config.Rules, rule)
	return nil
}

// addClaim adds an accepted value; a claim that is named twice accepts both.
func (r *Rule) addClaim(name, value string) {
	at := slices.IndexFunc(r.Claims, func(c Claim) bool { return c.Name == name })
	if at < 0 {
		r.Claims = append(r.Claims, Claim{Name: name})
		at = len(r.Claims) - 1
	}
	r.Claims[at].Values = append(r.Claims[at].Values, value)
}

// setRate reads CLASS=N[:BURST].
func setRate(d *draft, v string) error {
	class, value, _ := strings.Cut(v, "=")
	l := &d.Config.Limits
	rates := map[string]*Rate{classStandard: &l.Standard, classSensitive: &l.Sensitive, classAdmin: &l.Admin, classProtocol: &l.Protocol}
	rate := rates[class]
	if rate == nil {
		return fmt.Errorf("%q is none of standard, sensitive, admin, protocol", class)
	}
	count, burst, hasBurst := strings.Cut(value, ":")
	if !hasBurst {
		burst = "0"
	}
	perHour, err := strconv.Atoi(count)
	most, burstErr := strconv.Atoi(burst)
	if err != nil || burstErr != nil {
		return fmt.Errorf("%q is not a number of calls, as in 1000 or 1000:100", value)
	}
	*rate = Rate{PerHour: perHour, Burst: most}
	return nil
}
