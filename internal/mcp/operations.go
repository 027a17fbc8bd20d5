package mcp

import (
	"net/http"
	"slices"

	"github.com/makeops/make-operator/internal/mcp/access"
)

// Operations serves /healthz, /readyz and /metrics. It belongs on a listener that callers do not reach.
func (s *Server) Operations() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answerProbe(w, "") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { answerProbe(w, s.notReady()) })
	mux.Handle("GET /metrics", s.metrics.handler())
	return mux
}

// notReady says what the server waits for; empty means that it is ready. Make need not be reachable for that: taking
// servers out of service would not bring Make back.
func (s *Server) notReady() string {
	select {
	case <-s.stopping:
		return "stopping"
	default:
	}
	switch {
	case !s.certificate.loaded():
		return "waiting for tls.certFile and tls.keyFile"
	case !s.credentials.Loaded():
		return "waiting for the Make credential in upstream.tokenDir"
	case slices.ContainsFunc(s.keyFiles, func(f *access.KeyFile) bool { return !f.Loaded() }):
		return "waiting for an issuer's jwksFile"
	case slices.ContainsFunc(s.keyURLs, func(u *access.KeyURL) bool { return !u.Loaded() }):
		return "waiting for an issuer's jwksURL"
	}
	return ""
}

func answerProbe(w http.ResponseWriter, problem string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if problem != "" {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(problem + "\n"))
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}
