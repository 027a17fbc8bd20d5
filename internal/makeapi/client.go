package makeapi

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

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
	// Clock stamps token responses, reads Retry-After dates and counts budgets; nil means the system's.
	Clock clock.PassiveClock
	// Patience is how long one call may pause in all: for its organization's budget, and before it is made again. Zero
	// means that no call pauses or is repeated, which serves a caller that has a queue: it gets RateLimited or Transient,
	// with a delay, and comes back.
	Patience time.Duration
	// Pause waits for d, or returns an error when ctx is done; nil means in real time.
	Pause func(ctx context.Context, d time.Duration) error
}

// Client holds the connections to Make, and what all calls of the process share: the
// organizations' budgets and the zones' health. It is safe for concurrent use and
// meant to be one per process.
type Client struct {
	zones     *zones
	userAgent string
	clock     clock.PassiveClock
	patience  time.Duration
	pause     func(context.Context, time.Duration) error

	mu      sync.Mutex
	states  map[string]*zoneState // by host
	budgets map[tenant]*budget

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
	c := &Client{
		zones: z, userAgent: cfg.UserAgent, clock: cfg.Clock, patience: cfg.Patience, pause: cfg.Pause,
		states: map[string]*zoneState{}, budgets: map[tenant]*budget{},
	}
	if c.userAgent == "" {
		c.userAgent = "make-operator"
	}
	if c.clock == nil {
		c.clock = clock.RealClock{}
	}
	if c.pause == nil {
		c.pause = sleep
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
// on a zone that is not allowed fail as ZoneNotAllowed. Say with Zone.For which
// organization the calls count against.
func (c *Client) Zone(zone string, cred Credential) *Zone {
	host, ok := c.zones.allowed(zone)
	if !ok {
		return &Zone{client: c, cred: cred}
	}
	return &Zone{client: c, host: host, cred: cred, state: c.state(host)}
}

// Zone makes calls to one zone with one credential. It is cheap, immutable and
// safe for concurrent use. Get one from Client.Zone.
type Zone struct {
	client *Client
	host   string // canonical host or host:port; "" when not allowed
	cred   Credential
	state  *zoneState // nil when not allowed

	organizationID int64 // zero when not told
	priority       Priority
	budget         *budget // nil when no organization was told

	calls *atomic.Int64 // nil when nobody counts
}

// Counted is z with each request that it sends added to n.
func (z *Zone) Counted(n *atomic.Int64) *Zone {
	of := *z
	of.calls = n
	return &of
}

// For is z with its calls counted against an organization's budget, which all
// calls of the process share. Zero means an organization that is not known: its
// calls are not held back.
func (z *Zone) For(organizationID int64, p Priority) *Zone {
	of := *z
	of.organizationID, of.priority, of.budget = organizationID, p, nil
	if organizationID != 0 && z.host != "" {
		of.budget = z.client.budget(tenant{z.host, organizationID})
	}
	return &of
}

// tenant names an organization: its ID is unique within the zone only.
type tenant struct {
	host           string
	organizationID int64
}

func (c *Client) budget(t tenant) *budget {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.budgets[t] == nil {
		c.budgets[t] = &budget{}
	}
	return c.budgets[t]
}

func (c *Client) state(host string) *zoneState {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.states[host] == nil {
		c.states[host] = newZoneState(host, c.clock)
	}
	return c.states[host]
}
