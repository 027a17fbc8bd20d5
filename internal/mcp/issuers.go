package mcp

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/makeops/make-operator/internal/mcp/access"
)

func (s *Server) issuers() ([]access.Issuer, error) {
	var out []access.Issuer
	for _, is := range s.config.Issuers {
		audiences := is.Audiences
		if len(audiences) == 0 {
			audiences = []string{s.config.Resource}
		}
		trusted := access.Issuer{Name: is.Issuer, Audiences: audiences, Algorithms: is.Algorithms, ScopeClaim: is.ScopeClaim}
		if err := s.addKeys(&trusted, is); err != nil {
			return nil, fmt.Errorf("configure issuer %s: %w", is.Issuer, err)
		}
		out = append(out, trusted)
	}
	return out, nil
}

// addKeys says how tokens of an issuer are judged, and remembers what has to be kept fresh for that.
func (s *Server) addKeys(trusted *access.Issuer, is Issuer) error {
	if is.JWKSFile != "" {
		file := access.NewKeyFile(is.JWKSFile)
		s.keyFiles = append(s.keyFiles, file)
		trusted.Keys = file
		return nil
	}
	roots, err := readCertificates(is.CAFile, x509.NewCertPool())
	if err != nil {
		return fmt.Errorf("read caFile: %w", err)
	}
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 5 * time.Second,
		ForceAttemptHTTP2:   true,
		MaxConnsPerHost:     8,
	}
	if is.TokenReviewURL != "" {
		trusted.Reviewer = access.NewTokenReview(is.TokenReviewURL, is.BearerTokenFile, transport, s.options.Clock)
		return nil
	}
	keys := access.NewDiscovery(is.Issuer, is.trusts, transport, s.options.Clock, s.options.Log)
	if is.JWKSURL != "" {
		keys = access.NewKeyURL(is.JWKSURL, is.BearerTokenFile, transport, s.options.Clock, s.options.Log)
	}
	s.keyURLs = append(s.keyURLs, keys)
	trusted.Keys = keys
	return nil
}

// trusts reports whether an address may be asked about tokens: over https, or, if the issuer's entry says so, plainly on this machine.
func (is Issuer) trusts(u *url.URL) bool {
	if u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || (u.Scheme == "http" && is.AllowLoopbackHTTP && loopback(u.Hostname()))
}

// loopback reports whether a host is this machine, without asking anybody.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

func accessRules(rules []Rule) []access.Rule {
	out := make([]access.Rule, 0, len(rules))
	for _, r := range rules {
		rule := access.Rule{Issuer: r.Issuer, Subjects: r.Subjects, Scopes: r.Scopes, Tools: r.Tools, ListOnly: r.ListOnly}
		for _, c := range r.Claims {
			rule.Claims = append(rule.Claims, access.Claim{Name: c.Name, Values: c.Values})
		}
		out = append(out, rule)
	}
	return out
}
