package mcp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/makeops/make-operator/internal/audit"
	"github.com/makeops/make-operator/internal/mcp/access"
)

// front is everything between the listener and the SDK, outermost first: audit and trace, panic recovery, Host and Origin, paths,
// bearer token, how much is under way, size, legacy guard, scope gate, rate limits.
type front struct {
	resource    resource
	hosts       map[string]bool
	origins     map[string]bool
	proxies     []netip.Prefix
	secure      bool // the server speaks TLS itself
	verifier    *access.Verifier
	rules       []access.Rule
	ceiling     []string
	catalogue   *toolset
	limits      *limits
	failing     *failing
	bounds      *bounds
	connections *connections
	callTime    time.Duration // how long a request may take
	audit       *audit.Log
	tracing     *tracing
	metrics     *metrics
	log         *slog.Logger
	next        http.Handler
}

// allowedHosts returns the host names that are served, lower case.
func allowedHosts(cfg Config) map[string]bool {
	hosts := map[string]bool{}
	if u, err := url.Parse(cfg.Resource); err == nil {
		hosts[strings.ToLower(u.Hostname())] = true
	}
	for _, h := range cfg.AllowedHosts {
		hosts[strings.ToLower(h)] = true
	}
	return hosts
}

// allowedOrigins returns the origins that may call beside those of the served hosts.
func allowedOrigins(cfg Config) map[string]bool {
	origins := map[string]bool{}
	for _, o := range cfg.AllowedOrigins {
		origins[strings.ToLower(o)] = true
	}
	return origins
}

// trustedProxies are the configured ones; Validate has read them.
func trustedProxies(cfg Config) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range cfg.TrustedProxies {
		if prefix, err := netip.ParsePrefix(text); err == nil {
			out = append(out, prefix)
		}
	}
	return out
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := f.audit.Begin()
	watched := newWriter(w)
	ctx, span := f.tracing.request(r)
	rec.Note(func(e *audit.Entry) { e.TraceID = span.SpanContext().TraceID().String() })
	var reason string
	defer func() { end(span, watched.status, reason) }()
	defer watched.finish()
	defer f.recoverPanic(watched, rec)
	watched.Header().Set("X-Content-Type-Options", "nosniff")
	if f.secure {
		watched.Header().Set("Strict-Transport-Security", "max-age=31536000") // a year; RFC 6797
	}
	reason = f.serve(watched, r.WithContext(context.WithValue(ctx, recordKey, rec)), rec)
	if reason == "" && !rec.Open(methodCallTool) {
		return
	}
	if reason == "" { // the SDK refused the call before it reached the dispatcher: headers, media types, parameters
		reason = "protocol_error"
	}
	f.metrics.refused(reason)
	rec.Note(func(e *audit.Entry) { e.HTTPStatus = watched.status })
	rec.Finish(outcomeOfRefusal(reason), reason)
}

// serve handles a request and returns why it was refused, or "".
func (f *front) serve(w *writer, r *http.Request, rec *audit.Record) string {
	if !f.hostAllowed(r.Host) || !f.originAllowed(r.Header.Values("Origin")) {
		refuse(w, http.StatusForbidden)
		return "foreign_host_or_origin"
	}
	switch r.URL.Path {
	case wellKnownPath, wellKnownPath + f.resource.path:
		f.resource.serveMetadata(w, r)
		return ""
	case f.resource.path:
	default:
		refuse(w, http.StatusNotFound)
		return "unknown_path"
	}
	who, reason := f.authenticate(w, r, rec)
	if reason != "" {
		return reason
	}
	f.connections.admit(r.Context())
	leave, reason := f.bounds.enter(who.principal.Issuer + "\x00" + who.principal.Subject)
	if reason != "" {
		return refuseBusy(w, reason)
	}
	defer leave()
	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), callerKey, who), f.callTime)
	defer cancel()
	w.endAfter(f.callTime + answerPatience)
	return f.admit(w, r.WithContext(ctx), rec)
}

// admit judges what a verified caller sent and hands it to the SDK, or returns why not.
func (f *front) admit(w *writer, r *http.Request, rec *audit.Record) string {
	who, class := callerFrom(r.Context()), classProtocol
	if r.Method != http.MethodPost { // the SDK answers 405
		if reason := f.throttle(w, r, rec, who, class); reason != "" {
			return reason
		}
		f.next.ServeHTTP(w, r)
		return ""
	}
	body, done, reason := f.readBody(w, r)
	if reason != "" {
		return reason
	}
	defer done()
	msg, reason := f.gate(w, r, rec, body)
	if reason != "" {
		return reason
	}
	if msg.method == methodCallTool {
		class = f.catalogue.class(msg.tool)
	}
	if reason := f.throttle(w, r, rec, who, class); reason != "" {
		return reason
	}
	ctx, span := f.tracing.operation(r.Context(), msg, r.Header.Get(versionHeader))
	rec.Note(func(e *audit.Entry) { e.TraceID = span.SpanContext().TraceID().String() })
	defer f.metrics.operation(msg.method, w, f.audit.Clock)()
	defer func() { end(span, w.status, "") }()
	w.Header().Set("X-Accel-Buffering", "no") // proxies must not hold back events
	f.next.ServeHTTP(w, withBody(r.WithContext(ctx), body))
	return ""
}

// recoverPanic answers a panic of this goroutine. The SDK runs tools in another one, see dispatch.
func (f *front) recoverPanic(w *writer, rec *audit.Record) {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	f.log.Error("request handler panicked", "panic", p, "stack", string(debug.Stack()))
	f.metrics.panicked()
	if w.status == 0 {
		refuse(w, http.StatusInternalServerError)
	}
	rec.Note(func(e *audit.Entry) { e.HTTPStatus = http.StatusInternalServerError })
	rec.Finish(audit.Failed, "panic")
}

// hostAllowed checks the Host header, port ignored. Together with the Origin check it stops DNS rebinding.
func (f *front) hostAllowed(host string) bool {
	return f.hosts[hostname(host)]
}

// originAllowed lets requests without Origin pass (they come from no browser) and else asks for a served host.
func (f *front) originAllowed(origins []string) bool {
	if len(origins) == 0 {
		return true
	}
	if len(origins) > 1 {
		return false
	}
	if f.origins[strings.ToLower(origins[0])] {
		return true
	}
	u, err := url.Parse(origins[0])
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && f.hosts[hostname(u.Host)]
}

// hostname is host without port, brackets and final dot, lower case.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}
