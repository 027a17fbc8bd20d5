package consent_test

import (
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/consent"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/scope"
)

// The start page says what will be granted, scope by scope with its risk, and looking at it changes nothing.
func TestStartPage(t *testing.T) {
	r := newRig(t)
	r.change(func(conn *v1alpha1.MakeConnection) {
		conn.Spec.Scopes = []v1alpha1.Scope{"teams:read", "scenarios:run", "brand-new:read"}
	})
	for name, connection := range map[string]string{"crm-tools": "crm", "other-tools": "erp"} {
		server := &v1alpha1.MakeMCPServer{
			ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: name},
			Spec:       v1alpha1.MakeMCPServerSpec{ConnectionRef: v1alpha1.ConnectionRef{Name: connection}},
		}
		if err := r.client.Create(t.Context(), server); err != nil {
			t.Fatal(err)
		}
	}
	page := r.open(startOf("crm"))
	if page.Status != http.StatusOK || strings.Contains(page.Body, "other-tools") {
		t.Fatalf("status %d", page.Status)
	}
	run, _ := scope.Lookup("scenarios:run")
	teams, _ := scope.Lookup("teams:read")
	for _, want := range []string{
		"scenarios:run", html.EscapeString(run.Reason), "High risk", html.EscapeString(teams.Reason), "Low risk", "brand-new:read", "not a scope that this version knows",
		r.sim.Zone, "sales", "crm", "organization 42", "reporting, MCP server crm-tools",
	} {
		if !strings.Contains(page.Body, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if strings.Index(page.Body, "scenarios:run") > strings.Index(page.Body, "teams:read") {
		t.Error("the riskiest scope is not the first")
	}
	if n := len(r.sessionSecrets()); n != 0 {
		t.Errorf("looking at the page made %d Secrets", n)
	}
}

// Only what the connection's status asks for can be consented to: nobody replaces a grant that works, or gets around policy.
func TestConnectionsThatAwaitNoConsent(t *testing.T) {
	for name, test := range map[string]struct {
		change func(conn *v1alpha1.MakeConnection)
		status int
		says   string
	}{
		"it is connected": {func(c *v1alpha1.MakeConnection) {
			c.Status.Authorization.URL = ""
			c.Status.Conditions = []metav1.Condition{{Type: v1alpha1.Authorized, Status: metav1.ConditionTrue}}
		}, http.StatusOK, "Already connected"},
		"policy refuses it": {func(c *v1alpha1.MakeConnection) {
			c.Status.Authorization.URL = ""
			c.Spec.Scopes = []v1alpha1.Scope{"admin:write"}
		}, http.StatusConflict, "kubectl make status"},
		"policy refuses it now": {func(c *v1alpha1.MakeConnection) {
			c.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ScopesAllowed, Status: metav1.ConditionFalse}}
		}, http.StatusConflict, "kubectl make status"},
		"it is suspended":   {func(c *v1alpha1.MakeConnection) { c.Spec.Suspend = v1alpha1.SuspendEnabled }, http.StatusConflict, "suspended"},
		"nobody has judged": {func(c *v1alpha1.MakeConnection) { c.Generation = 2 }, http.StatusServiceUnavailable, "has not looked at it yet"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			before := r.open(startOf("crm"))
			r.change(test.change)
			page := r.open(startOf("crm"))
			if page.Status != test.status || !strings.Contains(page.Body, test.says) {
				t.Errorf("status %d, want %d and %q:\n%s", page.Status, test.status, test.says, page.Body)
			}
			left, err := r.browser.Send(t.Context(), startOf("crm"), before.Form())
			if err != nil || left.Next() != "" && !strings.HasPrefix(left.Next(), "3") || left.Status != test.status {
				t.Errorf("an earlier form leaves for %q, status %d (%v)", left.Next(), left.Status, err)
			}
			if len(r.sessionSecrets()) != 0 {
				t.Error("a session was made")
			}
		})
	}
}

func TestPagesOfNobody(t *testing.T) {
	r := newRig(t)
	for _, address := range []string{startOf("none"), startOf("static"), publicURL + "/nowhere", publicURL + "/result/x%2fy/z"} {
		if page := r.open(address); page.Status != http.StatusNotFound || !strings.Contains(page.Body, "<main>") {
			t.Errorf("%s: status %d", address, page.Status)
		}
	}
	if page := r.open(publicURL + "/result/" + uid + "/0000"); page.Status != http.StatusGone {
		t.Errorf("a result that does not exist: status %d", page.Status)
	}
}

// Every page keeps to itself: no frame, no script, no form to elsewhere, no referrer, no copy in a cache.
func TestHeaders(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/connect/sales/crm", "/connect/sales/none", "/oauth/callback", "/style.css", "/nowhere"} {
		page := r.open(publicURL + path)
		policy := page.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "style-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: policy %q lacks %s", path, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(page.Body, "<script") || strings.Contains(page.Body, "style=") {
			t.Errorf("%s: policy %q", path, policy)
		}
		h := page.Header
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" ||
			(h.Get("Referrer-Policy") != "no-referrer" && h.Get("Referrer-Policy") != "same-origin") {
			t.Errorf("%s: headers %v", path, h)
		}
	}
}

// A form of another site starts nothing, whatever the browser is too old to say.
func TestCrossSiteFormIsRefused(t *testing.T) {
	r := newRig(t)
	form := r.open(startOf("crm")).Form()
	for name, headers := range map[string][]string{
		"cross-site":             {"Sec-Fetch-Site", "cross-site"},
		"same-site":              {"Sec-Fetch-Site", "same-site"},
		"another origin, no Sec": {"Origin", "https://evil.example"},
		"an opaque origin":       {"Origin", "null"},
	} {
		page, err := r.browser.Send(t.Context(), startOf("crm"), form, headers...)
		if err != nil || page.Status != http.StatusForbidden || !strings.Contains(page.Body, "Not from here") {
			t.Errorf("%s: status %d (%v)", name, page.Status, err)
		}
	}
	page, err := r.browser.Send(t.Context(), startOf("crm"), form, "Origin", publicURL)
	if err != nil || page.Next() == "" {
		t.Errorf("our own form, from a browser that sends no Sec-Fetch-Site: status %d (%v)", page.Status, err)
	}
}

// A form without the cookie of its page, or of a page that showed something else, starts nothing.
func TestFormOfAnotherPage(t *testing.T) {
	r := newRig(t)
	form := r.open(startOf("crm")).Form()
	page, err := r.newBrowser().Send(t.Context(), startOf("crm"), form)
	if err != nil || page.Status != http.StatusForbidden || !strings.Contains(page.Body, "Allow cookies") {
		t.Errorf("without a cookie: status %d (%v)", page.Status, err)
	}
	r.change(func(conn *v1alpha1.MakeConnection) {
		conn.Spec.Scopes = append(conn.Spec.Scopes, "scenarios:write")
		conn.Generation, conn.Status.ObservedGeneration = 2, 2
	})
	page, err = r.browser.Send(t.Context(), startOf("crm"), form)
	if err != nil || page.Status != http.StatusConflict || page.Next() != "" || !strings.Contains(page.Body, "changed while you read") {
		t.Errorf("of an earlier version: status %d (%v)", page.Status, err)
	}
	if len(r.sessionSecrets()) != 0 {
		t.Error("a session was made")
	}
}

// Whatever goes wrong on the way to Make has a page.
func TestCannotLeave(t *testing.T) {
	for name, test := range map[string]struct {
		spoil  func(r *rig)
		status int
		says   string
	}{
		"the client's Secret did not opt in": {func(r *rig) {
			r.changeClient(func(secret *corev1.Secret) { secret.Labels = nil })
		}, http.StatusConflict, "Secret make-app does not exist, or is not labelled"},
		"the zone is not allowed": {func(r *rig) {
			r.change(func(conn *v1alpha1.MakeConnection) { conn.Spec.Zone = "make.example" })
		}, http.StatusConflict, "spec.zone"},
		"the API server is down": {func(r *rig) {
			r.refuse = func(client.Object) error { return errors.New("down") }
		}, http.StatusServiceUnavailable, "start again"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			test.spoil(r)
			authorize, page, err := r.browser.Begin(t.Context(), startOf("crm"))
			if err != nil || authorize != "" || page.Status != test.status || !strings.Contains(page.Body, test.says) {
				t.Errorf("leaves for %q, status %d, want %d and %q (%v):\n%s", authorize, page.Status, test.status, test.says, err, page.Body)
			}
		})
	}
}

// Cookies of one name of this machine do not come back to the other, so all of them lead to the one that is registered at Make.
func TestOtherNameOfThisMachine(t *testing.T) {
	r := newRig(t)
	if page := r.open("http://localhost:9999/connect/sales/crm"); page.Status != http.StatusOK || page.URL.Host != "127.0.0.1:9999" {
		t.Errorf("status %d at %s", page.Status, page.URL.Host)
	}
	for _, host := range []string{"evil.example", "localhost.evil.example:9999", "localhost:1"} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/connect/sales/crm", http.NoBody)
		request.Host = host
		recorder := httptest.NewRecorder()
		r.http.ServeHTTP(recorder, request)
		if recorder.Code != http.StatusOK {
			t.Errorf("%s: status %d, Location %q", host, recorder.Code, recorder.Header().Get("Location"))
		}
	}
}

// Nothing that comes in decides where a browser is sent, but our own address and Make's.
func TestNoOpenRedirect(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{
		"//evil.example/connect/sales/crm", "/connect/sales/crm?next=https://evil.example", "/connect//evil.example/x",
		"/oauth/callback?redirect_uri=https://evil.example&state=" + uid + ".x&code=c", "/result/%2f%2fevil.example/x", "/connect/..//evil.example",
	} {
		recorder := httptest.NewRecorder()
		r.http.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
		for _, name := range []string{"Location", "Refresh"} {
			target := recorder.Header().Get(name)
			if strings.Contains(target, "//evil") || strings.HasPrefix(target, "https://evil") || strings.HasPrefix(target, `/\`) {
				t.Errorf("%s: %s %q", path, name, target)
			}
		}
	}
	if target := r.begin("crm"); !strings.HasPrefix(target, r.sim.URL+"/oauth/v2/authorize?") {
		t.Errorf("leaves for %s", target)
	}
}

// Over https the cookie cannot be set by any other host, nor read by a script.
func TestCookie(t *testing.T) {
	for public, want := range map[string]string{
		publicURL:                  "make-consent-" + uid + "=*; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax",
		"https://ops.example/make": "__Host-make-consent-" + uid + "=*; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax",
	} {
		r := newRig(t)
		r.server.PublicURL = public
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/connect/sales/crm", http.NoBody)
		recorder := httptest.NewRecorder()
		r.server.Handler().ServeHTTP(recorder, request)
		cookies := recorder.Result().Cookies()
		if len(cookies) != 1 || len(cookies[0].Value) < 26 {
			t.Fatalf("%s: cookies %v", public, cookies)
		}
		if got := strings.ReplaceAll(cookies[0].Raw, cookies[0].Value, "*"); got != want {
			t.Errorf("%s: %s, want %s", public, got, want)
		}
	}
}

// A PublicURL with a path works behind a proxy that removes the path, and behind one that does not.
func TestBelowAPath(t *testing.T) {
	r := newRig(t)
	r.server.PublicURL = "https://ops.example/make"
	pages := r.server.Handler()
	for _, path := range []string{"/connect/sales/crm", "/make/connect/sales/crm"} {
		recorder := httptest.NewRecorder()
		pages.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
		if recorder.Code != http.StatusOK || !strings.Contains(recorder.Body.String(), `href="/make/style.css"`) {
			t.Errorf("%s: status %d", path, recorder.Code)
		}
	}
}

// A flood of requests does not reach the API server, and the stylesheet is no part of it.
func TestFlood(t *testing.T) {
	r := newRig(t)
	page := r.open(startOf("crm"))
	for range 100 {
		page = r.open(startOf("crm"))
	}
	if page.Status != http.StatusTooManyRequests || page.Header.Get("Retry-After") == "" {
		t.Errorf("status %d", page.Status)
	}
	if css := r.open(publicURL + "/style.css"); css.Status != http.StatusOK {
		t.Errorf("the stylesheet: status %d", css.Status)
	}
	r.clock.SetTime(start.Add(consent.SweepEvery))
	if page = r.open(startOf("crm")); page.Status != http.StatusOK {
		t.Errorf("a minute later: status %d", page.Status)
	}
	if _, err := r.sim.Approve(t.Context(), r.begin("crm"), makesim.UserID); err != nil {
		t.Error(err)
	}
}
