package mcp

import (
	"net/url"
)

// The greatest sensible values; more is a slip of the pen.
const (
	maxPerHour     = 10_000_000
	maxAtOnce      = 10_000
	maxCallSeconds = 3600
	maxConnections = 100_000
	maxReplicas    = 1000
)

func (p *problems) checkLimits(l Limits) {
	for field, rate := range map[string]Rate{
		"limits.standard": l.Standard, "limits.sensitive": l.Sensitive, "limits.admin": l.Admin, "limits.protocol": l.Protocol,
	} {
		p.checkNumber(field+".perHour", rate.PerHour, maxPerHour)
		p.checkNumber(field+".burst", rate.Burst, maxPerHour)
	}
	p.checkNumber("limits.organizationPerMinute", l.OrganizationPerMinute, maxPerHour)
	p.checkNumber("limits.failedAuthenticationsPerMinute", l.FailedAuthenticationsPerMinute, maxPerHour)
	p.checkNumber("limits.callsAtOnce", l.CallsAtOnce, maxAtOnce)
	p.checkNumber("limits.callsAtOncePerCaller", l.CallsAtOncePerCaller, maxAtOnce)
	p.checkNumber("limits.callSeconds", l.CallSeconds, maxCallSeconds)
	p.checkNumber("limits.connections", l.Connections, maxConnections)
	p.checkRedis(l.Redis)
}

func (p *problems) checkRedis(r Redis) {
	if r.Address == "" {
		p.check(r == Redis{}, "limits.redis.address: is empty; write host:port, or remove limits.redis")
		return
	}
	p.checkAddress("limits.redis.address", r.Address)
	p.check(r.Username == "" || r.PasswordFile != "", "limits.redis.passwordFile: is empty; a user name needs one")
	p.check(r.CAFile == "" || r.TLS, "limits.redis.caFile: belongs to a connection with TLS; set limits.redis.tls: true or remove it")
	p.checkNumber("limits.redis.database", r.Database, maxAtOnce)
	p.check(r.Replicas >= 1 && r.Replicas <= maxReplicas,
		"limits.redis.replicas: must be how many replicas share the limits, at least 1: while Redis does not answer, each has its part")
}

// checkNumber allows zero, which stands for the default.
func (p *problems) checkNumber(field string, n, greatest int) {
	p.check(n >= 0 && n <= greatest, "%s: must be between 1 and %d, or absent for the default", field, greatest)
}

func (p *problems) checkTLS(t TLS) {
	p.check((t.CertFile == "") == (t.KeyFile == ""), "tls: set both certFile and keyFile, or none")
	p.check(t.MinVersion == "" || t.MinVersion == "1.2" || t.MinVersion == "1.3", "tls.minVersion: %q is neither 1.2 nor 1.3", t.MinVersion)
	p.check(t.MinVersion == "" || t.CertFile != "", "tls.minVersion: belongs to a certificate; set certFile and keyFile or remove it")
}

func (p *problems) checkTracing(t Tracing) {
	u, err := url.Parse(t.Endpoint)
	p.check(t.Endpoint == "" || (err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil),
		"tracing.endpoint: %q is not an http or https URL", t.Endpoint)
	p.check(t.Endpoint != "" || (t.CAFile == "" && t.Percent == 0), "tracing.endpoint: is empty; write the collector's address, or remove tracing")
	const all = 100
	p.checkNumber("tracing.percent", t.Percent, all)
}

func (p *problems) checkBaseURL(base string) {
	u, err := url.Parse(base)
	p.check(base == "" || (err == nil && base == "https://"+u.Host && u.Host != ""),
		"upstream.baseURL: %q is not https:// and a host; write for example https://eu1.make.com", base)
}
