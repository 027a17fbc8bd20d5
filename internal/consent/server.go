package consent

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/metrics"
	"github.com/makeops/make-operator/internal/optin"
)

// CallbackPath is the path of the redirect URI, which has to be registered at Make to the letter: PublicURL + CallbackPath.
const CallbackPath = "/oauth/callback"

// ConnectPath is the path below which each connection has its start page: ConnectPath + NAMESPACE + "/" + NAME.
const ConnectPath = "/connect/"

// resultPath is the path below which a browser sees what became of its consent: resultPath + UID of the connection + "/" + session.
const resultPath = "/result/"

// ServerHeader is the value of the header Server in every answer, by which kubectl make login knows whom it has reached.
const ServerHeader = "make-operator"

// Server serves the consent pages. Its zero value is not usable.
type Server struct {
	// Client must not read from a cache.
	Client  client.Client
	Secrets optin.Reader
	Grants  *grant.Store
	Make    *makeapi.Client
	Clock   clock.PassiveClock
	// PublicURL is where browsers reach this server, without a slash at the end.
	PublicURL string
}

// Requests that ask the API server: so many a second for all browsers together, and so many at once.
const (
	requestsPerSecond = 20
	requestsAtOnce    = 60
)

// Handler serves the start pages, the callback, the result pages and the stylesheet.
func (s *Server) Handler() http.Handler {
	asking := http.NewServeMux()
	asking.HandleFunc("GET "+ConnectPath+"{namespace}/{name}", s.start)
	asking.HandleFunc("POST "+ConnectPath+"{namespace}/{name}", s.leave)
	asking.HandleFunc("GET "+CallbackPath, s.callback)
	asking.HandleFunc("GET "+resultPath+"{uid}/{id}", s.result)
	asking.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { s.tell(r.Context(), w, nowhere, view{}) })
	mux := http.NewServeMux()
	mux.HandleFunc("GET /style.css", stylesheet)
	mux.Handle("/", s.limited(asking))
	return hardened(s.based(mux))
}

// base is the path of PublicURL, without a slash at the end; empty for most.
func (s *Server) base() string {
	u, err := url.Parse(s.PublicURL)
	if err != nil {
		return ""
	}
	return u.EscapedPath()
}

// based also serves below the path of PublicURL, since some proxies remove it on the way and others do not.
func (s *Server) based(next http.Handler) http.Handler {
	base := s.base()
	if base == "" {
		return next
	}
	below := http.StripPrefix(base, next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, base+"/") {
			below.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// limited keeps a flood of requests off the API server.
func (s *Server) limited(next http.Handler) http.Handler {
	limit := rate.NewLimiter(requestsPerSecond, requestsAtOnce)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !limit.AllowN(s.Clock.Now(), 1) {
			w.Header().Set("Retry-After", "2")
			s.tell(r.Context(), w, busy, view{})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// maxBody bounds a request's body; the pages' one form has one short field.
const maxBody = 4 << 10

// hardened sets the headers that keep a page to itself: no script, no frame, no form to elsewhere, no copy in a cache.
func hardened(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Server", ServerHeader)
		h.Set("Content-Security-Policy",
			"default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Robots-Tag", "noindex")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// secure reports whether browsers reach the pages by https.
func (s *Server) secure() bool {
	u, err := url.Parse(s.PublicURL)
	return err == nil && u.Scheme == "https"
}

// startURL is the start page of a connection.
func (s *Server) startURL(namespace, name string) string {
	return s.PublicURL + ConnectPath + url.PathEscape(namespace) + "/" + url.PathEscape(name)
}

// application is the OAuth client of a connection.
func (s *Server) application(ctx context.Context, conn *v1alpha1.MakeConnection) (app *makeapi.OAuth, clientID string, err error) {
	key := client.ObjectKey{Namespace: conn.Namespace, Name: conn.Spec.Auth.OAuth.ClientRef.Name}
	secret, err := s.Secrets.Read(ctx, key)
	if err != nil {
		return nil, "", err
	}
	clientID = optin.Value(secret, optin.ClientIDKey)
	return s.Make.OAuth(conn.Spec.Zone, makeapi.OAuthClient{
		ID: clientID, Secret: optin.Value(secret, optin.ClientSecretKey), RedirectURL: s.PublicURL + CallbackPath,
	}), clientID, nil
}

// count counts an outcome.
func (s *Server) count(o outcome) { metrics.Consented(o.Key) }

// past reports whether a time has been reached.
func (s *Server) past(t time.Time) bool { return !s.Clock.Now().Before(t) }
