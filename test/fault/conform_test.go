package fault

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/makeops/make-operator/internal/makesim"
)

// other is an authorization server in a process of its own, see test/conform. What Make's API says of its tokens, makesim says of an
// API token with the same scopes.
type other struct {
	address string
	proxy   *httputil.ReverseProxy
	sim     *makesim.Server
	stand   string // the API token
}

// startOther starts the server; it ends with the test.
func startOther(t *testing.T, front *makeFront) *other {
	t.Helper()
	if _, err := os.Stat(cluster.Program("conform")); err != nil {
		t.Skip("bin/conform is not built; make test-fault builds it")
	}
	file := filepath.Join(t.TempDir(), "address")
	scopes := strings.Join([]string{string(readScope), string(runScope)}, ",")
	p, err := cluster.Launch("conform", cluster.Program("conform"), "--address-file="+file, "--client-id="+makesim.OAuthClientID,
		"--client-secret="+makesim.OAuthClientSecret, "--redirect-url="+makesim.RedirectURL, "--scopes="+scopes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	var address []byte
	err = await(patience, "the authorization server listens", func() bool {
		address, err = os.ReadFile(file)
		return err == nil && len(address) > 0
	})
	if err != nil {
		t.Fatal(err)
	}
	target := &url.URL{Scheme: "http", Host: string(address)}
	o := &other{address: string(address), sim: front.sim}
	o.proxy = &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target) }, ErrorLog: discard}
	o.stand, err = front.mint(`["scenarios:read","scenarios:run"]`)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *other) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/oauth/") {
		o.proxy.ServeHTTP(w, r)
		return
	}
	if value, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		if alive, _ := o.introspect(r.Context(), value); alive {
			r.Header.Set("Authorization", "Token "+o.stand)
		}
	}
	o.sim.ServeHTTP(w, r)
}

// introspect asks what a token is worth.
func (o *other) introspect(ctx context.Context, value string) (alive bool, scopes []string) {
	form := url.Values{"token": {value}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+o.address+"/introspect", strings.NewReader(form))
	if err != nil {
		return false, nil
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, nil
	}
	defer response.Body.Close()
	var got struct {
		Active bool     `json:"active"`
		Scopes []string `json:"scopes"`
	}
	if json.NewDecoder(response.Body).Decode(&got) != nil {
		return false, nil
	}
	return got.Active, slices.Sorted(slices.Values(got.Scopes))
}

// The sweep of a consent's life, against an authorization server that we did not write.
func TestOtherServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.make.authorization = startOther(t, w.make)
	lessons := map[string]lesson{}
	var cases []trialCase
	for _, s := range chosenScenarios() {
		if !s.oauth {
			continue
		}
		learned, err := w.learn(s, otherServer)
		if err != nil {
			t.Fatalf("learn %s: %v", s.name, err)
		}
		lessons[s.name] = learned
		for n, k := range chosenKinds() {
			for _, p := range pointsFor(learned.points, k, n, newRandom(0)) {
				cases = append(cases, trialCase{s, otherServer, fault{p, k}})
			}
		}
	}
	begun := time.Now()
	results := make([]outcome, len(cases))
	for i, c := range cases {
		results[i] = w.try(c.scenario, c.class, c.fault, lessons[c.scenario.name])
		for _, p := range results[i].problems {
			t.Errorf("%v: %s", c, p)
		}
	}
	t.Logf("against ory/fosite, in %v:\n%s", time.Since(begun).Round(time.Second), summary(cases, results, lessons))
}
