package access_test

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/mcp/access"
)

// engineers are a rule by claims, and one that adds a scope for those with a role in a nested claim.
func engineers() []access.Rule {
	return []access.Rule{
		{Issuer: issuer, Claims: []access.Claim{{Name: "groups", Values: []string{"engineers", "admins"}}, {Name: "email_verified", Values: []string{"true"}}}, Scopes: []string{"scenarios:read"}},
		{Issuer: issuer, Claims: []access.Claim{{Name: "/realm_access/roles", Values: []string{"runner"}}}, Scopes: []string{"scenarios:run"}},
		{Issuer: issuer, Scopes: []string{"teams:read"}}, // for nobody
	}
}

func TestRulesByClaims(t *testing.T) {
	key := rsaKey(t)
	verifier := access.NewVerifier([]access.Issuer{{Name: issuer, Audiences: []string{audience}, Keys: keys{public(key.Public(), "k")}}},
		engineers(), clocktesting.NewFakePassiveClock(now))
	roles := func(v any) map[string]any { return map[string]any{"realm_access": map[string]any{"roles": v}} }
	tests := []struct {
		name    string
		payload string
		want    []string
	}{
		{"nothing", payload(t, nil), nil},
		{"both claims", payload(t, map[string]any{"groups": []string{"x", "engineers"}, "email_verified": true}), []string{"scenarios:read"}},
		{"text instead of a list", payload(t, map[string]any{"groups": "admins", "email_verified": "true"}), []string{"scenarios:read"}},
		{"one of two claims", payload(t, map[string]any{"groups": []string{"engineers"}}), nil},
		{"wrong value", payload(t, map[string]any{"groups": []string{"engineers"}, "email_verified": false}), nil},
		{"part of a value", payload(t, map[string]any{"groups": []string{"engineers2", "admin"}, "email_verified": true}), nil},
		{"list with a number", payload(t, map[string]any{"groups": []any{"engineers", 1}, "email_verified": true}), nil},
		{"object", payload(t, map[string]any{"groups": map[string]any{"engineers": true}, "email_verified": true}), nil},
		{"nested", payload(t, roles([]string{"runner"})), []string{"scenarios:run"}},
		{"nested, wrong value", payload(t, roles([]string{"walker"})), nil},
		{"nested in something else", payload(t, map[string]any{"realm_access": []string{"runner"}}), nil},
		{"nested twice", strings.Replace(payload(t, roles([]string{"runner"})), `"roles":`, `"roles":["walker"],"roles":`, 1), nil},
		{"nested in another case too", strings.Replace(payload(t, roles([]string{"runner"})), `"roles":`, `"Roles":["walker"],"roles":`, 1), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := verifier.Verify(t.Context(), sign(t, jose.RS256, key, "k", tt.payload, nil))
			if err != nil {
				t.Fatal(err)
			}
			got := access.GrantsFor(p, engineers(), []string{"scenarios:read", "scenarios:run", "teams:read"}).Scopes()
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("scopes (-want +got):\n%s", diff)
			}
		})
	}
	for name, bad := range map[string]string{
		"claim twice":           strings.TrimSuffix(payload(t, map[string]any{"groups": "x"}), "}") + `,"groups":"engineers"}`,
		"claim in another case": payload(t, map[string]any{"Groups": "engineers"}),
	} {
		_, err := verifier.Verify(t.Context(), sign(t, jose.RS256, key, "k", bad, nil))
		t.Run(name, func(t *testing.T) { checkReason(t, err, access.ReasonClaims) })
	}
}

func TestScopeClaim(t *testing.T) {
	key := rsaKey(t)
	rules := []access.Rule{{Issuer: issuer, Subjects: []string{subject}, Scopes: []string{"scenarios:read", "scenarios:run"}}}
	for claim, tests := range map[string][]struct {
		name string
		in   map[string]any
		want []string
	}{
		"scope": {
			{"no claim gives nothing", nil, nil},
			{"text", map[string]any{"scope": "openid scenarios:read"}, []string{"scenarios:read"}},
			{"list", map[string]any{"scope": []string{"scenarios:run", "scenarios:read"}}, []string{"scenarios:read", "scenarios:run"}},
			{"no more than the rules", map[string]any{"scope": "scenarios:write teams:read"}, nil},
			{"no wildcard", map[string]any{"scope": "scenarios:* *"}, nil},
			{"empty", map[string]any{"scope": ""}, nil},
			{"number", map[string]any{"scope": 1}, nil},
			{"object", map[string]any{"scope": map[string]any{"scenarios:read": true}}, nil},
		},
		"/auth/scp": {
			{"nested", map[string]any{"auth": map[string]any{"scp": []string{"scenarios:run"}}}, []string{"scenarios:run"}},
			{"elsewhere", map[string]any{"scp": []string{"scenarios:run"}}, nil},
		},
		"": {{"none configured", map[string]any{"scope": "teams:read"}, []string{"scenarios:read", "scenarios:run"}}},
	} {
		verifier := access.NewVerifier([]access.Issuer{{
			Name: issuer, Audiences: []string{audience}, ScopeClaim: claim, Keys: keys{public(key.Public(), "k")},
		}}, rules, clocktesting.NewFakePassiveClock(now))
		for _, tt := range tests {
			t.Run(claim+" "+tt.name, func(t *testing.T) {
				p, err := verifier.Verify(t.Context(), sign(t, jose.RS256, key, "k", payload(t, tt.in), nil))
				if err != nil {
					t.Fatal(err)
				}
				got := access.GrantsFor(p, rules, []string{"scenarios:read", "scenarios:run"})
				if diff := cmp.Diff(tt.want, got.Scopes()); diff != "" || len(got) != 1 {
					t.Errorf("scopes (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestAlgorithmsOfAnIssuer(t *testing.T) {
	key := rsaKey(t)
	verifier := access.NewVerifier([]access.Issuer{{
		Name: issuer, Audiences: []string{audience}, Algorithms: []string{"RS512"}, Keys: keys{public(key.Public(), "k")},
	}}, nil, clocktesting.NewFakePassiveClock(now))
	_, err := verifier.Verify(t.Context(), sign(t, jose.RS512, key, "k", payload(t, nil), nil))
	checkReason(t, err, "")
	_, err = verifier.Verify(t.Context(), sign(t, jose.RS256, key, "k", payload(t, nil), nil))
	checkReason(t, err, access.ReasonMalformed)
}

// apiServer answers token reviews.
type apiServer struct {
	*httptest.Server
	asked  atomic.Int32
	answer atomic.Pointer[string] // nil: an error
}

func newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	s := &apiServer{}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path != "/apis/authentication.k8s.io/v1/tokenreviews" || r.Header.Get("Authorization") != "Bearer own" ||
			!strings.Contains(string(body), `"audiences":["`+audience+`"]`) {
			t.Errorf("asked %s with %s", r.URL, body)
		}
		answer := s.answer.Load()
		if answer == nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, *answer)
	}))
	t.Cleanup(s.Close)
	return s
}

func reviewed(authenticated bool, username string, audiences ...string) *string {
	raw, _ := json.Marshal(map[string]any{"status": map[string]any{
		"authenticated": authenticated, "user": map[string]any{"username": username}, "audiences": audiences,
	}})
	return new(string(raw))
}

func TestTokenReview(t *testing.T) {
	server := newAPIServer(t)
	own := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(own, []byte("own\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key, clock := rsaKey(t), clocktesting.NewFakePassiveClock(now)
	verifier := access.NewVerifier([]access.Issuer{{
		Name: issuer, Audiences: []string{audience}, Reviewer: access.NewTokenReview(server.URL, own, server.Client().Transport, clock),
	}}, nil, clock)
	good := sign(t, jose.RS256, key, "k", payload(t, nil), nil)

	if _, err := verifier.Verify(t.Context(), good); !errors.Is(err, access.ErrUnavailable) {
		t.Errorf("the API server fails: error %v", err)
	}
	for name, answer := range map[string]*string{
		"not authenticated": reviewed(false, subject, audience),
		"another audience":  reviewed(true, subject, "https://kubernetes.default.svc"),
		"no audience":       reviewed(true, subject),
		"no user":           reviewed(true, "", audience),
		"another user":      reviewed(true, "system:serviceaccount:sales:other", audience),
	} {
		server.answer.Store(answer)
		_, err := verifier.Verify(t.Context(), sign(t, jose.RS256, key, "k", payload(t, map[string]any{"jti": name}), nil))
		t.Run(name, func(t *testing.T) { checkReason(t, err, access.ReasonReview) })
	}
	server.answer.Store(new("no JSON"))
	if _, err := verifier.Verify(t.Context(), good); !errors.Is(err, access.ErrUnavailable) {
		t.Errorf("an answer that cannot be read: error %v", err)
	}

	server.answer.Store(reviewed(true, subject, audience))
	before := server.asked.Load()
	_, err := verifier.Verify(t.Context(), sign(t, jose.RS256, key, "k", payload(t, map[string]any{"exp": now.Add(-time.Hour).Unix()}), nil))
	checkReason(t, err, access.ReasonTime)
	if _, err := verifier.VerifyOffline(t.Context(), good); !errors.Is(err, access.ErrReviewNeeded) {
		t.Errorf("offline: error %v", err)
	}
	if server.asked.Load() != before {
		t.Error("the API server was asked in vain")
	}
	for range 3 {
		if p, err := verifier.Verify(t.Context(), good); err != nil || p.Subject != subject {
			t.Fatalf("principal %+v, error %v", p, err)
		}
	}
	if asked := server.asked.Load() - before; asked != 1 {
		t.Errorf("asked %d times within ten seconds", asked)
	}
	clock.SetTime(now.Add(10 * time.Second))
	server.answer.Store(reviewed(false, ""))
	_, err = verifier.Verify(t.Context(), good)
	checkReason(t, err, access.ReasonReview)
}

func TestDiscovery(t *testing.T) {
	key := rsaKey(t)
	set := keySet(t, public(key.Public(), "k"))
	var document, place atomic.Pointer[string]
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/keys":
			_, _ = w.Write(set)
		case r.URL.Path == *place.Load():
			_, _ = io.WriteString(w, *document.Load())
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	here := server.URL + "/realms/sales"
	https := func(u *url.URL) bool { return u.Scheme == "https" }
	metadata := func(issuer, keys string) *string {
		return new(`{"issuer":"` + issuer + `","jwks_uri":"` + keys + `"}`)
	}
	openID, oauth := "/realms/sales/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/realms/sales"
	for _, tt := range []struct {
		name, place string
		document    *string
		want        bool
	}{
		{"OpenID Connect", openID, metadata(here, server.URL+"/keys"), true},
		{"OAuth", oauth, metadata(here, server.URL+"/keys"), true},
		{"elsewhere", "/realms/sales", metadata(here, server.URL+"/keys"), false},
		{"another issuer", openID, metadata(server.URL, server.URL+"/keys"), false},
		{"issuer with a slash more", openID, metadata(here+"/", server.URL+"/keys"), false},
		{"plain http", openID, metadata(here, "http://127.0.0.1/keys"), false},
		{"no address", openID, metadata(here, ""), false},
		{"no JSON", openID, new("keys"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			place.Store(&tt.place)
			document.Store(tt.document)
			source := access.NewDiscovery(here, https, server.Client().Transport, clocktesting.NewFakePassiveClock(now), slog.New(slog.DiscardHandler))
			if got := has(t, source, "k"); got != tt.want || source.Loaded() != tt.want {
				t.Errorf("key found: %v", got)
			}
		})
	}
}
