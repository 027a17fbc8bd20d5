package consent_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
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
	http   http.Handler
	// refuse, unless nil, is what the API server answers to a write of a grant or session.
	refuse func(o client.Object) error
	// seen is all that a browser got to see: addresses, headers and pages.
	seen strings.Builder
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, clock: clocktesting.NewFakePassiveClock(start), refuse: func(client.Object) error { return nil }}
	var err error
	if r.sim, err = makesim.NewTLSServer(makesim.Options{Clock: r.clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.sim.Close)
	api, err := makeapi.New(makeapi.Config{ExtraZones: []string{r.sim.Zone}, RootCAs: r.sim.CAPool(), Clock: r.clock})
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
	r.http = (&consent.Server{
		Client: r.client, Secrets: optin.Reader{Live: r.client}, Grants: r.store, Make: api, Clock: r.clock, PublicURL: publicURL,
	}).Handler()
	return r
}

func (r *rig) connection(name, uid string) *v1alpha1.MakeConnection {
	return &v1alpha1.MakeConnection{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: name, UID: types.UID(uid), Generation: 1},
		Spec: v1alpha1.MakeConnectionSpec{
			Zone: r.sim.Zone, OrganizationID: makesim.OrganizationID, Scopes: []v1alpha1.Scope{"scenarios:read", "scenarios:run"},
			Auth: v1alpha1.Auth{OAuth: &v1alpha1.OAuthAuth{ClientRef: v1alpha1.LocalRef{Name: "make-app"}}},
		},
	}
}

func identity(name, uid string) grant.Identity {
	return grant.Identity{Namespace: "sales", Name: name, UID: types.UID(uid)}
}

var crm = identity("crm", uid)

// send makes one request of a browser. Headers come in pairs.
func (r *rig) send(method, target string, headers ...string) *http.Response {
	r.t.Helper()
	request := httptest.NewRequestWithContext(r.t.Context(), method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	r.http.ServeHTTP(recorder, request)
	r.seen.WriteString(target + "\n")
	for name, values := range recorder.Header() {
		r.seen.WriteString(name + ": " + strings.Join(values, " ") + "\n")
	}
	r.seen.WriteString(recorder.Body.String())
	return recorder.Result()
}

// begin sends the form of the start page and returns Make's address for it.
func (r *rig) begin(name string) string {
	r.t.Helper()
	answer := r.send(http.MethodPost, "/connect/sales/"+name, "Sec-Fetch-Site", "same-origin")
	if answer.StatusCode != http.StatusSeeOther {
		r.t.Fatalf("start: status %d", answer.StatusCode)
	}
	return answer.Header.Get("Location")
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
	return back.RequestURI()
}

// callback follows the redirect from Make and returns the status.
func (r *rig) callback(target string) int {
	r.t.Helper()
	return r.send(http.MethodGet, target).StatusCode
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
