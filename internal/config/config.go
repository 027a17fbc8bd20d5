// Package config holds the manager's configuration: its flags, their defaults and what is wrong with them.
package config

import (
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/makeops/make-operator/internal/transit"
)

// Config is how a manager runs. Secrets never stand in it: they come from Kubernetes Secrets.
type Config struct {
	// Namespace is the operator's own: grants and sealing keys live there.
	Namespace string
	// AllowedZones are hosts beyond Make's own that connections may name.
	AllowedZones []string
	// SealWith says where the key is that seals what is stored: "secret" or "vault". Vault opens what it sealed wherever Vault.Address
	// is set.
	SealWith string
	Vault    transit.Config
	// MakeCAFile holds PEM certificates that are trusted for Make beside the system's; empty means none.
	MakeCAFile string
	// ConsentAddress is where the consent pages are served; "0" means nowhere.
	ConsentAddress string
	// ConsentURL is where browsers reach ConsentAddress, without a slash at the end.
	ConsentURL string
	// MetricsAddress and ProbeAddress are listen addresses; "0" means nowhere.
	MetricsAddress string
	ProbeAddress   string
	// WebhookPort serves admission; 0 means no admission webhook, so that only the controllers judge.
	WebhookPort int
	// WebhookHost is the name by which the API server calls the webhook: its Service, or an address outside a cluster.
	WebhookHost string
	// ServiceAccount is the operator's own, by which it verifies MCP servers.
	ServiceAccount string
	// MCPImage is the image of make-mcp.
	MCPImage string
	// OIDCIssuers are token issuers outside the cluster that the rules of MCP servers may name.
	OIDCIssuers []OIDCIssuer
	// LeaderElect makes replicas take turns.
	LeaderElect bool
	// Workers is how many objects of a kind are reconciled at once.
	Workers int
}

// zonesFlag is a list of hosts separated by commas.
type zonesFlag struct{ zones *[]string }

func (f zonesFlag) String() string {
	if f.zones == nil {
		return ""
	}
	return strings.Join(*f.zones, ",")
}

func (f zonesFlag) Set(value string) error {
	for zone := range strings.SplitSeq(value, ",") {
		if zone = strings.TrimSpace(zone); zone != "" {
			*f.zones = append(*f.zones, zone)
		}
	}
	return nil
}

// Bind adds the flags of c to a flag set and gives c their defaults.
func (c *Config) Bind(fs *flag.FlagSet) {
	fs.StringVar(&c.Namespace, "namespace", os.Getenv("POD_NAMESPACE"), "the operator's own namespace; default $POD_NAMESPACE")
	fs.Var(zonesFlag{&c.AllowedZones}, "allowed-zones", "hosts (with port where it is not 443) beyond Make's own that connections may name, separated by commas")
	fs.StringVar(&c.SealWith, "seal-with", SealWithSecret, "where the key is that seals stored credentials: secret (of Kubernetes) or vault")
	c.bindVault(fs)
	fs.StringVar(&c.MakeCAFile, "make-ca-file", "", "PEM certificates to trust for Make, beside the system's")
	fs.StringVar(&c.ConsentAddress, "consent-bind-address", ":8082", "where to serve the OAuth consent pages; 0 turns them off")
	fs.StringVar(&c.ConsentURL, "consent-url", "http://localhost:8082", "where browsers reach the consent pages; register this URL plus /oauth/callback at Make")
	fs.StringVar(&c.MetricsAddress, "metrics-bind-address", ":8080", "where to serve metrics; 0 turns them off")
	fs.StringVar(&c.ProbeAddress, "health-probe-bind-address", ":8081", "where to serve /healthz and /readyz; 0 turns them off")
	fs.IntVar(&c.WebhookPort, "webhook-port", 9443, "port of the admission webhook; 0 turns it off")
	fs.StringVar(&c.WebhookHost, "webhook-host", "", "name by which the API server calls the webhook; default make-operator-webhook.NAMESPACE.svc")
	fs.StringVar(&c.ServiceAccount, "service-account", "make-operator", "the operator's own ServiceAccount")
	fs.StringVar(&c.MCPImage, "mcp-image", "", "image of make-mcp")
	fs.Var(issuersFlag{&c.OIDCIssuers}, "oidc-issuer", "a token issuer that rules of MCP servers may name, as name=corp,issuer=https://login.example.com/ and optionally "+
		"jwks-url=, ca-file=, scope-claim=, audience=; may be given several times")
	fs.BoolVar(&c.LeaderElect, "leader-elect", false, "let replicas take turns")
	fs.IntVar(&c.Workers, "workers", 8, "how many objects of a kind are reconciled at once")
}

// Validate says everything that is wrong, naming the flags.
func (c *Config) Validate() error {
	var errs []error
	if c.Namespace == "" {
		errs = append(errs, errors.New("--namespace is empty: set it, or the environment variable POD_NAMESPACE"))
	}
	if c.MCPImage == "" {
		errs = append(errs, errors.New("--mcp-image is empty: name the image of make-mcp"))
	}
	if c.Workers < 1 {
		errs = append(errs, errors.New("--workers must be at least 1"))
	}
	if c.WebhookPort < 0 || c.WebhookPort > 65535 {
		errs = append(errs, errors.New("--webhook-port must be a port, or 0"))
	}
	if !isBaseURL(c.ConsentURL) {
		errs = append(errs, errors.New("--consent-url must be an http or https URL without user, query, anchor, or slash at the end"))
	}
	if u, err := url.Parse(c.ConsentURL); err == nil && u.Scheme == "http" && !isLoopback(u.Hostname()) {
		errs = append(errs, errors.New("--consent-url must be https, or name localhost or 127.0.0.1: a code must not cross a network in the clear"))
	}
	errs = append(errs, checkIssuers(c.OIDCIssuers))
	return errors.Join(append(errs, c.validateSealing())...)
}

// isLoopback reports whether a host is this machine for whoever opens it.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// isBaseURL reports whether a path can be put behind s.
func isBaseURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil &&
		!strings.ContainsAny(s, "?#") && !strings.HasSuffix(s, "/")
}

// WebhookName is WebhookHost with its default.
func (c *Config) WebhookName() string {
	if c.WebhookHost != "" {
		return c.WebhookHost
	}
	return "make-operator-webhook." + c.Namespace + ".svc"
}

// MakeCA reads MakeCAFile. It returns nil pool and nil PEM where there is none: the system's certificates alone.
func (c *Config) MakeCA() (pool *x509.CertPool, pem []byte, err error) {
	if c.MakeCAFile == "" {
		return nil, nil, nil
	}
	pem, err = os.ReadFile(c.MakeCAFile)
	if err != nil {
		return nil, nil, fmt.Errorf("read --make-ca-file: %w", err)
	}
	pool, err = x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, nil, fmt.Errorf("read --make-ca-file: %s holds no PEM certificate", c.MakeCAFile)
	}
	return pool, pem, nil
}
