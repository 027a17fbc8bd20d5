package makesim

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
)

// TLSServer is a Server that listens on loopback with a certificate authority of its own, for tests.
type TLSServer struct {
	*Server

	// URL is "https://" and Zone.
	URL string
	// Zone is host and port, what spec.zone of a connection takes.
	Zone string

	authority *Authority
	listener  *httptest.Server
}

// NewTLSServer starts a Server on a free port of 127.0.0.1. Close stops it.
func NewTLSServer(o Options) (*TLSServer, error) {
	s, err := New(o)
	if err != nil {
		return nil, err
	}
	authority, err := NewAuthority()
	if err != nil {
		return nil, err
	}
	pair, err := authority.Issue()
	if err != nil {
		return nil, err
	}
	listener := httptest.NewUnstartedServer(s)
	listener.EnableHTTP2 = true
	listener.TLS = s.TLSConfig(authority, pair)
	listener.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0) // TLS faults are no news
	listener.StartTLS()
	return &TLSServer{
		Server: s, URL: listener.URL, Zone: strings.TrimPrefix(listener.URL, "https://"),
		authority: authority, listener: listener,
	}, nil
}

// CAPool trusts this server's authority only.
func (t *TLSServer) CAPool() *x509.CertPool { return t.authority.Pool() }

// CAPEM is the authority's certificate, as in the file ca.pem of the makesim command.
func (t *TLSServer) CAPEM() []byte { return t.authority.PEM() }

// Close stops listening and waits for the requests under way and for what goes on in the background.
func (t *TLSServer) Close() {
	t.listener.Close()
	t.Server.Close()
}

// Approve does what a person does in the browser: it opens an authorize URL of this server, picks the user
// and allows the request. It returns where the browser is sent: the redirect URI with code and state, or with
// an error.
func (t *TLSServer) Approve(ctx context.Context, authorizeURL string, userID int64) (*url.URL, error) {
	asked, err := url.Parse(authorizeURL)
	if err != nil {
		return nil, fmt.Errorf("parse authorize URL: %w", err)
	}
	form := asked.Query()
	form.Set("decision", "approve")
	form.Set("user", strconv.FormatInt(userID, 10))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL+authorizePath, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("make consent request: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := t.listener.Client().Transport.RoundTrip(r) // follows no redirect
	if err != nil {
		return nil, fmt.Errorf("submit consent: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // is not read
	if response.StatusCode != http.StatusSeeOther {
		return nil, fmt.Errorf("submit consent: status %d", response.StatusCode)
	}
	return response.Location()
}
