package makesim_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	testclock "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/makesim"
)

var soakFor = flag.Duration("soak", 0, "how long TestSoak runs; zero is a bounded number of requests")

const (
	soakClients  = 6
	soakShort    = 150 // requests of each client without -soak
	soakPatience = 250 * time.Millisecond
	soakGrowth   = 16 << 20 // bytes from the middle to the end
)

// soaker is one client that does everything, with whatever comes back.
type soaker struct {
	url    string
	http   *http.Client
	random *rand.Rand
	sent   *atomic.Int64

	apiToken, created, access, refresh string
}

// do sends a request and gives up after a while. The answer is nil if none came, or not all of it.
func (c *soaker) do(ctx context.Context, method, path, authorization, contentType, body string) map[string]any {
	ctx, giveUp := context.WithTimeout(ctx, soakPatience)
	defer giveUp()
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, strings.NewReader(body))
	if err != nil {
		return nil
	}
	r.Header.Set("Authorization", authorization)
	r.Header.Set("Content-Type", contentType)
	c.sent.Add(1)
	response, err := c.http.Do(r)
	if err != nil {
		return nil
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return nil
	}
	answer := map[string]any{"location": response.Header.Get("Location")}
	_ = json.Unmarshal(data, &answer) // an answer of a fault may be text
	return answer
}

func (c *soaker) json(ctx context.Context, method, path, authorization, body string) map[string]any {
	return c.do(ctx, method, path, authorization, "application/json", body)
}

func (c *soaker) form(ctx context.Context, path string, form url.Values) map[string]any {
	return c.do(ctx, http.MethodPost, path, "", "application/x-www-form-urlencoded", form.Encode())
}

// step does one thing at random.
func (c *soaker) step(ctx context.Context) {
	secret := url.Values{"client_id": {makesim.OAuthClientID}, "client_secret": {makesim.OAuthClientSecret}}
	keep := func(answer map[string]any) {
		if access, ok := answer["access_token"].(string); ok {
			c.access = access
			c.refresh, _ = answer["refresh_token"].(string)
		}
	}
	switch c.random.IntN(12) {
	case 0:
		minted, _ := c.json(ctx, "POST", "/api/v2/users/me/api-tokens", root, mintBody)["apiToken"].(map[string]any)
		c.apiToken, _ = minted["token"].(string)
		c.created, _ = minted["created"].(string)
	case 1:
		c.json(ctx, "DELETE", "/api/v2/users/me/api-tokens/"+c.created, root, "")
	case 2:
		back, _ := c.form(ctx, "/oauth/v2/authorize", consentForm(makesim.OAuthClientID, "user:read"))["location"].(string)
		if _, query, ok := strings.Cut(back, "?"); ok {
			values, _ := url.ParseQuery(query)
			keep(c.form(ctx, "/oauth/v2/token", exchangeForm(makesim.OAuthClientID, values.Get("code"))))
		}
	case 3, 4, 5:
		secret.Set("grant_type", "refresh_token")
		secret.Set("refresh_token", c.refresh)
		keep(c.form(ctx, "/oauth/v2/token", secret))
	case 6:
		secret.Set("token", c.refresh)
		c.form(ctx, "/oauth/v2/revoke", secret)
	case 7:
		c.json(ctx, "POST", leadRun, root, leadData)
	case 8:
		c.json(ctx, "GET", currentAuthorization, "Bearer "+c.access, "")
	case 9:
		c.json(ctx, "GET", "/api/v2/users/me/oauth-connections", root, "")
	case 10:
		c.json(ctx, "GET", "/api/v2/scenarios?teamId=7", "Token "+c.apiToken, "")
	case 11:
		c.json(ctx, "GET", "/wh/nobody", "", "")
	}
}

// shake sets all knobs at random, now and then for one credential too, and moves the clock.
func shake(s *makesim.TLSServer, random *rand.Rand, credential string) error {
	some := func(n int) bool { return random.IntN(n) == 0 }
	k := makesim.DefaultKnobs()
	k.RefreshClass = makesim.RefreshClass("ABCDEF"[random.IntN(6)])
	k.RefreshGraceSeconds, k.LostRotations = random.IntN(60), random.IntN(2)
	k.AccessTokenSeconds, k.RefreshTokenSeconds = 1+random.IntN(600), 1+random.IntN(6000)
	k.CodeSeconds, k.APITokenSeconds = 1+random.IntN(600), random.IntN(2)*3600
	k.PublicClientRefresh, k.RevocationKeepsAccess, k.IdentityClaims = some(2), some(2), some(2)
	k.MintMissingScopes, k.RunNeedsReadWrite, k.RateLimitJSON, k.RateLimitRetryAfter = some(2), some(2), some(2), some(2)
	k.MissingScopeStatus = []int{401, 403}[random.IntN(2)]
	k.LatencyDistribution = []makesim.LatencyDistribution{makesim.LatencyFixed, makesim.LatencyUniform, makesim.LatencyExponential}[random.IntN(3)]
	k.LatencyMilliseconds, k.Seed = random.IntN(3), random.Uint64()
	if some(8) {
		k.RevokedClients = []string{makesim.OAuthClientID}
	}
	if some(8) {
		k.Down = []makesim.Part{makesim.PartZone, makesim.PartAuthorization, makesim.PartHooks}[:1+random.IntN(3)]
	}
	if some(4) {
		k.TLSFault, k.TLSFaultCount = []makesim.TLSFault{
			makesim.TLSClosed, makesim.TLSWrongCert, makesim.TLSWrongName, makesim.TLSExpiredCert, makesim.TLSOldVersion,
		}[random.IntN(5)], 1+random.IntN(3)
	}
	for _, kind := range makesim.FaultKinds() {
		f := makesim.Fault{Kind: kind, Percent: 1 + random.IntN(10), Count: 1 + random.IntN(20)}
		switch kind {
		case makesim.FaultStatus, makesim.FaultStatusAfter:
			f.Status, f.JSON, f.RetryAfterSeconds = []int{429, 500, 502, 503, 504}[random.IntN(5)], some(2), random.IntN(3)
		case makesim.FaultDelay, makesim.FaultSlowBody:
			f.DelayMilliseconds = 1 + random.IntN(5)
		case makesim.FaultHang:
			f.Count = 1
		}
		k.Faults = append(k.Faults, f)
	}
	s.Advance(time.Duration(random.IntN(120)) * time.Second)
	if some(3) && credential != "" {
		// A token that was forgotten has no knobs of its own any more.
		_ = s.SetKnobsFor(makesim.Fingerprint(credential), []byte(`{"latencyMilliseconds":1,"refreshClass":"B"}`))
	}
	return s.SetKnobs(k)
}

// TestSoak sends requests of all kinds while all knobs change at random, and finds nothing wrong, nothing left
// running and no memory kept. It is short; make soak makes it long.
func TestSoak(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	dir := t.TempDir()
	ledger := openLedger(t, filepath.Join(dir, "ledger"))
	o := makesim.Options{
		Ledger: ledger, LedgerLimit: 1000, StateFile: filepath.Join(dir, "state"), Clock: testclock.NewFakePassiveClock(noon),
	}
	server, err := makesim.NewTLSServer(o)
	if err != nil {
		t.Fatal(err)
	}
	var sent atomic.Int64
	middle := soak(t, server, &sent)
	if err := server.SetKnobs(makesim.DefaultKnobs()); err != nil {
		t.Fatal(err)
	}
	end := heap()
	server.Close()
	t.Logf("%d requests, heap %d KiB in the middle, %d KiB at the end", sent.Load(), middle>>10, end>>10)
	if end > middle+soakGrowth {
		t.Errorf("memory grew by %d KiB", (end-middle)>>10)
	}
	noGoroutinesSince(t, goroutines)
	checkSoakLedger(t, server.Ledger(), sent.Load())

	again, err := makesim.NewTLSServer(makesim.Options{StateFile: o.StateFile, Clock: o.Clock})
	if err != nil {
		t.Fatalf("restart: %v", err)
	}
	defer again.Close()
	if !again.TokenAlive(makesim.RootToken) || again.Now().Before(server.Now().Add(-time.Hour)) {
		t.Error("restart: another state")
	}
}

// soak returns how much memory was in use after half of the time.
func soak(t *testing.T, server *makesim.TLSServer, sent *atomic.Int64) (middle uint64) {
	t.Helper()
	ctx := t.Context()
	if *soakFor > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *soakFor)
		defer cancel()
	}
	began := time.Now()
	var measured sync.Once
	var all sync.WaitGroup
	for i := range soakClients {
		all.Go(func() {
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: server.CAPool(), MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: i%2 == 0}
			defer transport.CloseIdleConnections()
			c := &soaker{url: server.URL, sent: sent, random: rand.New(rand.NewPCG(1, uint64(i))), http: &http.Client{
				Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			}}
			for n := 0; ctx.Err() == nil && (*soakFor > 0 || n < soakShort); n++ {
				if n%25 == 0 {
					if err := shake(server, c.random, c.refresh); err != nil {
						t.Error(err)
					}
				}
				c.step(ctx)
				if n == soakShort/2 && *soakFor == 0 || *soakFor > 0 && time.Since(began) > *soakFor/2 {
					measured.Do(func() { middle = heap() })
				}
			}
		})
	}
	all.Wait()
	return middle
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// noGoroutinesSince waits until all that were started since are gone.
func noGoroutinesSince(t *testing.T, before int) {
	t.Helper()
	for range 10_000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.GC() // lets others run, and finalizers
	}
	stacks := make([]byte, 1<<20)
	t.Errorf("%d goroutines are left:\n%s", runtime.NumGoroutine()-before, stacks[:runtime.Stack(stacks, true)])
}

// checkSoakLedger finds every request that arrived, once and in order, and no error that no fault explains.
func checkSoakLedger(t *testing.T, entries []makesim.Entry, sent int64) {
	t.Helper()
	ended := map[int64]bool{}
	for i, e := range entries {
		if e.Seq != int64(i)+1 {
			t.Fatalf("entry %d has number %d", i+1, e.Seq)
		}
		if e.Request == nil {
			continue
		}
		if ended[e.Number] {
			t.Errorf("request %d ended twice", e.Number)
		}
		ended[e.Number] = true
		if e.Request.Status >= 500 && e.Request.Fault == "" {
			t.Errorf("request %d: %+v", e.Number, e.Request)
		}
	}
	// Go's transport repeats some requests by itself, and not all arrive.
	if n := int64(len(ended)); n < sent/2 || n > 2*sent {
		t.Errorf("%d requests in the ledger, %d were sent", n, sent)
	}
	if len(entries) <= len(ended) {
		t.Error("nothing happened to tokens")
	}
}
