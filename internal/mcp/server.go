package mcp

import (
	"cmp"
	"context"
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
	"github.com/redis/go-redis/v9"
	"k8s.io/utils/clock"

	"github.com/makeops/make-operator/internal/audit"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/mcp/access"
	"github.com/makeops/make-operator/internal/mcp/credential"
	"github.com/makeops/make-operator/internal/mcp/limit"
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

// What Limits says about fields that are zero.
const (
	defaultCallsAtOnce          = 256
	defaultCallsAtOncePerCaller = 32
	defaultCallSeconds          = 120
	defaultConnections          = 1000
)

// patience is how long a call waits for the organization's budget or for Make to recover: agents wait longer for models.
const patience = 10 * time.Second

// Server is one MCP server in front of one Make organization.
type Server struct {
	config      Config
	options     Options
	credentials *credential.Dir
	keyFiles    []*access.KeyFile
	keyURLs     []*access.KeyURL
	certificate *certificate
	connections *connections
	tracing     *tracing
	redis       *redis.Client // nil: the limits are this process's own
	shared      *limit.Shared // nil as redis is
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
		ExtraZones: cfg.Upstream.extraZones(), RootCAs: roots, UserAgent: "make-mcp/" + o.Version, Clock: o.Clock,
		Patience: patience,
	})
	if err != nil {
		return nil, fmt.Errorf("configure upstream.extraZones: %w", err)
	}
	credentials, err := cfg.Upstream.credentials()
	if err != nil {
		return nil, err
	}
	s := &Server{config: cfg, options: o, metrics: newMetrics(), credentials: credentials, stopping: make(chan struct{})}
	tools := s.toolset(&upstream{credentials: s.credentials, client: client, organizationID: cfg.OrganizationID, metrics: s.metrics})
	dispatcher := &dispatcher{catalogue: tools, clock: o.Clock, metrics: s.metrics, log: o.Log, draining: s.stopping, degraded: s.limitsDegraded}
	issuers, err := s.issuers()
	if err != nil {
		return nil, err
	}
	target, err := newResource(cfg)
	if err != nil {
		return nil, err
	}
	limits, err := s.limits()
	if err != nil {
		return nil, err
	}
	if s.tracing, err = newTracing(context.Background(), cfg.Tracing, o.Version); err != nil { //nolint:forbidigo // for the process's life
		return nil, err
	}
	s.certificate = newCertificate(cfg.TLS)
	s.connections = newConnections(cmp.Or(cfg.Limits.Connections, defaultConnections), s.metrics.connected)
	rules := accessRules(cfg.Rules)
	s.front = &front{
		resource: target,
		hosts:    allowedHosts(cfg),
		origins:  allowedOrigins(cfg),
		proxies:  trustedProxies(cfg),
		secure:   s.certificate != nil,
		verifier: access.NewVerifier(issuers, rules, o.Clock),
		rules:    rules,
		ceiling:  cfg.Scopes,
		limits:   limits,
		failing:  newFailing(o.Clock),
		bounds: newBounds(cmp.Or(cfg.Limits.CallsAtOnce, defaultCallsAtOnce),
			cmp.Or(cfg.Limits.CallsAtOncePerCaller, defaultCallsAtOncePerCaller)),
		connections: s.connections,
		callTime:    time.Duration(cmp.Or(cfg.Limits.CallSeconds, defaultCallSeconds)) * time.Second,
		tracing:     s.tracing,
		catalogue:   tools,
		audit:       s.auditLog(),
		metrics:     s.metrics,
		log:         o.Log,
		next:        s.streamable(s.sdkServer(s.sdkOptions(), dispatcher.middleware, dispatcher.execute)),
	}
	for _, file := range s.files() {
		file.load()
	}
	return s, nil
}

// limitsDegraded reports whether the replicas count apart because Redis does not answer.
func (s *Server) limitsDegraded() bool { return s.shared != nil && s.shared.Degraded() }

// auditLog writes to where the process wants it; what cannot be written is counted and logged, and stops no call.
func (s *Server) auditLog() *audit.Log {
	return &audit.Log{
		Out: s.options.Audit, Clock: s.options.Clock, OrganizationID: s.config.OrganizationID,
		Lost: func(err error) {
			s.metrics.auditLost.Inc()
			s.options.Log.Error("audit entry was lost", "error", err)
		},
	}
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
