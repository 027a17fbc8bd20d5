package makeapi

import (
	"crypto/x509"
	"fmt"
	"net/http"

	"k8s.io/utils/clock"
)

// Config is what a Client needs to know. The zero value speaks to Make's cloud
// with the system's roots.
type Config struct {
	// ExtraZones are zones (host or host:port) allowed beyond *.make.com and
	// *.make.celonis.com: private instances and simulators. Only these may
	// resolve to loopback, private and other non-public addresses.
	ExtraZones []string
	// RootCAs verifies servers; nil means the system's pool.
	RootCAs *x509.CertPool
	// UserAgent is sent with every request; "" means "make-operator". Make's edge
	// refuses the default agents of some HTTP libraries, so one is always sent.
	UserAgent string
	// Clock stamps token responses and reads Retry-After dates; nil means the system's.
	Clock clock.PassiveClock
}

// Client holds the connections to Make. It is safe for concurrent use and meant
// to be one per process.
type Client struct {
	zones     *zones
	userAgent string
	clock     clock.PassiveClock
	// api keeps connections alive; grant opens a new one for every request, so
	// that a refresh token is never written to a connection that may be dead.
	api, grant http.RoundTripper
}

// New checks cfg and does no I/O. Environment proxies are not used: the allow-list
// judges the address that is dialled, and a proxy would hide it.
func New(cfg Config) (*Client, error) {
	z, err := newZones(cfg.ExtraZones)
	if err != nil {
		return nil, fmt.Errorf("configure Make client: %w", err)
	}
	c := &Client{zones: z, userAgent: cfg.UserAgent, clock: cfg.Clock}
	if c.userAgent == "" {
		c.userAgent = "make-operator"
	}
	if c.clock == nil {
		c.clock = clock.RealClock{}
	}
	api, grant := newTransport(z, cfg.RootCAs), newTransport(z, cfg.RootCAs)
	grant.DisableKeepAlives = true
	c.api, c.grant = api, grant
	return c, nil
}

// AllowsZone says whether zone is well-formed and inside the allow-list.
func (c *Client) AllowsZone(zone string) bool {
	_, ok := c.zones.allowed(zone)
	return ok
}

// Zone is the API of one zone as seen with one credential. It does no I/O; calls
// on a zone that is not allowed fail as ZoneNotAllowed.
func (c *Client) Zone(zone string, cred Credential) *Zone {
	host, _ := c.zones.allowed(zone)
	return &Zone{client: c, host: host, cred: cred}
}

// Zone makes calls to one zone with one credential. It is cheap, immutable and
// safe for concurrent use. Get one from Client.Zone.
type Zone struct {
	client *Client
	host   string // canonical host or host:port; "" when not allowed
	cred   Credential
}
