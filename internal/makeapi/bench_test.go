package makeapi_test

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/makeops/make-operator/internal/makeapi"
)

// BenchmarkCall is one small call over TLS: by a bare http.Client, by the client, and by both in turn, which gives what
// the client costs as a ratio whatever else the machine is doing.
func BenchmarkCall(b *testing.B) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusOK, authorized)
	}))
	defer server.Close()
	zone := strings.TrimPrefix(server.URL, "https://")
	client, err := makeapi.New(makeapi.Config{ExtraZones: []string{zone}, RootCAs: pool(server.Certificate())})
	if err != nil {
		b.Fatal(err)
	}
	z := client.Zone(zone, makeapi.APIToken(apiToken)).For(42, makeapi.Interactive)
	withClient := func() error { _, err := z.CurrentAuthorization(b.Context()); return err }
	bare := bareCall(b, server)

	for name, call := range map[string]func() error{"bare": bare, "client": withClient} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := call(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("ratio", func(b *testing.B) {
		var spent [2]time.Duration
		for b.Loop() {
			for i, call := range []func() error{bare, withClient} {
				start := time.Now()
				if err := call(); err != nil {
					b.Fatal(err)
				}
				spent[i] += time.Since(start)
			}
		}
		b.ReportMetric(float64(spent[1])/float64(spent[0]), "client/bare")
	})
}

// bareCall asks the same question with nothing but net/http, over HTTP/1.1 like the client.
func bareCall(b *testing.B, server *httptest.Server) func() error {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool(server.Certificate()), MinVersion: tls.VersionTLS12}}
	b.Cleanup(transport.CloseIdleConnections)
	bare := &http.Client{Transport: transport, Timeout: time.Minute}
	return func() error {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, server.URL+"/api/v2/users/me/current-authorization", nil)
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Token "+apiToken)
		response, err := bare.Do(r)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		var answer struct {
			Authorization makeapi.Authorization `json:"authorization"`
		}
		return json.NewDecoder(response.Body).Decode(&answer)
	}
}
