package consent

import (
	"bytes"
	"context"
	"embed"
	"html/template"
	"net/http"

	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

//go:embed pages
var pages embed.FS

var templates = template.Must(template.ParseFS(pages, "pages/*.html"))

func stylesheet(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, pages, "pages/style.css")
}

// view is what the page of an outcome shows of a consent.
type view struct {
	outcome

	// Namespace and Name of the connection; empty where it is not known which one it is.
	Namespace, Name string
	// StartURL is the connection's start page; empty for an outcome where starting anew is not what to do.
	StartURL string
	// OrganizationID is the connection's.
	OrganizationID int64
	// Account is the name of the account at Make that consented.
	Account string
	// Scopes are those that the connection asks for and the consent did not give.
	Scopes []string
	// Secret is the name of the Secret with the OAuth client.
	Secret string
	// Code is an error code of OAuth.
	Code string
	// Unrevoked is set where Make did not confirm that what was granted is revoked.
	Unrevoked bool
}

// title is the page's, with the connection where it is known: it is what a tab and the history show.
func (v view) title() string {
	if v.Name == "" {
		return v.Title
	}
	return v.Title + ": " + v.Namespace + "/" + v.Name
}

// frame is what all pages have in common.
type frame struct {
	Title string
	// Base is the path of PublicURL.
	Base string
	Page any
}

// tell shows an outcome.
func (s *Server) tell(ctx context.Context, w http.ResponseWriter, o outcome, v view) {
	v.outcome = o
	if o.again && v.Name != "" {
		v.StartURL = s.startURL(v.Namespace, v.Name)
	}
	if o.reload != "" {
		w.Header().Set("Refresh", o.reload)
	}
	s.show(ctx, w, "outcome.html", o.status, v)
}

// show writes a page, or nothing of it.
func (s *Server) show(ctx context.Context, w http.ResponseWriter, page string, status int, data interface{ title() string }) {
	var body bytes.Buffer
	if err := templates.ExecuteTemplate(&body, page, frame{data.title(), s.base(), data}); err != nil { // a mistake of the build, which every test of a page finds
		logf.FromContext(ctx).Error(err, "render page", "page", page)
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := body.WriteTo(w); err != nil {
		logf.FromContext(ctx).V(1).Info("browser went away", "page", page)
	}
}
