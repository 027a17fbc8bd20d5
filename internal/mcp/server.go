package mcp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"k8s.io/utils/clock"

	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/mcp/access"
	"github.com/makeops/make-operator/internal/mcp/credential"
)

// Options are what a Server takes from its process.
type Options struct {
	// Version is shown to callers and to Make; empty means "dev".
	Version string
	// Audit receives one JSON line per tools/call and per refused request.
	Audit io.Writer
	// Log receives everything else.
	Log *slog.Logger
	// Clock judges tokens and paces refreshes; nil means the system's.
	Clock clock.WithTicker
	// DrainTimeout is how long Run lets calls finish once it is asked to stop; zero means not at all.
	DrainTimeout time.Duration
}

// patience is how long a call waits for the organization's budget or for Make to recover: agents wait longer for models.
const patience = 10 * time.Second

// Server is one MCP server in front of one Make organization.
type Server struct {
	config      Config
	options     Options
	credentials *credential.Dir
	keyFiles    []*access.KeyFile
	keyURLs     []*access.KeyURL
	metrics     *metrics
	front       http.Handler
	// stopping is closed when the server begins to shut down.
	stopping chan struct{}
}

// New builds a Server from a valid cfg and reads its files once. A credential or key set that is not there yet is no
// error: the server waits for it and is not ready until then.
func New(cfg Config, o Options) (*Server, error) {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	roots, err := readCertificates(cfg.Upstream.CAFile, systemCertificates())
	if err != nil {
		return nil, fmt.Errorf("read upstream.caFile: %w", err)
	}
	client, err := makeapi.New(makeapi.Config{
		ExtraZones: cfg.Upstream.ExtraZones, RootCAs: roots, UserAgent: "make-mcp/" + o.Version, Clock: o.Clock,
		Patience: patience,
	})
	if err != nil {
		return nil, fmt.Errorf("configure upstream.extraZones: %w", err)
	}
	credentials := credential.NewDir(cfg.Upstream.TokenDir)
	if cfg.Upstream.FromEnvironment {
		if credentials, err = credential.Fixed(os.Getenv("MAKE_ZONE"), os.Getenv("MAKE_API_KEY")); err != nil {
			return nil, fmt.Errorf("read MAKE_API_KEY and MAKE_ZONE: %w", err)
		}
	}
	s := &Server{config: cfg, options: o, metrics: newMetrics(), credentials: credentials, stopping: make(chan struct{})}
	tools := s.toolset(&upstream{credentials: s.credentials, client: client, organizationID: cfg.OrganizationID, metrics: s.metrics})
	dispatcher := &dispatcher{catalogue: tools, clock: o.Clock, metrics: s.metrics, log: o.Log, draining: s.stopping}
	issuers, err := s.issuers()
	if err != nil {
		return nil, err
	}
	target, err := newResource(cfg)
	if err != nil {
		return nil, err
	}
	s.front = &front{
		resource:  target,
		hosts:     allowedHosts(cfg),
		verifier:  access.NewVerifier(issuers, o.Clock),
		rules:     accessRules(cfg.Rules),
		ceiling:   cfg.Scopes,
		catalogue: tools,
		audit:     &auditor{clock: o.Clock, log: o.Log, out: o.Audit, organizationID: cfg.OrganizationID},
		metrics:   s.metrics,
		log:       o.Log,
		next:      s.streamable(s.sdkServer(s.sdkOptions(), dispatcher.middleware, dispatcher.execute)),
	}
	for _, file := range s.files() {
		file.load()
	}
	return s, nil
}

// Handler serves MCP and the resource metadata.
func (s *Server) Handler() http.Handler { return s.front }

func (s *Server) toolset(api makeAPI) *toolset {
	cfg := s.config
	scenarios := &scenarioTools{
		api: api, organizationID: cfg.OrganizationID, teamID: cfg.TeamID,
		clock: s.options.Clock, log: s.options.Log, metrics: s.metrics,
	}
	scenarios.executor = &executor{
		api: api, owners: &owners{api: api, teamID: cfg.TeamID, clock: s.options.Clock},
		organizationID: cfg.OrganizationID, teamID: cfg.TeamID, scenariosChanged: scenarios.changed,
	}
	tools := makeTools{executor: scenarios.executor, scopes: cfg.Scopes, confirm: cfg.Tools.Confirmation != ConfirmNever}
	return newToolset(cfg, tools.build(), scenarios)
}

// sdkOptions are those of the one SDK server of the process.
func (s *Server) sdkOptions() *sdk.ServerOptions {
	return &sdk.ServerOptions{
		Logger:       s.options.Log,
		Capabilities: &sdk.ServerCapabilities{Tools: &sdk.ToolCapabilities{}},
		SetCacheable: func(_ context.Context, _ sdk.Request, c *sdk.Cacheable) { private(c) },
	}
}

// sdkServer builds it. Its middleware judges and answers the tool methods; see doc.go.
func (s *Server) sdkServer(options *sdk.ServerOptions, middleware sdk.Middleware, execute sdk.ToolHandler) *sdk.Server {
	server := sdk.NewServer(&sdk.Implementation{Name: "make-mcp", Title: "Make", Version: s.options.Version}, options)
	server.AddTool(&sdk.Tool{Name: executeTool, InputSchema: &jsonschema.Schema{Type: "object"}}, execute)
	server.AddReceivingMiddleware(middleware)
	return server
}

// streamable serves MCP over HTTP, without sessions.
func (s *Server) streamable(server *sdk.Server) http.Handler {
	return sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server }, &sdk.StreamableHTTPOptions{
		Stateless:                    true,
		Logger:                       s.options.Log,
		MaxRequestBodyBytes:          maxBodyBytes,
		DisableLocalhostProtection:   true, // front checks the Host against the configured names
		PropagateRequestCancellation: true,
	})
}

func (s *Server) issuers() ([]access.Issuer, error) {
	var out []access.Issuer
	for _, is := range s.config.Issuers {
		audiences := is.Audiences
		if len(audiences) == 0 {
			audiences = []string{s.config.Resource}
		}
		keys, err := s.keySource(is)
		if err != nil {
			return nil, fmt.Errorf("configure issuer %s: %w", is.Issuer, err)
		}
		out = append(out, access.Issuer{Name: is.Issuer, Audiences: audiences, Keys: keys})
	}
	return out, nil
}

func (s *Server) keySource(is Issuer) (access.KeySource, error) {
	if is.JWKSFile != "" {
		file := access.NewKeyFile(is.JWKSFile)
		s.keyFiles = append(s.keyFiles, file)
		return file, nil
	}
	roots, err := readCertificates(is.CAFile, x509.NewCertPool())
	if err != nil {
		return nil, fmt.Errorf("read caFile: %w", err)
	}
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 5 * time.Second,
		ForceAttemptHTTP2:   true,
	}
	url := access.NewKeyURL(is.JWKSURL, transport, s.options.Clock, s.options.Log)
	s.keyURLs = append(s.keyURLs, url)
	return url, nil
}

func accessRules(rules []Rule) []access.Rule {
	out := make([]access.Rule, 0, len(rules))
	for _, r := range rules {
		out = append(out, access.Rule{Issuer: r.Issuer, Subjects: r.Subjects, Scopes: r.Scopes, Tools: r.Tools, ListOnly: r.ListOnly})
	}
	return out
}

// systemCertificates are those that the system trusts; none where it has none, as in an image of a single program.
func systemCertificates() *x509.CertPool {
	if pool, err := x509.SystemCertPool(); err == nil {
		return pool
	}
	return x509.NewCertPool()
}

// readCertificates adds a PEM file to a pool; no file is the system's pool, which nil stands for.
func readCertificates(path string, pool *x509.CertPool) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(raw) {
		return nil, errors.New("no certificate in " + path)
	}
	return pool, nil
}
