package mcp

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

// Config is everything that one make-mcp process needs to know. The mcpserver controller writes it into a ConfigMap;
// a person who runs make-mcp alone writes it by hand (config.sample.yaml explains each field).
// It holds no secret: credentials are files that it names.
type Config struct {
	// Listen is the address of the MCP listener, "host:port"; empty means ":8080".
	Listen string `json:"listen,omitempty"`
	// OperationsListen is the address of /healthz, /readyz and /metrics; empty means ":8081".
	OperationsListen string `json:"operationsListen,omitempty"`
	// Resource is the URL at which callers reach this server: the RFC 9728 resource identifier and the default audience.
	// Its path is the MCP endpoint.
	Resource string `json:"resource"`
	// AllowedHosts are further values of the Host header (and host of Origin) that are served, without port. The host of
	// Resource is always served.
	AllowedHosts []string `json:"allowedHosts,omitempty"`
	// AllowedOrigins are further origins of web pages that may call, as browsers write them: "https://host" or
	// "https://host:port". Pages of the hosts above may anyway; callers that are no browser send no origin.
	AllowedOrigins []string `json:"allowedOrigins,omitempty"`
	// TrustedProxies are the addresses (CIDR) of proxies in front of this server, whose X-Forwarded-For names the caller's
	// address. It counts for failed authentications alone.
	TrustedProxies []string `json:"trustedProxies,omitempty"`
	// TLS makes the server speak TLS itself; absent means plain HTTP, behind something that does.
	TLS TLS `json:"tls,omitzero"`
	// Issuers are the token issuers that callers may come from; at least one.
	Issuers []Issuer `json:"issuers"`
	// Rules say who may do what; no rule means nobody.
	Rules []Rule `json:"rules"`
	// Upstream is the way to Make.
	Upstream Upstream `json:"upstream"`
	// OrganizationID is the Make organization that the server's token belongs to.
	OrganizationID int64 `json:"organizationID"`
	// TeamID limits the scenario tools to one team; zero means every team of the organization.
	TeamID int64 `json:"teamID,omitempty"`
	// Scopes are the Make scopes that the server's own token holds. No caller gets more.
	Scopes []string `json:"scopes"`
	// Tools narrows what the scopes would offer.
	Tools Tools `json:"tools,omitzero"`
	// Limits bound what callers may ask for.
	Limits Limits `json:"limits,omitzero"`
	// Tracing exports spans; absent means that trace ids are in the audit log alone.
	Tracing Tracing `json:"tracing,omitzero"`
}

// Issuer is one token issuer. At most one of JWKSFile, JWKSURL and TokenReviewURL is set; with none of them the issuer's own
// metadata says where its keys are.
type Issuer struct {
	// Issuer is the exact value of the iss claim.
	Issuer string `json:"issuer"`
	// JWKSFile is a file with the issuer's JSON Web Key Set, read again when it changes.
	JWKSFile string `json:"jwksFile,omitempty"`
	// JWKSURL is the https address of the key set.
	JWKSURL string `json:"jwksURL,omitempty"`
	// TokenReviewURL is a Kubernetes API server that is asked about each token, and so knows of deleted ServiceAccounts at once. What
	// it accepted is good for ten seconds.
	TokenReviewURL string `json:"tokenReviewURL,omitempty"`
	// BearerTokenFile holds the token that is shown to JWKSURL or TokenReviewURL; empty means none.
	BearerTokenFile string `json:"bearerTokenFile,omitempty"`
	// CAFile holds PEM certificates that sign the issuer's servers; empty means the system's.
	CAFile string `json:"caFile,omitempty"`
	// AllowLoopbackHTTP lets the issuer's addresses be plain http where they are loopback addresses. For tests and development.
	AllowLoopbackHTTP bool `json:"allowLoopbackHTTP,omitempty"`
	// Audiences are the accepted values of aud; empty means the resource alone.
	Audiences []string `json:"audiences,omitempty"`
	// Algorithms are the accepted signature algorithms (RFC 7518); empty means RS256, PS256, ES256 and EdDSA.
	// Only asymmetric ones can be named.
	Algorithms []string `json:"algorithms,omitempty"`
	// ScopeClaim names the claim with the scopes of a token: a name, or a JSON Pointer. Callers then have what both the rules and
	// their token give. Empty means that the rules alone decide, as for ServiceAccounts, whose tokens name no scopes.
	ScopeClaim string `json:"scopeClaim,omitempty"`
}

// Rule gives scopes and tools to some subjects of one issuer. It is for those that match both Subjects and Claims.
type Rule struct {
	// Subjects are exact values of the sub claim, for example "system:serviceaccount:sales:sales-agent"; empty means any, if the
	// rule has claims.
	Subjects []string `json:"subjects,omitempty"`
	// Claims are claims that a token must have, all of them.
	Claims []Claim `json:"claims,omitempty"`
	// Issuer is the issuer of the subjects; it must be one of Config.Issuers.
	Issuer string `json:"issuer"`
	// Scopes are Make scopes; what the server's token does not hold has no effect.
	Scopes []string `json:"scopes"`
	// Tools are tool names; empty means every tool that the scopes allow. "scenario_<id>" names a scenario's tool
	// whatever the scenario is called.
	Tools []string `json:"tools,omitempty"`
	// ListOnly lets the subjects list the tools and call none: enough to see that the server works.
	ListOnly bool `json:"listOnly,omitempty"`
}

// Claim is a claim that a token must have.
type Claim struct {
	// Name is the claim's name, or a JSON Pointer such as "/realm_access/roles".
	Name string `json:"name"`
	// Values are the accepted ones, exactly; of a claim that is a list, one member has to be among them.
	Values []string `json:"values"`
}

// Upstream says how Make is reached.
type Upstream struct {
	// BaseURL is the API's address, for example "https://eu1.make.com"; empty means the zone that comes with the token.
	BaseURL string `json:"baseURL,omitempty"`
	// TokenDir is a mounted consumer Secret: files token, authorization and zone. It or FromEnvironment is set.
	TokenDir string `json:"tokenDir,omitempty"`
	// FromEnvironment takes an API token and its zone from MAKE_API_KEY and MAKE_ZONE, once, at the start.
	FromEnvironment bool `json:"fromEnvironment,omitempty"`
	// CAFile holds PEM certificates that may sign the zone's API, beside the system's; empty means the system's alone.
	CAFile string `json:"caFile,omitempty"`
	// ExtraZones are zones beyond Make's own, for example a private instance; "host" or "host:port".
	ExtraZones []string `json:"extraZones,omitempty"`
}

// Tools narrows the set of tools. Excludes win over includes.
type Tools struct {
	// Include lists the only tools to offer; empty means all. Names as in Rule.Tools.
	Include []string `json:"include,omitempty"`
	// Exclude lists tools that are not offered.
	Exclude []string `json:"exclude,omitempty"`
	// ReadOnly offers only tools that change nothing at Make.
	ReadOnly bool `json:"readOnly,omitempty"`
	// Scenarios offers each active on-demand scenario as a tool of its own.
	Scenarios bool `json:"scenarios,omitempty"`
	// Confirmation says which calls the caller has to confirm: ConfirmDestructive, also when empty, or ConfirmNever.
	Confirmation string `json:"confirmation,omitempty"`
}

// The values of Tools.Confirmation.
const (
	// ConfirmDestructive wants tools that delete or overwrite something to be confirmed.
	ConfirmDestructive = "Destructive"
	// ConfirmNever wants no confirmation.
	ConfirmNever = "Never"
)

// TLS is how the server speaks TLS. Both files are set, or none.
type TLS struct {
	// CertFile and KeyFile are PEM files, as a Secret of type kubernetes.io/tls has them (tls.crt, tls.key). They are read again
	// when they change.
	CertFile string `json:"certFile,omitempty"`
	KeyFile  string `json:"keyFile,omitempty"`
	// MinVersion is "1.2" or "1.3"; empty means 1.2. Version 1.3 is spoken with everybody who can.
	MinVersion string `json:"minVersion,omitempty"`
}

// Limits bound what callers may ask for. Zero means the default that a field states; nothing is without a limit.
type Limits struct {
	// Standard, Sensitive and Admin count the calls of tools per caller. Sensitive tools destroy something or handle stored
	// credentials (default 100 an hour), admin tools change organizations, teams and users (500), standard tools are the others (1,000).
	Standard  Rate `json:"standard,omitzero"`
	Sensitive Rate `json:"sensitive,omitzero"`
	Admin     Rate `json:"admin,omitzero"`
	// Protocol counts requests per caller that call no tool, such as lists of tools; default 6,000 an hour.
	Protocol Rate `json:"protocol,omitzero"`
	// OrganizationPerMinute counts the calls of tools of all callers; default 1,000, Make's largest plan. The plan's own limit is
	// obeyed anyway.
	OrganizationPerMinute int `json:"organizationPerMinute,omitempty"`
	// FailedAuthenticationsPerMinute counts requests without a good token per address; default 10.
	FailedAuthenticationsPerMinute int `json:"failedAuthenticationsPerMinute,omitempty"`
	// CallsAtOnce is how many requests are handled at a time, default 256; CallsAtOncePerCaller how many of one caller, default 32.
	CallsAtOnce          int `json:"callsAtOnce,omitempty"`
	CallsAtOncePerCaller int `json:"callsAtOncePerCaller,omitempty"`
	// CallSeconds is how long a request may take; default 120.
	CallSeconds int `json:"callSeconds,omitempty"`
	// Connections is how many connections are open at a time; default 1,000. For one more, the longest idle one is closed.
	Connections int `json:"connections,omitempty"`
	// Redis lets several replicas share the counts; absent means that each counts for itself.
	Redis Redis `json:"redis,omitzero"`
}

// Rate is how many calls fit into an hour and how many may come at once.
type Rate struct {
	// PerHour is the number of calls in an hour, in the long run.
	PerHour int `json:"perHour,omitempty"`
	// Burst is how many may come at once after a pause; zero means a tenth of PerHour.
	Burst int `json:"burst,omitempty"`
}

// Redis is a Redis or Valkey server, version 5 or later.
type Redis struct {
	// Address is "host:port".
	Address string `json:"address,omitempty"`
	// Username and PasswordFile log in; empty means without. The file is read for each connection.
	Username     string `json:"username,omitempty"`
	PasswordFile string `json:"passwordFile,omitempty"`
	// Database is its number.
	Database int `json:"database,omitempty"`
	// TLS encrypts the connection. CAFile holds PEM certificates that sign the server; empty means the system's.
	TLS    bool   `json:"tls,omitempty"`
	CAFile string `json:"caFile,omitempty"`
	// Replicas is how many processes share the limits: while Redis does not answer, each has that part of them.
	Replicas int `json:"replicas,omitempty"`
}

// Tracing exports OpenTelemetry spans over OTLP/HTTP.
type Tracing struct {
	// Endpoint is the collector's address, for example "http://otel-collector.monitoring.svc:4318/v1/traces"; empty means no export.
	Endpoint string `json:"endpoint,omitempty"`
	// CAFile holds PEM certificates that sign the collector; empty means the system's.
	CAFile string `json:"caFile,omitempty"`
	// Percent of the traces that begin here is exported; zero means all. Callers who sample their own trace decide for it.
	Percent int `json:"percent,omitempty"`
}

const (
	defaultListen           = ":8080"
	defaultOperationsListen = ":8081"
	maxConfigBytes          = 1 << 20
)

// ReadConfig reads and decodes a config file. Unknown and repeated fields are errors. It does not validate.
func ReadConfig(path string) (Config, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read config: %w", err)
	}
	if len(raw) > maxConfigBytes {
		return Config{}, fmt.Errorf("read config %s: larger than %d bytes", path, maxConfigBytes)
	}
	cfg, err := ParseConfig(raw)
	if err != nil {
		return Config{}, fmt.Errorf("parse config %s: %w", path, err)
	}
	return cfg, nil
}

// ParseConfig decodes YAML or JSON strictly and fills in the default addresses.
func ParseConfig(raw []byte) (Config, error) {
	var cfg Config
	if len(bytes.TrimSpace(raw)) == 0 {
		return Config{}, errors.New("the file is empty; the sample config shows every field")
	}
	if err := yaml.UnmarshalStrict(raw, &cfg); err != nil {
		return Config{}, err
	}
	if cfg.Listen == "" {
		cfg.Listen = defaultListen
	}
	if cfg.OperationsListen == "" {
		cfg.OperationsListen = defaultOperationsListen
	}
	return cfg, nil
}
