package mcp

import (
	"fmt"
	"net/url"
	"os"

	"github.com/makeops/make-operator/internal/mcp/credential"
)

// zone is the zone of BaseURL; empty means the one that comes with the token.
func (u Upstream) zone() string {
	parsed, err := url.Parse(u.BaseURL)
	if err != nil {
		return ""
	}
	return parsed.Host
}

// extraZones are the zones that may be called beyond Make's own. Whoever writes BaseURL allows it.
func (u Upstream) extraZones() []string {
	if zone := u.zone(); zone != "" {
		return append([]string{zone}, u.ExtraZones...)
	}
	return u.ExtraZones
}

// credentials is where the token to Make comes from.
func (u Upstream) credentials() (*credential.Dir, error) {
	zone := u.zone()
	if !u.FromEnvironment {
		return credential.NewDirInZone(u.TokenDir, zone), nil
	}
	if zone == "" {
		zone = os.Getenv("MAKE_ZONE")
	}
	fixed, err := credential.Fixed(zone, os.Getenv("MAKE_API_KEY"))
	if err != nil {
		return nil, fmt.Errorf("read MAKE_API_KEY and MAKE_ZONE: %w", err)
	}
	return fixed, nil
}
