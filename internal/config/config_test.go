package config_test

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"flag"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/config"
)

// parse is the configuration that a command line gives.
func parse(t *testing.T, args ...string) *config.Config {
	t.Helper()
	c := &config.Config{}
	flags := flag.NewFlagSet("make-operator", flag.ContinueOnError)
	c.Bind(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOIDCIssuers(t *testing.T) {
	c := parse(t, "--mcp-image=i", "--namespace=n", "--oidc-issuer=name=corp,issuer=https://login.example.com/,scope-claim=scope,audience=a,audience=b",
		"--oidc-issuer", "name=other,issuer=https://other.example.com,jwks-url=https://other.example.com/keys,ca-file=ca.pem")
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	want := []config.OIDCIssuer{
		{Name: "corp", Issuer: "https://login.example.com/", ScopeClaim: "scope", Audiences: []string{"a", "b"}},
		{Name: "other", Issuer: "https://other.example.com", JWKSURL: "https://other.example.com/keys", CAFile: "ca.pem"},
	}
	if diff := cmp.Diff(want, c.OIDCIssuers); diff != "" {
		t.Errorf("issuers (-want +got):\n%s", diff)
	}
	for _, bad := range [][]config.OIDCIssuer{
		{{Issuer: "https://a"}},
		{{Name: "A b", Issuer: "https://a"}},
		{{Name: "a", Issuer: "http://a"}},
		{{Name: "a", Issuer: "https://a?x"}},
		{{Name: "a", Issuer: "https://a", JWKSURL: "http://a"}},
		{{Name: "a", Issuer: "https://a"}, {Name: "a", Issuer: "https://b"}},
		{{Name: "a", Issuer: "https://a"}, {Name: "b", Issuer: "https://a"}},
	} {
		c.OIDCIssuers = bad
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "--oidc-issuer") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	for _, bad := range []string{"corp", "name=", "name=corp,issuers=x"} {
		flags := flag.NewFlagSet("make-operator", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		(&config.Config{}).Bind(flags)
		if err := flags.Parse([]string{"--oidc-issuer", bad}); err == nil {
			t.Errorf("%s: accepted", bad)
		}
	}
}

func TestDefaultsNeedAnImageOnly(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "make-operator-system")
	if err := parse(t).Validate(); err == nil {
		t.Error("no image was needed")
	}
	c := parse(t, "--mcp-image=make-mcp:1")
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if c.Namespace != "make-operator-system" || c.WebhookName() != "make-operator-webhook.make-operator-system.svc" {
		t.Errorf("namespace %q, webhook %q", c.Namespace, c.WebhookName())
	}
}

func TestFlags(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "other")
	got := parse(t, "--namespace=ops", "--allowed-zones= make.example.com:8443 ,,eu.make.example", "--allowed-zones=127.0.0.1:8443",
		"--webhook-host=localhost", "--workers=3", "--leader-elect", "--mcp-image=i")
	want := parse(t)
	want.Namespace, want.WebhookHost, want.Workers, want.LeaderElect, want.MCPImage = "ops", "localhost", 3, true, "i"
	want.AllowedZones = []string{"make.example.com:8443", "eu.make.example", "127.0.0.1:8443"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.WebhookName() != "localhost" {
		t.Errorf("webhook is called as %q", got.WebhookName())
	}
}

func TestValidate(t *testing.T) {
	valid := func() *config.Config {
		return parse(t, "--namespace=ops", "--mcp-image=make-mcp:1", "--consent-url=https://make.example.com/operator")
	}
	if err := valid().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		spoil func(*config.Config)
		flag  string // that the error names
	}{
		"no namespace":              {func(c *config.Config) { c.Namespace = "" }, "--namespace"},
		"no image":                  {func(c *config.Config) { c.MCPImage = "" }, "--mcp-image"},
		"no workers":                {func(c *config.Config) { c.Workers = 0 }, "--workers"},
		"negative webhook port":     {func(c *config.Config) { c.WebhookPort = -1 }, "--webhook-port"},
		"webhook port too great":    {func(c *config.Config) { c.WebhookPort = 65536 }, "--webhook-port"},
		"consent URL empty":         {func(c *config.Config) { c.ConsentURL = "" }, "--consent-url"},
		"consent URL with a slash":  {func(c *config.Config) { c.ConsentURL += "/" }, "--consent-url"},
		"consent URL a host":        {func(c *config.Config) { c.ConsentURL = "make.example.com" }, "--consent-url"},
		"consent URL another one":   {func(c *config.Config) { c.ConsentURL = "ftp://make.example.com" }, "--consent-url"},
		"consent URL broken":        {func(c *config.Config) { c.ConsentURL = "https://make example" }, "--consent-url"},
		"sealing by something else": {func(c *config.Config) { c.SealWith = "kms" }, "--seal-with"},
		"sealing by no Vault":       {func(c *config.Config) { c.SealWith = config.SealWithVault }, "--vault-address"},
		"Vault in the clear": {func(c *config.Config) {
			c.Vault.Address, c.Vault.TokenFile = "http://vault.example:8200", "/token"
		}, "--vault-address"},
		"Vault with a password": {func(c *config.Config) {
			c.Vault.Address, c.Vault.TokenFile = "https://u:p@vault.example", "/token"
		}, "--vault-address"},
		"nobody to Vault": {func(c *config.Config) { c.Vault.Address = "https://vault.example" }, "--vault-token-file"},
		"two to Vault": {func(c *config.Config) {
			c.Vault.Address, c.Vault.TokenFile, c.Vault.Role = "https://vault.example", "/token", "role"
		}, "--vault-token-file"},
		"no transit key": {func(c *config.Config) {
			c.Vault.Address, c.Vault.Role, c.Vault.Key = "https://vault.example", "role", ""
		}, "--vault-transit-key"},
		"consent URL in the clear":    {func(c *config.Config) { c.ConsentURL = "http://make.example.com" }, "--consent-url"},
		"consent URL with a query":    {func(c *config.Config) { c.ConsentURL += "?a=b" }, "--consent-url"},
		"consent URL with an anchor":  {func(c *config.Config) { c.ConsentURL += "#a" }, "--consent-url"},
		"consent URL with a password": {func(c *config.Config) { c.ConsentURL = "https://u:p@make.example.com" }, "--consent-url"},
	} {
		t.Run(name, func(t *testing.T) {
			c := valid()
			test.spoil(c)
			err := c.Validate()
			if err == nil || !strings.Contains(err.Error(), test.flag) {
				t.Errorf("error %v does not name %s", err, test.flag)
			}
		})
	}
	t.Run("all at once", func(t *testing.T) {
		err := (&config.Config{}).Validate()
		for _, flag := range []string{"--namespace", "--mcp-image", "--workers", "--consent-url"} {
			if err == nil || !strings.Contains(err.Error(), flag) {
				t.Errorf("error %v does not name %s", err, flag)
			}
		}
	})
}

func TestMakeCA(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	certificate := server.Certificate()
	good := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
	file := func(content []byte) string {
		name := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}

	if pool, raw, err := (&config.Config{}).MakeCA(); pool != nil || raw != nil || err != nil {
		t.Errorf("without a file: pool %t, PEM %t, %v", pool != nil, raw != nil, err)
	}
	pool, raw, err := (&config.Config{MakeCAFile: file(good)}).MakeCA()
	if err != nil || !cmp.Equal(raw, good) {
		t.Fatalf("PEM is the file's: %t, %v", cmp.Equal(raw, good), err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	answer, err := client.Get(server.URL)
	if err != nil {
		t.Fatalf("the server of the file's certificate is not trusted: %v", err)
	}
	_ = answer.Body.Close()
	if _, _, err := (&config.Config{MakeCAFile: file([]byte("no certificate"))}).MakeCA(); err == nil {
		t.Error("a file without a certificate was accepted")
	}
	if _, _, err := (&config.Config{MakeCAFile: filepath.Join(t.TempDir(), "absent")}).MakeCA(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want %v", err, fs.ErrNotExist)
	}
}
