package makeapi_test

import (
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/makeapi"
)

const (
	apiToken     = "11111111-2222-4333-8444-555555555555"
	accessToken  = "access-value"
	refreshToken = "refresh-value"
	clientSecret = "client-secret-value"
)

// now is what every test's clock shows.
var now = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// serve starts an HTTPS server and a client that is allowed to speak to it.
func serve(t *testing.T, handler http.HandlerFunc) (client *makeapi.Client, zone string) {
	t.Helper()
	server, zone := serveTLS(t, handler)
	return newClient(t, server.Certificate(), zone), zone
}

func serveTLS(t *testing.T, handler http.HandlerFunc) (server *httptest.Server, zone string) {
	t.Helper()
	server = httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	return server, strings.TrimPrefix(server.URL, "https://")
}

func pool(root *x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(root)
	return p
}

func newClient(t *testing.T, root *x509.Certificate, zones ...string) *makeapi.Client {
	t.Helper()
	client, err := makeapi.New(makeapi.Config{
		ExtraZones: zones,
		RootCAs:    pool(root),
		UserAgent:  "make-operator/test",
		Clock:      clocktesting.NewFakePassiveClock(now),
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func confidential() makeapi.OAuthClient {
	return makeapi.OAuthClient{ID: "client-1", Secret: clientSecret, RedirectURL: "https://operator.example/callback"}
}

// answerJSON writes a JSON answer.
func answerJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// quiet is a logger for servers whose errors are part of a test.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
