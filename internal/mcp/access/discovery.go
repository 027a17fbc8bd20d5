package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"k8s.io/utils/clock"
)

// NewDiscovery returns a KeyURL that asks the issuer where its keys are, each time before it fetches them. Trusted says which
// addresses the issuer may name.
func NewDiscovery(issuer string, trusted func(*url.URL) bool, transport http.RoundTripper, clk clock.PassiveClock, log *slog.Logger) *KeyURL {
	u := &KeyURL{client: keyClient(transport), clock: clk, log: log}
	u.locate = func(ctx context.Context) (string, error) {
		address, err := u.discover(ctx, issuer)
		if err != nil {
			return "", fmt.Errorf("discover the issuer's keys: %w", err)
		}
		if parsed, err := url.Parse(address); err != nil || !trusted(parsed) {
			return "", errors.New("discover the issuer's keys: jwks_uri must be an https URL")
		}
		return address, nil
	}
	return u
}

// discover reads the issuer's metadata and returns its jwks_uri.
func (u *KeyURL) discover(ctx context.Context, issuer string) (string, error) {
	places, err := metadataPlaces(issuer)
	if err != nil {
		return "", err
	}
	var raw []byte
	for _, place := range places {
		raw, err = u.get(ctx, place, "application/json")
		if status := statusError(0); !errors.As(err, &status) { // found, or not reachable at all
			break
		}
	}
	if err != nil {
		return "", err
	}
	var document struct {
		Issuer  string `json:"issuer"`
		KeysURL string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		return "", errors.New("the metadata is not JSON")
	}
	if document.Issuer != issuer { // RFC 8414 §3.3: else one issuer could answer for another
		return "", errors.New("the metadata is that of another issuer")
	}
	return document.KeysURL, nil
}

// metadataPlaces are where an issuer may publish its metadata. Sources: OpenID Connect Discovery 1.0 §4 (appended), RFC 8414 §3
// (inserted before the path).
func metadataPlaces(issuer string) ([]string, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, fmt.Errorf("parse issuer: %w", err)
	}
	path := strings.TrimSuffix(u.Path, "/")
	origin := u.Scheme + "://" + u.Host
	return []string{
		origin + path + "/.well-known/openid-configuration",
		origin + "/.well-known/oauth-authorization-server" + path,
	}, nil
}
