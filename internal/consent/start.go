package consent

import (
	"net/http"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/scope"
)

// startPage is what the start page shows.
type startPage struct {
	Namespace, Name, Zone string
	OrganizationID        int64
	Scopes                []scope.Info
}

// start says what will be granted, before anything happens.
func (s *Server) start(w http.ResponseWriter, r *http.Request) {
	conn, ok := s.connection(w, r)
	if !ok {
		return
	}
	page := startPage{
		Namespace: conn.Namespace, Name: conn.Name, Zone: conn.Spec.Zone, OrganizationID: conn.Spec.OrganizationID,
	}
	for _, name := range conn.Spec.Scopes {
		info, _ := scope.Lookup(string(name))
		page.Scopes = append(page.Scopes, info)
	}
	s.show(r.Context(), w, "start.html", http.StatusOK, page)
}

// leave makes a session and sends the browser to Make.
func (s *Server) leave(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		s.tell(ctx, w, outcome{"Not from here", "This form was sent from another site. Open the connection's own page.", http.StatusForbidden})
		return
	}
	conn, ok := s.connection(w, r)
	if !ok {
		return
	}
	app, _, err := s.application(ctx, conn)
	if err != nil {
		s.tell(ctx, w, outcome{"No OAuth client", "The Secret of the OAuth client cannot be read: " + err.Error() + ".", http.StatusConflict})
		return
	}
	made := newSession(conn, s.Clock.Now())
	if err := s.saveSession(ctx, made); err != nil {
		logf.FromContext(ctx).Error(err, "save consent session", "connection", client.ObjectKeyFromObject(conn))
		s.tell(ctx, w, outcome{"Try again", "The consent could not be started. Try again in a minute.", http.StatusServiceUnavailable})
		return
	}
	scopes := make([]string, 0, len(conn.Spec.Scopes))
	for _, name := range conn.Spec.Scopes {
		scopes = append(scopes, string(name))
	}
	target := app.AuthCodeURL(made.state(), made.Verifier, scopes)
	if u, err := url.Parse(target); err != nil || u.Host == "" {
		s.tell(ctx, w, outcome{"Zone not allowed", "The connection's zone is no Make host.", http.StatusConflict})
		return
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
}

// connection reads the connection that a URL names; where it cannot, it tells the person and returns false.
func (s *Server) connection(w http.ResponseWriter, r *http.Request) (*v1alpha1.MakeConnection, bool) {
	conn := &v1alpha1.MakeConnection{}
	key := client.ObjectKey{Namespace: r.PathValue("namespace"), Name: r.PathValue("name")}
	err := s.Client.Get(r.Context(), key, conn)
	switch {
	case apierrors.IsNotFound(err), err == nil && conn.Spec.Auth.OAuth == nil, err == nil && !conn.DeletionTimestamp.IsZero():
		s.tell(r.Context(), w, outcome{"Nothing to consent to", "There is no MakeConnection of that name that uses OAuth.", http.StatusNotFound})
		return nil, false
	case err != nil:
		logf.FromContext(r.Context()).Error(err, "read connection for consent", "connection", key)
		s.tell(r.Context(), w, outcome{"Try again", "The cluster does not answer. Try again in a minute.", http.StatusServiceUnavailable})
		return nil, false
	}
	return conn, true
}
