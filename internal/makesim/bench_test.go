package makesim_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	testclock "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/makesim"
)

const currentAuthorization = "/api/v2/users/me/current-authorization"

// benchSeed gives each client an organization, a user and a token, so that the plan's limit of one does not
// stand in the way: the clock moves a minute whenever a client has spent its budget.
func benchSeed(clients int) (seed makesim.Seed, tokens []string) {
	seed = makesim.DefaultSeed()
	for i := range clients {
		id := int64(5000 + i)
		seed.Organizations = append(seed.Organizations, makesim.Organization{ID: id, Name: fmt.Sprint("Bench ", i), Plan: "enterprise"})
		seed.Users = append(seed.Users, makesim.User{
			ID: id, Name: fmt.Sprint("Client ", i), Organizations: []makesim.OrganizationRole{{ID: id, Role: "Owner"}},
		})
		token := fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
		tokens = append(tokens, token)
		seed.APITokens = append(seed.APITokens, makesim.APIToken{Value: token, UserID: id, Label: "bench", Scopes: []string{"user:read"}})
	}
	return seed, tokens
}

// BenchmarkCurrentAuthorizationHTTPS is what the simulator and a plain client do together over loopback, on
// connections that stay open, with ledger and state in files. It must never be what another benchmark
// measures: at least 5,000 req/s on two cores. On a machine that does other work too, two cores of their own
// would give 2,000,000 / cpu-µs/req.
func BenchmarkCurrentAuthorizationHTTPS(b *testing.B) {
	const clients = 4
	seed, tokens := benchSeed(clients)
	ledger, err := makesim.OpenLedger(filepath.Join(b.TempDir(), "ledger"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = ledger.Close() })
	server, err := makesim.NewTLSServer(makesim.Options{
		Seed: seed, Clock: testclock.NewFakePassiveClock(noon), Ledger: ledger, LedgerLimit: 10_000,
		StateFile: filepath.Join(b.TempDir(), "state"),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(server.Close)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: server.CAPool(), MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: clients,
	}
	b.Cleanup(transport.CloseIdleConnections)
	work := make(chan int)
	failed := make(chan error, clients)
	for _, token := range tokens {
		go func() {
			var err error
			for n := range work {
				if n%1000 == 0 {
					server.Advance(clients * time.Minute)
				}
				if err == nil {
					err = ask(b, transport, server.URL, token)
				}
			}
			failed <- err
		}()
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime(b)
	for n := range b.N {
		work <- n
	}
	close(work)
	for range clients {
		if err := <-failed; err != nil {
			b.Error(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/req")
}

// cpuTime is what this process has used of all cores.
func cpuTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func ask(b *testing.B, transport http.RoundTripper, url, token string) error {
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url+currentAuthorization, http.NoBody)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Token "+token)
	response, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || !strings.Contains(string(body), "user:read")) {
		return fmt.Errorf("status %d: %s", response.StatusCode, body)
	}
	return err
}

// BenchmarkCurrentAuthorization is the simulator alone, without a network: what it adds to any measurement.
func BenchmarkCurrentAuthorization(b *testing.B) {
	s, err := makesim.New(makesim.Options{LedgerLimit: 10_000, Clock: testclock.NewFakePassiveClock(noon)})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, currentAuthorization, http.NoBody)
	r.Header.Set("Authorization", root)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%1000 == 0 {
			s.Advance(time.Minute)
		}
		answer := httptest.NewRecorder()
		s.ServeHTTP(answer, r)
		if answer.Code != http.StatusOK {
			b.Fatal(answer.Body)
		}
	}
}

// BenchmarkMintWithState is a request that waits for the state file, from many clients at once.
func BenchmarkMintWithState(b *testing.B) {
	s, err := makesim.New(makesim.Options{
		LedgerLimit: 10_000, StateFile: filepath.Join(b.TempDir(), "state"), Clock: testclock.NewFakePassiveClock(noon),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(8)
	b.RunParallel(func(next *testing.PB) {
		for next.Next() {
			s.Advance(time.Minute)
			r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/api/v2/users/me/api-tokens", strings.NewReader(mintBody))
			r.Header.Set("Authorization", root)
			r.Header.Set("Content-Type", "application/json")
			answer := httptest.NewRecorder()
			s.ServeHTTP(answer, r)
			if answer.Code != http.StatusOK {
				b.Error(answer.Body)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}
