package consent_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/makeops/make-operator/internal/makesim"
)

// An answer that names its sender must name the one that was asked (RFC 9207), and one that does not fit the question is none.
func TestMisdirectedAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		spoil  func(r *rig, q url.Values)
		status int
	}{
		"the right sender":       {func(r *rig, q url.Values) { q.Set("iss", r.sim.URL) }, http.StatusOK},
		"another sender":         {func(_ *rig, q url.Values) { q.Set("iss", "https://www.make.com.example") }, http.StatusBadRequest},
		"a slash more":           {func(r *rig, q url.Values) { q.Set("iss", r.sim.URL+"/") }, http.StatusBadRequest},
		"an empty sender":        {func(_ *rig, q url.Values) { q.Set("iss", "") }, http.StatusBadRequest},
		"two senders":            {func(r *rig, q url.Values) { q["iss"] = []string{r.sim.URL, "https://x.example"} }, http.StatusBadRequest},
		"two codes":              {func(_ *rig, q url.Values) { q.Add("code", "x") }, http.StatusBadRequest},
		"neither code nor error": {func(_ *rig, q url.Values) { q.Del("code") }, http.StatusBadRequest},
		"code and error":         {func(_ *rig, q url.Values) { q.Set("error", "access_denied") }, http.StatusBadRequest},
		"another's refusal": {func(_ *rig, q url.Values) {
			q.Del("code")
			q.Set("error", "access_denied")
			q.Set("iss", "https://x.example")
		}, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			callback := r.approve(r.begin("crm"), makesim.UserID)
			back, err := url.Parse(callback)
			if err != nil {
				t.Fatal(err)
			}
			query := back.Query()
			test.spoil(r, query)
			if page := r.open(publicURL + "/oauth/callback?" + query.Encode()); page.Status != test.status {
				t.Errorf("status %d, want %d", page.Status, test.status)
			}
			if test.status == http.StatusOK {
				return
			}
			if r.exchanges() != 0 {
				t.Error("Make was asked")
			}
			if page := r.open(callback); page.Status != http.StatusOK {
				t.Errorf("it ended the session: status %d", page.Status)
			}
		})
	}
}

// An account of another organization gets nothing stored, what it granted is revoked, and the page says why.
func TestStranger(t *testing.T) {
	r := newRig(t)
	page := r.consent(makesim.OtherUserID)
	if page.Status != http.StatusForbidden || !strings.Contains(page.Body, "You signed in to Make as Otto Other") ||
		!strings.Contains(page.Body, "organization 42") || !strings.Contains(page.Body, "was revoked") || strings.Contains(page.Body, "did not confirm") {
		t.Errorf("status %d:\n%s", page.Status, page.Body)
	}
	if r.granted() != nil {
		t.Error("a grant is stored")
	}
	if left := r.alive(); len(left) != 0 {
		t.Errorf("%d tokens are alive", len(left))
	}
}

// Where Make does not confirm the revocation, the page says so, and the sweep goes on trying.
func TestStrangerWhoCannotBeRevoked(t *testing.T) {
	r := newRig(t)
	callback := r.approve(r.begin("crm"), makesim.OtherUserID)
	r.fault("/oauth/v2/revoke")
	page := r.open(callback)
	if page.Status != http.StatusForbidden || !strings.Contains(page.Body, "did not confirm") || strings.Contains(page.Body, "was revoked") || len(r.alive()) == 0 {
		t.Errorf("status %d, %d tokens are alive:\n%s", page.Status, len(r.alive()), page.Body)
	}
	r.fault("")
	r.sweep()
	if page = r.open(page.URL.String()); len(r.alive()) != 0 || strings.Contains(page.Body, "did not confirm") {
		t.Errorf("%d tokens are alive after the sweep:\n%s", len(r.alive()), page.Body)
	}
}

// What Make answers in the place of a code.
func TestRefusals(t *testing.T) {
	for code, test := range map[string]struct {
		status int
		says   string
	}{
		"access_denied":           {http.StatusOK, "You did not allow it"},
		"invalid_scope":           {http.StatusBadGateway, "spec.scopes"},
		"temporarily_unavailable": {http.StatusBadGateway, "in a few minutes"},
		"unauthorized_client":     {http.StatusBadGateway, "Secret make-app"},
		"<script>alert(1)":        {http.StatusBadGateway, "<code>unknown</code>"},
	} {
		t.Run(code, func(t *testing.T) {
			r := newRig(t)
			answer := state(t, r.begin("crm"))
			page := r.open(publicURL + "/oauth/callback?" + url.Values{
				"error": {code}, "error_description": {"do not show this"}, "state": {answer},
			}.Encode())
			if page.Status != test.status || !strings.Contains(page.Body, test.says) || !strings.Contains(page.Body, "Start again") {
				t.Errorf("status %d, want %d and %q:\n%s", page.Status, test.status, test.says, page.Body)
			}
			if strings.Contains(page.Body, "alert") || strings.Contains(page.Body, "do not show this") {
				t.Errorf("the page repeats what came in:\n%s", page.Body)
			}
			if r.granted() != nil || r.exchanges() != 0 {
				t.Errorf("stored: %t, Make was asked %d times", r.granted() != nil, r.exchanges())
			}
		})
	}
}

// A code that Make does not take, and a client that it does not know.
func TestExchangeFails(t *testing.T) {
	for name, test := range map[string]struct {
		spoil  func(r *rig)
		status int
		says   string
	}{
		"the code is too old": {func(r *rig) { r.clock.SetTime(start.Add(6 * time.Minute)) }, http.StatusGone, "good for five minutes"},
		"wrong client secret": {func(r *rig) {
			r.changeClient(func(secret *corev1.Secret) { secret.Data["client-secret"] = []byte("wrong") })
		}, http.StatusBadGateway, "client-secret"},
		"Make is down": {func(r *rig) { r.fault("/oauth/v2/token") }, http.StatusBadGateway, "in a minute"},
		"Make does not say whose tokens they are": {func(r *rig) { r.fault("/api/v2/users/me") }, http.StatusBadGateway, "in a minute"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			callback := r.approve(r.begin("crm"), makesim.UserID)
			test.spoil(r)
			page := r.open(callback)
			if page.Status != test.status || !strings.Contains(page.Body, test.says) {
				t.Errorf("status %d, want %d and %q:\n%s", page.Status, test.status, test.says, page.Body)
			}
			if r.granted() != nil || len(r.alive()) != 0 {
				t.Errorf("stored: %t, %d tokens are alive", r.granted() != nil, len(r.alive()))
			}
		})
	}
}

// A person may allow less than was asked for. It is stored, and the page says what is missing.
func TestLessThanAsked(t *testing.T) {
	r := newRig(t)
	r.knobs(func(k *makesim.Knobs) { k.GrantedScopes = []string{"scenarios:read"} })
	page := r.consent(makesim.UserID)
	if page.Status != http.StatusOK || !strings.Contains(page.Body, "<code>scenarios:run</code>") || r.granted() == nil {
		t.Errorf("status %d, stored %t:\n%s", page.Status, r.granted() != nil, page.Body)
	}
}
