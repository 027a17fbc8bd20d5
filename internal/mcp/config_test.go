package mcp_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/mcp"
)

func sample(t *testing.T) mcp.Config {
	t.Helper()
	cfg, err := mcp.ParseConfig([]byte(mcp.SampleConfig()))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestSampleConfigIsValid(t *testing.T) {
	if err := sample(t).Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateNamesTheField(t *testing.T) {
	tests := []struct {
		field  string
		change func(*mcp.Config)
	}{
		{"listen", func(c *mcp.Config) { c.Listen = "8080" }},
		{"operationsListen", func(c *mcp.Config) { c.OperationsListen = c.Listen }},
		{"resource", func(c *mcp.Config) { c.Resource = "tools.sales.svc/mcp" }},
		{"resource", func(c *mcp.Config) { c.Resource = "http://tools.sales.svc" }},
		{"resource", func(c *mcp.Config) { c.Resource = "http://tools.sales.svc/mcp/" }},
		{"resource", func(c *mcp.Config) { c.Resource = "http://tools.sales.svc/mcp?x=1" }},
		{"resource", func(c *mcp.Config) { c.Resource = "http://h/.well-known/oauth-protected-resource" }},
		{"allowedHosts[1]", func(c *mcp.Config) { c.AllowedHosts[1] = "http://tools" }},
		{"issuers", func(c *mcp.Config) { c.Issuers = nil }},
		{"issuers[0]", func(c *mcp.Config) { c.Issuers[0].JWKSURL = "https://x/jwks" }},
		{"issuers[0]", func(c *mcp.Config) { c.Issuers[0].TokenReviewURL = "https://x" }},
		{"issuers[0].issuer", func(c *mcp.Config) { c.Issuers[0].Issuer, c.Issuers[0].JWKSFile = "cluster", "" }},
		{"issuers[0].caFile", func(c *mcp.Config) { c.Issuers[0].CAFile = "ca.pem" }},
		{"issuers[0].bearerTokenFile", func(c *mcp.Config) { c.Issuers[0].BearerTokenFile = "token" }},
		{"issuers[0].algorithms[0]", func(c *mcp.Config) { c.Issuers[0].Algorithms = []string{"HS256"} }},
		{"issuers[0].scopeClaim", func(c *mcp.Config) { c.Issuers[0].ScopeClaim = "scope scp" }},
		{"issuers[1].jwksURL", func(c *mcp.Config) { c.Issuers[1].JWKSURL = "http://127.0.0.1/jwks" }},
		{"issuers[1].jwksURL", func(c *mcp.Config) {
			c.Issuers[1].JWKSURL, c.Issuers[1].AllowLoopbackHTTP = "http://10.0.0.1/jwks", true
		}},
		{"allowedOrigins[0]", func(c *mcp.Config) { c.AllowedOrigins = []string{"https://app.example.com/"} }},
		{"trustedProxies[0]", func(c *mcp.Config) { c.TrustedProxies = []string{"10.0.0.1"} }},
		{"tls", func(c *mcp.Config) { c.TLS = mcp.TLS{CertFile: "tls.crt"} }},
		{"tls.minVersion", func(c *mcp.Config) { c.TLS = mcp.TLS{CertFile: "a", KeyFile: "b", MinVersion: "1.1"} }},
		{"limits.sensitive.perHour", func(c *mcp.Config) { c.Limits.Sensitive.PerHour = -1 }},
		{"limits.callSeconds", func(c *mcp.Config) { c.Limits.CallSeconds = 1 << 20 }},
		{"limits.redis.address", func(c *mcp.Config) { c.Limits.Redis = mcp.Redis{Replicas: 2} }},
		{"limits.redis.replicas", func(c *mcp.Config) { c.Limits.Redis = mcp.Redis{Address: "redis:6379"} }},
		{"limits.redis.caFile", func(c *mcp.Config) { c.Limits.Redis = mcp.Redis{Address: "redis:6379", Replicas: 1, CAFile: "ca.pem"} }},
		{"tracing.endpoint", func(c *mcp.Config) { c.Tracing.Endpoint = "collector:4318" }},
		{"tracing.endpoint", func(c *mcp.Config) { c.Tracing = mcp.Tracing{Percent: 5} }},
		{"upstream.baseURL", func(c *mcp.Config) { c.Upstream.BaseURL = "http://eu1.make.com" }},
		{"rules[1].claims[0].name", func(c *mcp.Config) { c.Rules[1].Claims = []mcp.Claim{{Values: []string{"a"}}} }},
		{"rules[1].claims[0].values", func(c *mcp.Config) { c.Rules[1].Claims = []mcp.Claim{{Name: "groups", Values: []string{""}}} }},
		{"issuers[1].jwksURL", func(c *mcp.Config) { c.Issuers[1].JWKSURL = "http://x/jwks" }},
		{"issuers[1].issuer", func(c *mcp.Config) { c.Issuers[1].Issuer = c.Issuers[0].Issuer }},
		{"rules", func(c *mcp.Config) { c.Rules = nil }},
		{"rules[0].subjects", func(c *mcp.Config) { c.Rules[0].Subjects = nil }},
		{"rules[0].subjects[0]", func(c *mcp.Config) { c.Rules[0].Subjects = []string{"system:serviceaccount:sales:*"} }},
		{"rules[1].issuer", func(c *mcp.Config) { c.Rules[1].Issuer = "https://nobody" }},
		{"rules[0].scopes", func(c *mcp.Config) { c.Rules[0].Scopes = nil }},
		{"rules[1].tools[0]", func(c *mcp.Config) { c.Rules[1].Tools = []string{"scenario_*"} }},
		{"upstream.tokenDir", func(c *mcp.Config) { c.Upstream.TokenDir = "" }},
		{"upstream.fromEnvironment", func(c *mcp.Config) { c.Upstream.FromEnvironment = true }},
		{"organizationID", func(c *mcp.Config) { c.OrganizationID = 0 }},
		{"teamID", func(c *mcp.Config) { c.TeamID = -1 }},
		{"scopes", func(c *mcp.Config) { c.Scopes = nil }},
		{"tools.exclude[0]", func(c *mcp.Config) { c.Tools.Exclude = []string{""} }},
	}
	for _, tt := range tests {
		t.Run(tt.field, func(t *testing.T) {
			cfg := sample(t)
			tt.change(&cfg)
			err := cfg.Validate()
			if err == nil {
				t.Fatal("accepted")
			}
			lines := strings.Split(err.Error(), "\n")
			if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, tt.field+":") }) {
				t.Errorf("no line names %s:\n%v", tt.field, err)
			}
		})
	}
}

func TestValidateFindsEverything(t *testing.T) {
	err := mcp.Config{}.Validate()
	if err == nil || strings.Count(err.Error(), "\n") < 6 {
		t.Errorf("an empty config has these problems only:\n%v", err)
	}
}

func TestParseConfigIsStrict(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "\n", "unknown field": "resorce: x\n", "field twice": "resource: a\nresource: b\n", "wrong type": "organizationID: many\n",
	} {
		if _, err := mcp.ParseConfig([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestParseArgsOverrides(t *testing.T) {
	path := writeConfig(t, mcp.SampleConfig())
	inv, err := mcp.ParseArgs([]string{
		"--config", path, "--listen", "127.0.0.1:0", "--operations-listen=127.0.0.1:0", "--resource", "http://127.0.0.1/mcp",
		"--token-dir", "/tokens", "--upstream-ca-file", "/ca.pem", "--jwks-file", "/jwks.json",
		"--allowed-host", "127.0.0.1", "--allowed-host", "localhost",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := sample(t)
	want.Listen, want.OperationsListen, want.Resource = "127.0.0.1:0", "127.0.0.1:0", "http://127.0.0.1/mcp"
	want.Upstream.TokenDir, want.Upstream.CAFile, want.Issuers[0].JWKSFile = "/tokens", "/ca.pem", "/jwks.json"
	want.AllowedHosts = append(want.AllowedHosts, "127.0.0.1", "localhost")
	if diff := cmp.Diff(want, inv.Config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
}

func TestParseArgsRefuses(t *testing.T) {
	good := writeConfig(t, mcp.SampleConfig())
	noFile := writeConfig(t, strings.Replace(mcp.SampleConfig(), "jwksFile: /etc", "jwksURL: https://x/etc", 1))
	for name, args := range map[string][]string{
		"nothing":            nil,
		"two to replace":     {"--config", writeConfig(t, strings.Replace(mcp.SampleConfig(), "jwksURL: https", "jwksFile: https", 1)), "--jwks-file", "/jwks.json"},
		"rule before issuer": {"--rule", "subject=a;scopes=b"},
		"bad rule":           {"--config", good, "--rule", "subject=a;scope=b"},
		"bad limit":          {"--config", good, "--limit", "standard=many"},
		"unknown class":      {"--config", good, "--limit", "all=5"},
		"bad number":         {"--config", good, "--redis-replicas", "two"},
		"bad timeout":        {"--config", good, "--drain-timeout", "long"},
		"missing file":       {"--config", good + ".missing"},
		"unknown flag":       {"--config", good, "--tls"},
		"argument":           {"--config", good, "start"},
		"bad value":          {"--config", good, "--listen", "nowhere"},
		"bad level":          {"--config", good, "--log-level", "loud"},
		"nothing to replace": {"--config", noFile, "--jwks-file", "/jwks.json"},
	} {
		if _, err := mcp.ParseArgs(args, nil); err == nil || errors.Is(err, mcp.ErrHelp) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestHelpShowsEverything(t *testing.T) {
	var help bytes.Buffer
	if _, err := mcp.ParseArgs([]string{"--help"}, &help); !errors.Is(err, mcp.ErrHelp) {
		t.Fatal(err)
	}
	for _, part := range []string{"--config FILE", "--token-dir DIR", "--jwks-file FILE", "--upstream-ca-file FILE", "--drain-timeout", "--allowed-host", "organizationID: 42", "--allow-loopback-http"} {
		if !strings.Contains(help.String(), part) {
			t.Errorf("the help lacks %q", part)
		}
	}
}

// TestFlagsAlone: a server can be described without a config file.
func TestFlagsAlone(t *testing.T) {
	inv, err := mcp.ParseArgs([]string{
		"--listen", "127.0.0.1:0", "--operations-listen=127.0.0.1:0", "--resource", "https://tools.example.com/mcp", "--allowed-origin", "https://app.example.com",
		"--trusted-proxy", "10.0.0.0/8", "--tls-cert-file", "tls.crt", "--tls-key-file", "tls.key",
		"--issuer", "https://kubernetes.default.svc", "--jwks-file", "jwks.json", "--rule", "subject=system:serviceaccount:sales:agent;scopes=scenarios:read,scenarios:run",
		"--issuer", "http://127.0.0.1:8000", "--allow-loopback-http", "--audience", "make", "--scope-claim", "scp",
		"--rule", "claim.groups=a;claim.groups=b;claim./roles/make=c;scopes=scenarios:read;tools=scenarios_list,users_me;list-only",
		"--upstream-url", "https://eu1.make.com", "--token-dir", "/tokens", "--organization-id", "42", "--team-id", "7", "--scopes", "scenarios:read,scenarios:run",
		"--exclude-tools", "users_me", "--read-only", "--limit", "standard=50:5", "--limit", "admin=60", "--limit-organization", "30", "--limit-failed-authentications", "3",
		"--redis", "redis:6379", "--redis-username", "u", "--redis-password-file", "p", "--redis-tls", "--redis-ca-file", "ca", "--redis-replicas", "2",
		"--tracing-endpoint", "http://collector:4318/v1/traces", "--audit-file", "audit", "--log-level", "warn", "--drain-timeout", "3s",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := mcp.Invocation{AuditFile: "audit", LogLevel: slog.LevelWarn, DrainTimeout: 3 * time.Second, Config: mcp.Config{
		Listen: "127.0.0.1:0", OperationsListen: "127.0.0.1:0", Resource: "https://tools.example.com/mcp",
		AllowedOrigins: []string{"https://app.example.com"}, TrustedProxies: []string{"10.0.0.0/8"},
		TLS: mcp.TLS{CertFile: "tls.crt", KeyFile: "tls.key"},
		Issuers: []mcp.Issuer{
			{Issuer: "https://kubernetes.default.svc", JWKSFile: "jwks.json"},
			{Issuer: "http://127.0.0.1:8000", AllowLoopbackHTTP: true, Audiences: []string{"make"}, ScopeClaim: "scp"},
		},
		Rules: []mcp.Rule{
			{Issuer: "https://kubernetes.default.svc", Subjects: []string{"system:serviceaccount:sales:agent"}, Scopes: []string{"scenarios:read", "scenarios:run"}},
			{
				Issuer: "http://127.0.0.1:8000", Claims: []mcp.Claim{{Name: "groups", Values: []string{"a", "b"}}, {Name: "/roles/make", Values: []string{"c"}}},
				Scopes: []string{"scenarios:read"}, Tools: []string{"scenarios_list", "users_me"}, ListOnly: true,
			},
		},
		Upstream:       mcp.Upstream{BaseURL: "https://eu1.make.com", TokenDir: "/tokens"},
		OrganizationID: 42, TeamID: 7, Scopes: []string{"scenarios:read", "scenarios:run"},
		Tools: mcp.Tools{Exclude: []string{"users_me"}, ReadOnly: true, Scenarios: true},
		Limits: mcp.Limits{
			Standard: mcp.Rate{PerHour: 50, Burst: 5}, Admin: mcp.Rate{PerHour: 60}, OrganizationPerMinute: 30, FailedAuthenticationsPerMinute: 3,
			Redis: mcp.Redis{Address: "redis:6379", Username: "u", PasswordFile: "p", TLS: true, CAFile: "ca", Replicas: 2},
		},
		Tracing: mcp.Tracing{Endpoint: "http://collector:4318/v1/traces"},
	}}
	if diff := cmp.Diff(want, inv); diff != "" {
		t.Errorf("invocation (-want +got):\n%s", diff)
	}
}

// TestExampleOfTheHelp: the command line that --help shows is valid.
func TestExampleOfTheHelp(t *testing.T) {
	var help bytes.Buffer
	if _, err := mcp.ParseArgs([]string{"--help"}, &help); !errors.Is(err, mcp.ErrHelp) {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(help.String(), "  make-mcp --listen ")
	text, _, _ = strings.Cut("--listen "+text, "\n\n")
	var args []string
	for i, part := range strings.Split(strings.ReplaceAll(text, "\\\n", ""), `"`) {
		if i%2 == 1 { // between quotes
			args = append(args, part)
			continue
		}
		args = append(args, strings.Fields(part)...)
	}
	if _, err := mcp.ParseArgs(args, nil); err != nil || len(args) < 10 {
		t.Errorf("%q: %v", args, err)
	}
}
