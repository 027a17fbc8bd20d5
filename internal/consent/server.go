package consent

import (
	"context"
	"embed"
	"html/template"
	"net/http"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/optin"
)

// CallbackPath is the path of the redirect URI, which has to be registered at Make to the letter: PublicURL + CallbackPath.
const CallbackPath = "/oauth/callback"

// ConnectPath is the path below which each connection has its start page: ConnectPath + NAMESPACE + "/" + NAME.
const ConnectPath = "/connect/"

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

//go:embed pages
var pages embed.FS

var templates = template.Must(template.ParseFS(pages, "pages/*.html"))

// Handler serves the start pages, the callback and the stylesheet.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+ConnectPath+"{namespace}/{name}", s.start)
	mux.HandleFunc("POST "+ConnectPath+"{namespace}/{name}", s.leave)
	mux.HandleFunc("GET "+CallbackPath, s.callback)
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, pages, "pages/style.css")
	})
	return hardened(mux)
}

// hardened sets the headers that keep a page to itself.
func hardened(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// maxBody bounds a request's body; the pages' one form has no fields.
const maxBody = 4 << 10

// outcome is a page that tells a person what happened and what to do.
type outcome struct {
	Title   string
	Message string
	// Status is the HTTP status.
	Status int
}

func (s *Server) show(ctx context.Context, w http.ResponseWriter, page string, status int, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := templates.ExecuteTemplate(w, page, data); err != nil {
		logf.FromContext(ctx).V(1).Info("browser went away", "page", page)
	}
}

func (s *Server) tell(ctx context.Context, w http.ResponseWriter, o outcome) {
	s.show(ctx, w, "outcome.html", o.Status, o)
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
