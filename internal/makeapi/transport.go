package makeapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// Deadlines of one request. A responsive run may take longer, see runTimeout.
const (
	dialTimeout   = 5 * time.Second
	tlsTimeout    = 5 * time.Second
	callTimeout   = 30 * time.Second
	headerTimeout = runTimeout
)

// What the dialer refuses: a host outside the allow-list, and an address that only an extra zone may have.
var (
	errNotAllowed = errors.New("host is not allowed")
	errNotPublic  = errors.New("address is not public")
)

// newTransport is HTTP/1.1 only: one request per connection at a time keeps the
// line between "not sent" and "sent" sharp, and the volume is small.
func newTransport(z *zones, roots *x509.CertPool) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            z.dial,
		Protocols:              protocols,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:    tlsTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        30 * time.Second,
	}
}

// dial connects to an allowed zone or its authorization server. Unless the
// operator allowed the very zone, the address is judged after name resolution
// and before the connection is made.
func (z *zones) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, ok := z.allowed(address)
	if !ok {
		return nil, errNotAllowed
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	if !z.extra[host] {
		dialer.ControlContext = refuseNonPublic
	}
	return dialer.DialContext(ctx, network, address)
}

// refuseNonPublic is a dialer's control hook: address is an IP and a port here.
func refuseNonPublic(_ context.Context, _, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil || !isPublic(target.Addr()) {
		return errNotPublic
	}
	return nil
}

// nonPublic are the special-purpose networks that netip.Addr has no predicate for,
// and the one metadata service that sits on a public address.
// Source: the IANA special-purpose address registries.
var nonPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // carrier-grade NAT; also a cloud's metadata service
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's metadata and DNS service
	netip.MustParsePrefix("2001::/23"),        // protocol assignments, Teredo among them
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4
}

// globalIPv6 is all that IANA has given out as global unicast.
var globalIPv6 = netip.MustParsePrefix("2000::/3")

// nat64 carries an IPv4 address in its last four bytes (RFC 6052); clusters
// without IPv4 reach Make's cloud through it.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

func isPublic(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if nat64.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || (ip.Is6() && !globalIPv6.Contains(ip)) {
		return false
	}
	for _, p := range nonPublic {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}
