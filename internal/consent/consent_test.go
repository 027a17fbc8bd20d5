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
	page := r.open(r.approve(authorize, makesim.UserID))
	if page.Status != http.StatusOK || !strings.Contains(page.Body, "Ada Example") || page.URL.RawQuery != "" {
		t.Fatalf("status %d, query %q:\n%s", page.Status, page.URL.RawQuery, page.Body)
	}
	got := r.granted()
	want := &grant.OAuth{
		Generation: 1, AccessToken: got.AccessToken, RefreshToken: got.RefreshToken, Issued: start.Add(time.Minute),
		Expiry: start.Add(6 * time.Minute), Scopes: []string{"scenarios:read", "scenarios:run"}, ClientID: makesim.OAuthClientID, ClientSecret: makesim.OAuthClientSecret,
		AccountID: makesim.UserID, AccountName: "Ada Example", OrganizationID: makesim.OrganizationID,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !r.sim.TokenAlive(got.AccessToken) || !r.sim.TokenAlive(got.RefreshToken) {
		t.Errorf("access token %s, refresh token %s", r.sim.TokenState(got.AccessToken), r.sim.TokenState(got.RefreshToken))
	}
	for _, secret := range []string{got.AccessToken, got.RefreshToken, makesim.OAuthClientSecret} {
		if strings.Contains(r.browser.Seen(), secret) {
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
			if page := r.consent(makesim.UserID); page.Status != http.StatusOK {
				t.Fatalf("first consent: status %d", page.Status)
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
			if page := r.consent(makesim.UserID); page.Status != http.StatusOK {
				t.Fatalf("second consent: status %d", page.Status)
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

// Where another account takes over, the former one's grant does not live on.
func TestAnotherAccountTakesOver(t *testing.T) {
	r := newRig(t)
	r.consent(makesim.UserID)
	first := r.granted()
	const mona = 1003 // of the same organization
	if page := r.consent(mona); page.Status != http.StatusOK {
		t.Fatalf("status %d", page.Status)
	}
	if got := r.granted(); got.AccountID != mona || r.sim.TokenAlive(first.RefreshToken) || !r.sim.TokenAlive(got.RefreshToken) {
		t.Errorf("account %d, former refresh token %s", got.AccountID, r.sim.TokenState(first.RefreshToken))
	}
}

// A state that is not the one of an open session gives nothing, and Make is not asked.
func TestStatesThatAreNotOpen(t *testing.T) {
	for name, spoil := range map[string]func(r *rig, callback url.Values){
		"too late": func(r *rig, _ url.Values) { r.clock.SetTime(start.Add(10*time.Minute + time.Nanosecond)) },
		"begun again and again": func(r *rig, _ url.Values) {
			for range 8 {
				r.begin("crm")
			}
		},
		"the sealing key was lost": func(r *rig, _ url.Values) { r.store.Keys = grant.Keyring{"key-0001": grant.NewKey()} },
		"none":                     func(_ *rig, q url.Values) { q.Del("state") },
		"garbage":                  func(_ *rig, q url.Values) { q.Set("state", "x") },
		"of nobody":                func(_ *rig, q url.Values) { q.Set("state", "x.y") },
		"a path":                   func(_ *rig, q url.Values) { q.Set("state", "a/log?x=%2e.y") },
		"another nonce":            func(_ *rig, q url.Values) { q.Set("state", uid+".AAAA") },
		"no nonce":                 func(_ *rig, q url.Values) { q.Set("state", uid+".") },
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
			page := r.open(publicURL + "/oauth/callback?" + query.Encode())
			if page.Status != http.StatusGone || !strings.Contains(page.Body, "not open any more") {
				t.Errorf("status %d:\n%s", page.Status, page.Body)
			}
			if n := r.exchanges(); n != 0 {
				t.Errorf("Make was asked %d times", n)
			}
			if name != "the sealing key was lost" && r.granted() != nil {
				t.Error("a grant is stored")
			}
		})
	}
}

// The same answer sent twice changes nothing the second time, and says again what happened.
func TestReplay(t *testing.T) {
	r := newRig(t)
	callback := r.approve(r.begin("crm"), makesim.UserID)
	first := r.open(callback)
	before := r.granted()
	second := r.open(callback)
	if second.Status != http.StatusOK || second.Body != first.Body {
		t.Errorf("status %d:\n%s", second.Status, second.Body)
	}
	if diff := cmp.Diff(before, r.granted()); diff != "" || r.exchanges() != 1 {
		t.Errorf("%d exchanges, the grant changed (-before +after):\n%s", r.exchanges(), diff)
	}
	if again := r.open(second.URL.String()); again.Body != first.Body {
		t.Errorf("reloaded:\n%s", again.Body)
	}
	if stranger, err := r.newBrowser().Open(t.Context(), second.URL.String()); err != nil || stranger.Status != http.StatusGone {
		t.Errorf("another browser sees the result: status %d (%v)", stranger.Status, err)
	}
}

// Who clicks twice begins twice; either attempt can be finished.
func TestDoubleSubmit(t *testing.T) {
	r := newRig(t)
	page := r.open(startOf("crm"))
	var targets []string
	for range 2 {
		left, err := r.browser.Send(t.Context(), startOf("crm"), page.Form(), "Sec-Fetch-Site", "same-origin")
		if err != nil {
			t.Fatal(err)
		}
		targets = append(targets, left.Next())
	}
	for _, target := range targets {
		if page := r.open(r.approve(target, makesim.UserID)); page.Status != http.StatusOK {
			t.Errorf("status %d", page.Status)
		}
	}
}

// A link to Make that somebody was handed does not give their access away: only the browser that began can finish.
func TestAnotherBrowser(t *testing.T) {
	r := newRig(t)
	authorize := r.begin("crm") // the attacker's browser
	callback := r.approve(authorize, makesim.UserID)
	victim := r.newBrowser()
	for _, prepare := range []func(){
		func() {},
		func() {
			if _, err := victim.Open(t.Context(), startOf("crm")); err != nil { // has a cookie, another one
				t.Fatal(err)
			}
		},
	} {
		prepare()
		page, err := victim.Open(t.Context(), callback)
		if err != nil {
			t.Fatal(err)
		}
		if page.Status != http.StatusForbidden || !strings.Contains(page.Body, "begun in another browser") || r.exchanges() != 0 {
			t.Errorf("status %d, %d exchanges", page.Status, r.exchanges())
		}
	}
	if page := r.open(callback); page.Status != http.StatusOK {
		t.Errorf("the browser that began cannot finish any more: status %d", page.Status)
	}
}

// Somebody who guesses at states does not end a session that is open.
func TestWrongStateLeavesTheSessionOpen(t *testing.T) {
	r := newRig(t)
	callback := r.approve(r.begin("crm"), makesim.UserID)
	r.open(publicURL + "/oauth/callback?code=c&state=" + uid + ".AAAA")
	if page := r.open(callback); page.Status != http.StatusOK {
		t.Errorf("status %d", page.Status)
	}
}

// A connection that is another one by now does not get what was granted to the earlier.
func TestConnectionChangedMeanwhile(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, r *rig, conn *v1alpha1.MakeConnection){
		"edited": func(_ *testing.T, r *rig, _ *v1alpha1.MakeConnection) {
			r.change(func(conn *v1alpha1.MakeConnection) { conn.Generation++ })
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
			if page := r.open(callback); page.Status != http.StatusConflict || !strings.Contains(page.Body, "The connection changed") {
				t.Errorf("status %d:\n%s", page.Status, page.Body)
			}
			if r.granted() != nil || len(r.alive()) != 0 || r.exchanges() != 0 {
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
			if page := r.open(callback); page.Status != test.status {
				t.Errorf("status %d, want %d", page.Status, test.status)
			}
			stored := r.granted() != nil
			if want := test.status == http.StatusOK; stored != want || (len(r.alive()) > 0) != want {
				t.Errorf("stored: %t, %d tokens are alive", stored, len(r.alive()))
			}
		})
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
	if page := r.open(strings.ReplaceAll(callback, uid, otherUID)); page.Status != http.StatusGone {
		t.Errorf("status %d", page.Status)
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
	if page := r.consent(makesim.UserID); page.Status != http.StatusBadGateway {
		t.Errorf("status %d", page.Status)
	}
	kept, err := elsewhere.Read(t.Context(), identity("crm", uid))
	if err != nil || kept.OAuth == nil || kept.OAuth.RefreshToken != "good" {
		t.Errorf("the grant is gone (%v)", err)
	}
	if alive := r.alive(); len(alive) > 0 {
		t.Errorf("%d tokens that nobody holds are alive", len(alive))
	}
}
