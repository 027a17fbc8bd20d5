// Package mcpenv prepares what make-mcp needs to run on one machine: a simulated Make, an issuer of callers' tokens, and the files that the
// config names. Tests and benchmarks that call make-mcp with foreign clients, or run the program itself, start from it.
package mcpenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"
	"sigs.k8s.io/yaml"

	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/mcp"
)

const (
	issuer   = "https://issuer.example"
	resource = "http://127.0.0.1/mcp"
	// Caller is the subject that the rules allow everything that the server's scopes allow.
	Caller = "system:serviceaccount:sales:agent"
)

// plenty is more than a benchmark makes.
var plenty = mcp.Rate{PerHour: 10_000_000, Burst: 10_000_000}

// Env is a folder with the files, and what they are about.
type Env struct {
	// Dir holds config.yaml and what it names.
	Dir string
	// Config is what config.yaml says.
	Config mcp.Config
	// Sim is the Make of the config.
	Sim *makesim.TLSServer

	key *ecdsa.PrivateKey
}

// New writes the files into dir, which exists. The server's token is makesim's root token, with scopes.
func New(dir string, sim *makesim.TLSServer, scopes []string) (*Env, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	e := &Env{Dir: dir, Sim: sim, key: key}
	e.Config = mcp.Config{
		Listen: "127.0.0.1:0", OperationsListen: "127.0.0.1:0",
		Resource: resource, AllowedHosts: []string{"localhost"},
		Issuers: []mcp.Issuer{{Issuer: issuer, JWKSFile: filepath.Join(dir, "jwks.json")}},
		Rules:   []mcp.Rule{{Issuer: issuer, Subjects: []string{Caller}, Scopes: scopes}},
		Upstream: mcp.Upstream{
			TokenDir: filepath.Join(dir, "token"), CAFile: filepath.Join(dir, "ca.pem"), ExtraZones: []string{sim.Zone},
		},
		OrganizationID: makesim.OrganizationID, TeamID: makesim.TeamID, Scopes: scopes,
		Tools: mcp.Tools{Scenarios: true},
		Limits: mcp.Limits{ // such that no test or benchmark meets them
			Standard: plenty, Sensitive: plenty, Admin: plenty, Protocol: plenty, OrganizationPerMinute: plenty.Burst,
		},
	}
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Use: "sig"}}})
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(e.Config.Upstream.TokenDir, 0o700); err != nil {
		return nil, err
	}
	for name, content := range map[string][]byte{
		"jwks.json": keys, "ca.pem": sim.CAPEM(),
		"token/token": []byte(makesim.RootToken), "token/authorization": []byte("Token " + makesim.RootToken), "token/zone": []byte(sim.Zone),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return nil, err
		}
	}
	return e, e.WriteConfig()
}

// ConfigFile is the path of config.yaml.
func (e *Env) ConfigFile() string { return filepath.Join(e.Dir, "config.yaml") }

// WriteConfig writes Config, after a change, to ConfigFile.
func (e *Env) WriteConfig() error {
	raw, err := yaml.Marshal(e.Config)
	if err != nil {
		return err
	}
	return os.WriteFile(e.ConfigFile(), raw, 0o600)
}

// Token is a caller's token that is good for an hour.
func (e *Env) Token(subject string) (string, error) {
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": issuer, "sub": subject, "aud": []string{resource}, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: e.key, KeyID: "k"}}, nil)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// Serve runs the server in this process, on loopback. Who asks closes the listener; its URL lacks the path, which is /mcp.
func (e *Env) Serve(audit io.Writer) (*httptest.Server, error) {
	if err := e.Config.Validate(); err != nil {
		return nil, err
	}
	server, err := mcp.New(e.Config, mcp.Options{Version: "test", Audit: audit, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, fmt.Errorf("start make-mcp: %w", err)
	}
	return httptest.NewServer(server.Handler()), nil
}

// Bearer adds a token to each request.
type Bearer struct {
	// Token is the caller's.
	Token string
	// Next sends the request; nil means http.DefaultTransport.
	Next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (b Bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.Token)
	if b.Next == nil {
		return http.DefaultTransport.RoundTrip(r)
	}
	return b.Next.RoundTrip(r)
}
