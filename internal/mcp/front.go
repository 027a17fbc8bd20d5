package mcp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"

	"github.com/makeops/make-operator/internal/mcp/access"
)

// maxBodyBytes bounds a request body.
const maxBodyBytes = 1 << 20

// front is everything between the listener and the SDK, outermost first: audit, panic recovery, Host and Origin, paths,
// size, bearer token, legacy guard, scope gate.
type front struct {
	resource  resource
	hosts     map[string]bool
	verifier  *access.Verifier
	rules     []access.Rule
	ceiling   []string
	catalogue *toolset
	audit     *auditor
	metrics   *metrics
	log       *slog.Logger
	next      http.Handler
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

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := f.audit.begin()
	watched := &statusWriter{ResponseWriter: w}
	defer f.recoverPanic(watched, rec)
	watched.Header().Set("X-Content-Type-Options", "nosniff")
	reason := f.serve(watched, r.WithContext(context.WithValue(r.Context(), recordKey, rec)), rec)
	if reason == "" && !rec.openCall() {
		return
	}
	if reason == "" { // the SDK refused the call before it reached the dispatcher: headers, media types, parameters
		reason = "protocol_error"
	}
	f.metrics.refused(reason)
	rec.note(func(l *auditLine) { l.HTTPStatus = watched.status })
	rec.finish(outcomeDenied, reason)
}

// serve handles a request and returns why it was refused, or "".
func (f *front) serve(w http.ResponseWriter, r *http.Request, rec *record) string {
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
	r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
	who, reason := f.authenticate(w, r, rec)
	if reason != "" {
		return reason
	}
	r = r.WithContext(context.WithValue(r.Context(), callerKey, who))
	if reason := f.gate(w, r, rec, who); reason != "" {
		return reason
	}
	w.Header().Set("X-Accel-Buffering", "no") // proxies must not hold back events
	f.next.ServeHTTP(w, r)
	return ""
}

// recoverPanic answers a panic of this goroutine. The SDK runs tools in another one, see dispatch.
func (f *front) recoverPanic(w *statusWriter, rec *record) {
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
	rec.note(func(l *auditLine) { l.HTTPStatus = http.StatusInternalServerError })
	rec.finish(outcomeError, "panic")
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
	u, err := url.Parse(origins[0])
	return len(origins) == 1 && err == nil && (u.Scheme == "http" || u.Scheme == "https") && f.hosts[hostname(u.Host)]
}

// hostname is host without port, brackets and final dot, lower case.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the flusher below.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
