package consent

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/judge"
	"github.com/makeops/make-operator/internal/scope"
)

// startPage is what the start page shows.
type startPage struct {
	Namespace, Name, Zone string
	OrganizationID        int64
	Scopes                []scope.Info // the riskiest first
	Highest               scope.Risk   // of all scopes
	Consumers             []string     // ServiceAccounts
	Servers               []string     // MCP servers
	Seen                  string       // what the person read, sent back by the form
}

// start says what will be granted, before anything happens.
func (s *Server) start(w http.ResponseWriter, r *http.Request) {
	if away := s.canonical(r); away != "" {
		//nolint:gosec // G710: at our own address, to path segments that are escaped
		http.Redirect(w, r, away, http.StatusTemporaryRedirect)
		return
	}
	conn, ok := s.awaiting(w, r)
	if !ok {
		return
	}
	s.bind(w, r, conn.UID)
	w.Header().Set("Referrer-Policy", "same-origin") // without it browsers hide from us where the form comes from
	page := newStartPage(conn)
	var err error
	if page.Servers, err = s.servers(r.Context(), conn); err != nil {
		logf.FromContext(r.Context()).Error(err, "list MCP servers for consent", "connection", client.ObjectKeyFromObject(conn))
		s.tell(r.Context(), w, noCluster, view{Namespace: conn.Namespace, Name: conn.Name})
		return
	}
	s.show(r.Context(), w, "start.html", http.StatusOK, page)
}

func (p startPage) title() string { return "Connect " + p.Namespace + "/" + p.Name + " to Make" }

func newStartPage(conn *v1alpha1.MakeConnection) startPage {
	page := startPage{
		Namespace: conn.Namespace, Name: conn.Name, Zone: conn.Spec.Zone, OrganizationID: conn.Spec.OrganizationID, Seen: seen(conn),
	}
	for _, name := range conn.Spec.Scopes {
		info, err := scope.Parse(string(name))
		if err != nil { // policy refuses these, so nobody gets here with one
			info = scope.Info{Name: string(name), Risk: scope.Critical, Reason: "is not a scope of Make"}
		}
		page.Scopes = append(page.Scopes, info)
		page.Highest = max(page.Highest, info.Risk)
	}
	slices.SortStableFunc(page.Scopes, func(a, b scope.Info) int { return cmp.Compare(b.Risk, a.Risk) })
	for _, c := range conn.Spec.Consumers {
		page.Consumers = append(page.Consumers, c.ServiceAccountName)
	}
	return page
}

// servers are the MCP servers that use a connection now.
func (s *Server) servers(ctx context.Context, conn *v1alpha1.MakeConnection) (names []string, err error) {
	var list v1alpha1.MakeMCPServerList
	if err := s.Client.List(ctx, &list, client.InNamespace(conn.Namespace)); err != nil {
		return nil, err
	}
	for i := range list.Items {
		if list.Items[i].Spec.ConnectionRef.Name == conn.Name {
			names = append(names, list.Items[i].Name)
		}
	}
	return names, nil
}

// seen names the version of a connection that a start page shows.
func seen(conn *v1alpha1.MakeConnection) string {
	return fmt.Sprintf("%s.%d", conn.UID, conn.Generation)
}

// canonical is the same page at PublicURL if it was opened by another name of this server, else empty: the cookie of one name does not
// come back to the other. Behind a proxy that changes the name there is nothing to compare, so only loopback is looked at.
func (s *Server) canonical(r *http.Request) string {
	public, err := url.Parse(s.PublicURL)
	if err != nil || public.Host == r.Host || !isLoopback(public.Hostname()) {
		return ""
	}
	asked, err := url.Parse("http://" + r.Host)
	if err != nil || !isLoopback(asked.Hostname()) || asked.Port() != public.Port() {
		return ""
	}
	return s.startURL(r.PathValue("namespace"), r.PathValue("name"))
}

func isLoopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

// leavePage sends the browser on. A page does that and not a redirect: a policy of form-action 'self' also holds for where a form's
// answer redirects to, and Make may lead the browser over further hosts.
type leavePage struct{ Host, Target string }

func (leavePage) title() string { return "On the way to Make" }

// leave makes a session and sends the browser to Make.
func (s *Server) leave(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	if !s.fromHere(r) {
		s.tell(ctx, w, crossSite, view{Namespace: r.PathValue("namespace"), Name: r.PathValue("name")})
		return
	}
	conn, ok := s.awaiting(w, r)
	if !ok {
		return
	}
	about := view{Namespace: conn.Namespace, Name: conn.Name, Secret: conn.Spec.Auth.OAuth.ClientRef.Name}
	cookie := s.binding(r, conn.UID)
	switch {
	case cookie == "":
		s.tell(ctx, w, noCookie, about)
		return
	case r.PostFormValue("seen") != seen(conn):
		s.tell(ctx, w, reread, about)
		return
	}
	app, _, err := s.application(ctx, conn)
	if err != nil {
		logf.FromContext(ctx).Error(err, "read OAuth client for consent", "connection", client.ObjectKeyFromObject(conn))
		s.tell(ctx, w, noClient, about)
		return
	}
	made := newSession(conn, cookie, s.Clock.Now())
	target, err := url.Parse(app.AuthCodeURL(made.state(), made.Verifier, judge.Names(conn.Spec.Scopes)))
	if err != nil || target.Host == "" {
		s.tell(ctx, w, noZone, about)
		return
	}
	if err := s.addSession(ctx, made); err != nil {
		logf.FromContext(ctx).Error(err, "save consent session", "connection", client.ObjectKeyFromObject(conn))
		s.tell(ctx, w, noCluster, about)
		return
	}
	s.bind(w, r, conn.UID)
	w.Header().Set("Refresh", "0; url="+target.String())
	s.show(ctx, w, "leave.html", http.StatusOK, leavePage{target.Host, target.String()})
}

// fromHere reports whether a form was sent by a page of this server, as far as the browser says.
func (s *Server) fromHere(r *http.Request) bool {
	protection := http.NewCrossOriginProtection()
	if public, err := url.Parse(s.PublicURL); err == nil {
		_ = protection.AddTrustedOrigin(public.Scheme + "://" + public.Host) // the proxy in front may have changed the name
	}
	return protection.Check(r) == nil
}

// awaiting reads the connection that a URL names, if its status asks for a consent to what its spec says now. Where it does not, it
// tells the person and returns false. The status asks only after policy allowed the scopes and the client's Secret was found.
func (s *Server) awaiting(w http.ResponseWriter, r *http.Request) (*v1alpha1.MakeConnection, bool) {
	conn := &v1alpha1.MakeConnection{}
	key := client.ObjectKey{Namespace: r.PathValue("namespace"), Name: r.PathValue("name")}
	err := s.Client.Get(r.Context(), key, conn)
	var reply outcome
	switch {
	case apierrors.IsNotFound(err), err == nil && (conn.Spec.Auth.OAuth == nil || !conn.DeletionTimestamp.IsZero()):
		reply = absent
	case err != nil:
		logf.FromContext(r.Context()).Error(err, "read connection for consent", "connection", key)
		reply = noCluster
	default:
		reply = answerFor(conn)
	}
	if reply.Key == "" {
		return conn, true
	}
	s.tell(r.Context(), w, reply, view{Namespace: key.Namespace, Name: key.Name})
	return nil, false
}

// answerFor says why a connection does not await a consent; the zero outcome means that it does.
func answerFor(conn *v1alpha1.MakeConnection) outcome {
	switch {
	case conn.Spec.Suspend == v1alpha1.SuspendEnabled:
		return notNow
	case conn.Status.ObservedGeneration < conn.Generation:
		return notYet
	case meta.IsStatusConditionFalse(conn.Status.Conditions, v1alpha1.ScopesAllowed):
		return notNow
	case conn.Status.Authorization.URL != "":
		return outcome{}
	case meta.IsStatusConditionTrue(conn.Status.Conditions, v1alpha1.Authorized):
		return nothingDue
	default:
		return notNow
	}
}
