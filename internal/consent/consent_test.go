package consent_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makesim"
)

func TestConsent(t *testing.T) {
	r := newRig(t)
	authorize := r.begin("crm")
	r.clock.SetTime(start.Add(time.Minute))
	if status := r.callback(r.approve(authorize, makesim.UserID)); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	got := r.granted()
	want := &grant.OAuth{
		Generation: 1, AccessToken: got.AccessToken, RefreshToken: got.RefreshToken, Issued: start.Add(time.Minute),
		Expiry: start.Add(6 * time.Minute), Scopes: []string{"scenarios:read", "scenarios:run"}, ClientID: makesim.OAuthClientID,
		AccountID: makesim.UserID, AccountName: "Ada Example",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !r.sim.TokenAlive(got.AccessToken) || !r.sim.TokenAlive(got.RefreshToken) {
		t.Errorf("access token %s, refresh token %s", r.sim.TokenState(got.AccessToken), r.sim.TokenState(got.RefreshToken))
	}
	for _, secret := range []string{got.AccessToken, got.RefreshToken, makesim.OAuthClientSecret} {
		if strings.Contains(r.seen.String(), secret) {
			t.Error("the browser got to see a secret")
		}
	}
}

// Another consent replaces a grant that opens and counts on, whatever had become of it.
func TestConsentAgain(t *testing.T) {
	for name, spoil := range map[string]func(*grant.Record){
		"it was good":        func(*grant.Record) {},
		"it was dead":        func(rec *grant.Record) { rec.OAuth.Dead = v1alpha1.ReasonNeedsReauthorization },
		"a refresh was open": func(rec *grant.Record) { rec.OAuth.Intent = &grant.Intent{Attempt: "a", Presentations: 1} },
		"an answer was lost": func(rec *grant.Record) {
			rec.OAuth.Unparsed, rec.OAuth.Dead = []byte("x"), v1alpha1.ReasonRefreshOutcomeLost
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if status := r.callback(r.approve(r.begin("crm"), makesim.UserID)); status != http.StatusOK {
				t.Fatalf("first consent: status %d", status)
			}
			first := r.granted()
			rec, err := r.store.Read(t.Context(), crm)
			if err != nil {
				t.Fatal(err)
			}
			spoil(rec)
			if err := r.store.Write(t.Context(), crm, rec); err != nil {
				t.Fatal(err)
			}
			if status := r.callback(r.approve(r.begin("crm"), makesim.UserID)); status != http.StatusOK {
				t.Fatalf("second consent: status %d", status)
			}
			got := r.granted()
			if got.Generation != 2 || got.RefreshToken == first.RefreshToken || got.Dead != "" || got.Intent != nil || got.Unparsed != nil {
				t.Errorf("generation %d, dead %q, intent %t, unparsed %t", got.Generation, got.Dead, got.Intent != nil, got.Unparsed != nil)
			}
			if !r.sim.TokenAlive(got.RefreshToken) {
				t.Errorf("the refresh token is %s", r.sim.TokenState(got.RefreshToken))
			}
		})
	}
}

// A state that is not the one of an open session gives nothing, and Make is not asked.
func TestStatesThatAreNotOpen(t *testing.T) {
	for name, spoil := range map[string]func(r *rig, callback url.Values){
		"used already":  func(r *rig, q url.Values) { r.callback("/oauth/callback?" + q.Encode()) },
		"too late":      func(r *rig, _ url.Values) { r.clock.SetTime(start.Add(10*time.Minute + time.Nanosecond)) },
		"begun again":   func(r *rig, _ url.Values) { r.begin("crm") },
		"none":          func(_ *rig, q url.Values) { q.Del("state") },
		"garbage":       func(_ *rig, q url.Values) { q.Set("state", "x") },
		"of nobody":     func(_ *rig, q url.Values) { q.Set("state", "x.y") },
		"a path":        func(_ *rig, q url.Values) { q.Set("state", "a/log?x=%2e.y") },
		"another nonce": func(_ *rig, q url.Values) { q.Set("state", uid+".AAAA") },
		"no nonce":      func(_ *rig, q url.Values) { q.Set("state", uid+".") },
		"of another connection": func(r *rig, q url.Values) {
			_, nonce, _ := strings.Cut(q.Get("state"), ".")
			r.begin("erp")
			q.Set("state", otherUID+"."+nonce)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			back, err := url.Parse(r.approve(r.begin("crm"), makesim.UserID))
			if err != nil {
				t.Fatal(err)
			}
			query := back.Query()
			spoil(r, query)
			before, exchanges := r.granted(), tokenRequests(r)
			if status := r.callback("/oauth/callback?" + query.Encode()); status != http.StatusGone {
				t.Errorf("status %d, want %d", status, http.StatusGone)
			}
			if diff := cmp.Diff(before, r.granted()); diff != "" {
				t.Errorf("the grant changed (-before +after):\n%s", diff)
			}
			if n := tokenRequests(r) - exchanges; n != 0 {
				t.Errorf("Make was asked %d times", n)
			}
		})
	}
}

func tokenRequests(r *rig) (n int) {
	for _, e := range r.sim.Ledger() {
		if e.Request != nil && e.Request.Path == "/oauth/v2/token" {
			n++
		}
	}
	return n
}

// Somebody who guesses at states does not end a session that is open.
func TestWrongStateLeavesTheSessionOpen(t *testing.T) {
	r := newRig(t)
	callback := r.approve(r.begin("crm"), makesim.UserID)
	r.callback("/oauth/callback?code=c&state=" + uid + ".AAAA")
	if status := r.callback(callback); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
}

// An account of another organization gets nothing stored, and what it granted is revoked.
func TestStranger(t *testing.T) {
	r := newRig(t)
	if status := r.callback(r.approve(r.begin("crm"), makesim.OtherUserID)); status != http.StatusForbidden {
		t.Errorf("status %d", status)
	}
	if r.granted() != nil {
		t.Error("a grant is stored")
	}
	if left := r.alive(); len(left) != 0 {
		t.Errorf("%d tokens are alive", len(left))
	}
}

func TestDenied(t *testing.T) {
	r := newRig(t)
	answer := state(t, r.begin("crm"))
	if status := r.callback("/oauth/callback?error=access_denied&state=" + url.QueryEscape(answer)); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	if r.granted() != nil || tokenRequests(r) != 0 {
		t.Errorf("stored: %t, Make was asked %d times", r.granted() != nil, tokenRequests(r))
	}
}

// A connection that is another one by now does not get what was granted to the earlier.
func TestConnectionChangedMeanwhile(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, r *rig, conn *v1alpha1.MakeConnection){
		"edited": func(t *testing.T, r *rig, conn *v1alpha1.MakeConnection) {
			conn.Generation++
			if err := r.client.Update(t.Context(), conn); err != nil {
				t.Fatal(err)
			}
		},
		"deleted": func(t *testing.T, r *rig, conn *v1alpha1.MakeConnection) {
			if err := r.client.Delete(t.Context(), conn); err != nil {
				t.Fatal(err)
			}
		},
		"made anew": func(t *testing.T, r *rig, conn *v1alpha1.MakeConnection) {
			if err := r.client.Delete(t.Context(), conn); err != nil {
				t.Fatal(err)
			}
			if err := r.client.Create(t.Context(), r.connection("crm", "another")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			callback := r.approve(r.begin("crm"), makesim.UserID)
			conn := &v1alpha1.MakeConnection{}
			if err := r.client.Get(t.Context(), client.ObjectKey{Namespace: "sales", Name: "crm"}, conn); err != nil {
				t.Fatal(err)
			}
			change(t, r, conn)
			if status := r.callback(callback); status != http.StatusConflict {
				t.Errorf("status %d", status)
			}
			if r.granted() != nil || len(r.alive()) != 0 {
				t.Errorf("stored: %t, %d tokens are alive", r.granted() != nil, len(r.alive()))
			}
		})
	}
}

// A grant that cannot be stored is not left alive at Make, and one that somebody else writes meanwhile is stored all the same.
func TestStoreFails(t *testing.T) {
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "secrets"}, "x", errors.New("changed"))
	for name, test := range map[string]struct {
		errs   []error // of the writes of the grant, one after the other
		status int
	}{
		"the API server is down": {slices.Repeat([]error{errors.New("down")}, 10), http.StatusBadGateway},
		"others always win":      {slices.Repeat([]error{conflict}, 10), http.StatusBadGateway},
		"another one wins once":  {[]error{conflict}, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			callback := r.approve(r.begin("crm"), makesim.UserID)
			r.refuse = func(o client.Object) error {
				if o.GetName() != grant.SecretName(crm) || len(test.errs) == 0 {
					return nil
				}
				err := test.errs[0]
				test.errs = test.errs[1:]
				return err
			}
			if status := r.callback(callback); status != test.status {
				t.Errorf("status %d, want %d", status, test.status)
			}
			stored := r.granted() != nil
			if want := test.status == http.StatusOK; stored != want || (len(r.alive()) > 0) != want {
				t.Errorf("stored: %t, %d tokens are alive", stored, len(r.alive()))
			}
		})
	}
}

// The start page says what will be granted, and looking at it changes nothing.
func TestStartPage(t *testing.T) {
	r := newRig(t)
	answer := r.send(http.MethodGet, "/connect/sales/crm")
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d", answer.StatusCode)
	}
	for _, want := range []string{"scenarios:read", "scenarios:run", r.sim.Zone, "crm", "42"} {
		if !strings.Contains(r.seen.String(), want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	var secrets corev1.SecretList
	if err := r.client.List(t.Context(), &secrets, client.InNamespace(operator)); err != nil || len(secrets.Items) != 0 {
		t.Errorf("looking at the page made %d Secrets (%v)", len(secrets.Items), err)
	}
	for name, target := range map[string]string{"no such connection": "/connect/sales/none", "a connection without OAuth": "/connect/sales/static"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if got := r.send(method, target).StatusCode; got != http.StatusNotFound {
				t.Errorf("%s, %s: status %d", name, method, got)
			}
		}
	}
}

// Every page keeps to itself: no frame, no script, no referrer, no copy in a cache.
func TestHeaders(t *testing.T) {
	r := newRig(t)
	for _, target := range []string{"/connect/sales/crm", "/connect/sales/none", "/oauth/callback", "/style.css", "/nowhere"} {
		h := r.send(http.MethodGet, target).Header
		policy := h.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", target, policy)
		}
		if h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", target, h)
		}
	}
}

// A form of another site starts nothing.
func TestCrossSiteFormIsRefused(t *testing.T) {
	r := newRig(t)
	for _, site := range []string{"cross-site", "same-site", "none"} {
		if got := r.send(http.MethodPost, "/connect/sales/crm", "Sec-Fetch-Site", site).StatusCode; got != http.StatusForbidden {
			t.Errorf("%s: status %d", site, got)
		}
	}
}

// The client's Secret must have opted in, as every Secret that the operator reads.
func TestClientSecretThatDidNotOptIn(t *testing.T) {
	r := newRig(t)
	secret := &corev1.Secret{}
	if err := r.client.Get(t.Context(), client.ObjectKey{Namespace: "sales", Name: "make-app"}, secret); err != nil {
		t.Fatal(err)
	}
	secret.Labels = nil
	if err := r.client.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if got := r.send(http.MethodPost, "/connect/sales/crm").StatusCode; got != http.StatusConflict {
		t.Errorf("status %d", got)
	}
}

// What is stored of a session shows neither its nonce nor its verifier, and does not open for another connection.
func TestSessionIsSealed(t *testing.T) {
	r := newRig(t)
	callback := r.approve(r.begin("crm"), makesim.UserID)
	_, nonce, _ := strings.Cut(state(t, callback), ".")
	var secrets corev1.SecretList
	if err := r.client.List(t.Context(), &secrets, client.InNamespace(operator)); err != nil || len(secrets.Items) != 1 {
		t.Fatalf("%d Secrets (%v)", len(secrets.Items), err)
	}
	raw, err := secrets.Items[0].Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), nonce) {
		t.Error("the Secret shows the nonce")
	}
	moved := secrets.Items[0].DeepCopy()
	moved.Name, moved.ResourceVersion = strings.ReplaceAll(moved.Name, uid, otherUID), ""
	if err := r.client.Create(t.Context(), moved); err != nil {
		t.Fatal(err)
	}
	if status := r.callback(strings.ReplaceAll(callback, uid, otherUID)); status != http.StatusGone {
		t.Errorf("status %d", status)
	}
}

// A grant that does not open here may open elsewhere, or again once its key is back: a consent leaves it alone and keeps no tokens.
func TestGrantThatDoesNotOpenIsKept(t *testing.T) {
	r := newRig(t)
	elsewhere := &grant.Store{Client: r.client, Namespace: operator, Cluster: "c", Keys: grant.Keyring{"key-0002": grant.NewKey()}}
	good := &grant.Record{Grant: grant.Grant{OAuth: &grant.OAuth{Generation: 3, RefreshToken: "good"}}}
	if err := elsewhere.Write(t.Context(), identity("crm", uid), good); err != nil {
		t.Fatal(err)
	}
	if status := r.callback(r.approve(r.begin("crm"), makesim.UserID)); status != http.StatusBadGateway {
		t.Errorf("status %d", status)
	}
	kept, err := elsewhere.Read(t.Context(), identity("crm", uid))
	if err != nil || kept.OAuth == nil || kept.OAuth.RefreshToken != "good" {
		t.Errorf("the grant is gone (%v)", err)
	}
	if alive := r.alive(); len(alive) > 0 {
		t.Errorf("%d tokens that nobody holds are alive", len(alive))
	}
}
