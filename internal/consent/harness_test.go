package consent_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/consent"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/optin"
	"github.com/makeops/make-operator/internal/testkit/person"
)

const (
	operator  = "make-operator-system"
	publicURL = "http://127.0.0.1:9999"
	uid       = "5f0c1a52-1111-4b8a-9f36-2e8b1c4d6a01"
	otherUID  = "6a1d2b63-2222-4c9b-8a47-3f9c2d5e7b02"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rig is the consent server of an operator with one OAuth connection, sales/crm, at a simulated Make.
type rig struct {
	t      *testing.T
	clock  *clocktesting.FakePassiveClock
	sim    *makesim.TLSServer
	client client.WithWatch
	store  *grant.Store
	api    *makeapi.Client
	server *consent.Server
	// http is the operator's, whichever runs: see restart.
	http    http.Handler
	handler http.Handler
	browser *person.Browser
	// public is where browsers reach the operator.
	public string
	// refuse is what the API server answers to a write; nil lets it pass.
	refuse func(o client.Object) error
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, public: publicURL, clock: clocktesting.NewFakePassiveClock(start), refuse: func(client.Object) error { return nil }}
	var err error
	if r.sim, err = makesim.NewTLSServer(makesim.Options{Clock: r.clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.sim.Close)
	r.api, err = makeapi.New(makeapi.Config{ExtraZones: []string{r.sim.Zone}, RootCAs: r.sim.CAPool(), Clock: r.clock})
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	r.client = fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if bad := content.IsPathSegmentName(key.Name); len(bad) > 0 { // as the real client, which makes an address of it
				return fmt.Errorf("invalid resource name %q: %v", key.Name, bad)
			}
			return c.Get(ctx, key, o, opts...)
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if err := r.refuse(o); err != nil {
				return err
			}
			return c.Create(ctx, o, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			if err := r.refuse(o); err != nil {
				return err
			}
			return c.Delete(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			if err := r.refuse(o); err != nil {
				return err
			}
			return c.Update(ctx, o, opts...)
		},
	}).WithObjects(
		r.connection("crm", uid), r.connection("erp", otherUID), &v1alpha1.MakeConnection{
			ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "static", UID: "7"},
			Spec:       v1alpha1.MakeConnectionSpec{Zone: r.sim.Zone, Auth: v1alpha1.Auth{APIToken: &v1alpha1.APITokenAuth{}}},
		}, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "make-app", Labels: map[string]string{v1alpha1.CredentialLabel: "true"}},
			Data: map[string][]byte{
				optin.ClientIDKey: []byte(makesim.OAuthClientID), optin.ClientSecretKey: []byte(makesim.OAuthClientSecret),
			},
		}).Build()
	r.store = &grant.Store{Client: r.client, Namespace: operator, Cluster: "c", Keys: grant.Keyring{"key-0001": grant.NewKey()}}
	r.http = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { r.handler.ServeHTTP(w, q) })
	r.restart()
	r.browser = r.newBrowser()
	return r
}

func (r *rig) connection(name, uid string) *v1alpha1.MakeConnection {
	return &v1alpha1.MakeConnection{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: name, UID: types.UID(uid), Generation: 1},
		Spec: v1alpha1.MakeConnectionSpec{
			Zone: r.sim.Zone, OrganizationID: makesim.OrganizationID, Scopes: []v1alpha1.Scope{"scenarios:read", "scenarios:run"},
			Auth:      v1alpha1.Auth{OAuth: &v1alpha1.OAuthAuth{ClientRef: v1alpha1.LocalRef{Name: "make-app"}}},
			Consumers: []v1alpha1.Consumer{{ServiceAccountName: "reporting"}},
		},
		Status: v1alpha1.MakeConnectionStatus{
			BaseStatus:    v1alpha1.BaseStatus{ObservedGeneration: 1},
			Authorization: v1alpha1.Authorization{URL: startOf(name)},
		},
	}
}

func identity(name, uid string) grant.Identity {
	return grant.Identity{Namespace: "sales", Name: name, UID: types.UID(uid)}
}

var crm = identity("crm", uid)

// open opens an address.
func (r *rig) open(address string) person.Page {
	r.t.Helper()
	page, err := r.browser.Open(r.t.Context(), address)
	if err != nil {
		r.t.Fatal(err)
	}
	return page
}

// startOf is the start page of a connection.
func startOf(name string) string { return publicURL + consent.ConnectPath + "sales/" + name }

// begin leaves the start page and returns Make's address.
func (r *rig) begin(name string) string {
	r.t.Helper()
	authorize, page, err := r.browser.Begin(r.t.Context(), startOf(name))
	if err != nil || authorize == "" {
		r.t.Fatalf("start: status %d (%v)\n%s", page.Status, err, page.Body)
	}
	return authorize
}

// approve lets a user say yes at Make and returns the callback that the browser is sent to.
func (r *rig) approve(authorize string, user int64) string {
	r.t.Helper()
	back, err := r.sim.Approve(r.t.Context(), authorize, user)
	if err != nil {
		r.t.Fatal(err)
	}
	if base := back.Scheme + "://" + back.Host + back.Path; base != publicURL+consent.CallbackPath {
		r.t.Fatalf("the browser is sent to %s", base)
	}
	return back.String()
}

// consent goes the whole way as a user of Make.
func (r *rig) consent(user int64) person.Page {
	r.t.Helper()
	return r.open(r.approve(r.begin("crm"), user))
}

// newBrowser is one without cookies.
func (r *rig) newBrowser() *person.Browser {
	r.t.Helper()
	b, err := person.New(person.InProcess(r.http))
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

// restart starts the operator anew, with the same API server and the same keys.
func (r *rig) restart() {
	r.server = &consent.Server{
		Client: r.client, Secrets: optin.Reader{Live: r.client}, Grants: r.store, Make: r.api, Clock: r.clock, PublicURL: r.public,
	}
	r.handler = r.server.Handler()
}

// change changes sales/crm as the API server and the controller would.
func (r *rig) change(change func(conn *v1alpha1.MakeConnection)) {
	r.t.Helper()
	conn := &v1alpha1.MakeConnection{}
	if err := r.client.Get(r.t.Context(), client.ObjectKey{Namespace: "sales", Name: "crm"}, conn); err != nil {
		r.t.Fatal(err)
	}
	change(conn)
	if err := r.client.Update(r.t.Context(), conn); err != nil {
		r.t.Fatal(err)
	}
}

// exchanges is how often Make was asked for tokens.
func (r *rig) exchanges() (n int) {
	for _, e := range r.sim.Ledger() {
		if e.Request != nil && e.Request.Path == "/oauth/v2/token" {
			n++
		}
	}
	return n
}

// knobs changes how Make behaves.
func (r *rig) knobs(change func(k *makesim.Knobs)) {
	r.t.Helper()
	k := r.sim.Knobs()
	change(&k)
	if err := r.sim.SetKnobs(k); err != nil {
		r.t.Fatal(err)
	}
}

// fault lets Make refuse everything below a path; "" ends that.
func (r *rig) fault(path string) {
	r.t.Helper()
	r.knobs(func(k *makesim.Knobs) {
		k.Faults = nil
		if path != "" {
			k.Faults = []makesim.Fault{{Kind: makesim.FaultStatus, PathPrefix: path, Status: http.StatusForbidden, Count: 100}}
		}
	})
}

// changeClient changes the Secret of the OAuth client.
func (r *rig) changeClient(change func(secret *corev1.Secret)) {
	r.t.Helper()
	secret := &corev1.Secret{}
	if err := r.client.Get(r.t.Context(), client.ObjectKey{Namespace: "sales", Name: "make-app"}, secret); err != nil {
		r.t.Fatal(err)
	}
	change(secret)
	if err := r.client.Update(r.t.Context(), secret); err != nil {
		r.t.Fatal(err)
	}
}

// sweep is the operator's sweep.
func (r *rig) sweep() {
	r.t.Helper()
	if err := r.server.Sweep(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// sessionSecrets are the Secrets of consents under way.
func (r *rig) sessionSecrets() []corev1.Secret {
	r.t.Helper()
	var list corev1.SecretList
	if err := r.client.List(r.t.Context(), &list, client.InNamespace(operator), client.HasLabels{"makeops.dev/consent"}); err != nil {
		r.t.Fatal(err)
	}
	return list.Items
}

// state is the parameter of an address.
func state(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("state")
}

// granted is what is stored for sales/crm; nil if nothing is.
func (r *rig) granted() *grant.OAuth {
	r.t.Helper()
	rec, err := r.store.Read(r.t.Context(), crm)
	if err != nil {
		r.t.Fatal(err)
	}
	return rec.OAuth
}

// alive are the fingerprints of all access and refresh tokens that Make gave and that are still alive.
func (r *rig) alive() []string {
	state := map[string]bool{}
	for _, e := range r.sim.Ledger() {
		if e.Token == nil || e.Token.Kind != makesim.KindAccessToken && e.Token.Kind != makesim.KindRefreshToken {
			continue
		}
		switch e.Token.Event {
		case makesim.TokenMinted:
			state[e.Token.Token] = true
		case makesim.TokenRevoked, makesim.TokenRotated:
			state[e.Token.Token] = false
		}
	}
	var all []string
	for token, lives := range state {
		if lives {
			all = append(all, token)
		}
	}
	return all
}
