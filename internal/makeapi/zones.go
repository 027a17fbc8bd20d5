package makeapi

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// cloudSuffixes are the domains of Make's cloud and enterprise zones; a zone is one label below.
// Source: the servers list of Make's OpenAPI document.
var cloudSuffixes = []string{".make.com", ".make.celonis.com"}

// cloudAuthorizationServer serves OAuth for the cloud zones.
// Source: developers.make.com/api-documentation/authentication/oauth-2.0; no other one is documented.
const cloudAuthorizationServer = "www.make.com"

var hostName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// zones is the closed set of hosts that may be spoken to.
type zones struct {
	extra map[string]bool // canonical
}

func newZones(extra []string) (*zones, error) {
	z := &zones{extra: make(map[string]bool, len(extra))}
	for _, s := range extra {
		host, err := canonicalZone(s)
		if err != nil {
			return nil, fmt.Errorf("allow zone %q: %w", s, err)
		}
		z.extra[host] = true
	}
	return z, nil
}

// allowed is the canonical form of zone, and whether it may be spoken to.
func (z *zones) allowed(zone string) (string, bool) {
	host, err := canonicalZone(zone)
	if err != nil || !(z.extra[host] || isCloud(host)) {
		return "", false
	}
	return host, true
}

// authorizationServer is the host that serves OAuth for a canonical, allowed zone.
func (z *zones) authorizationServer(zone string) string {
	if isCloud(zone) {
		return cloudAuthorizationServer
	}
	return zone
}

func isCloud(host string) bool {
	for _, suffix := range cloudSuffixes {
		if label, ok := strings.CutSuffix(host, suffix); ok {
			return label != "" && !strings.Contains(label, ".")
		}
	}
	return false
}

// canonicalZone checks that s is a bare host with an optional port and nothing
// else (no scheme, user, path or trailing dot) and returns it in lower case,
// without the port where that is 443.
func canonicalZone(s string) (string, error) {
	host, port, err := splitPort(strings.ToLower(s))
	if err != nil {
		return "", err
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		ip, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !ip.Is6() || ip.Zone() != "" {
			return "", errors.New("not an IPv6 address between brackets")
		}
		return "[" + ip.String() + "]" + port, nil
	}
	if len(host) > 253 || !hostName.MatchString(host) {
		return "", errors.New("not a host with an optional port")
	}
	return host + port, nil
}

// splitPort returns the port with its colon, or "" where there is none or it is 443.
func splitPort(s string) (host, port string, err error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") {
		return s, "", nil
	}
	n, err := strconv.ParseUint(s[i+1:], 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != s[i+1:] {
		return "", "", errors.New("port is not a number from 1 to 65535")
	}
	if n == 443 {
		return s[:i], "", nil
	}
	return s[:i], s[i:], nil
}
