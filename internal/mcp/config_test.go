package mcp_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
		"no config":          nil,
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
	for _, part := range []string{"--config FILE", "--token-dir DIR", "--jwks-file FILE", "--upstream-ca-file FILE", "--drain-timeout", "--allowed-host", "organizationID: 42"} {
		if !strings.Contains(help.String(), part) {
			t.Errorf("the help lacks %q", part)
		}
	}
}
