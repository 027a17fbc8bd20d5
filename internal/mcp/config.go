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
}

// Issuer is one token issuer. Exactly one of JWKSFile and JWKSURL is set.
type Issuer struct {
	// Issuer is the exact value of the iss claim.
	Issuer string `json:"issuer"`
	// JWKSFile is a file with the issuer's JSON Web Key Set, read again when it changes.
	JWKSFile string `json:"jwksFile,omitempty"`
	// JWKSURL is the https address of the key set.
	JWKSURL string `json:"jwksURL,omitempty"`
	// CAFile holds PEM certificates that sign the server of JWKSURL; empty means the system's.
	CAFile string `json:"caFile,omitempty"`
	// Audiences are the accepted values of aud; empty means the resource alone.
	Audiences []string `json:"audiences,omitempty"`
}

// Rule gives scopes and tools to some subjects of one issuer.
type Rule struct {
	// Subjects are exact values of the sub claim, for example "system:serviceaccount:sales:sales-agent".
	Subjects []string `json:"subjects"`
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

// Upstream says how Make is reached.
type Upstream struct {
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
