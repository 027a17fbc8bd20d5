package mcp

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/makeops/make-operator/internal/mcp/access"
	"github.com/makeops/make-operator/internal/mcp/limit"
)

const (
	// redisTimeout is how long a call waits for Redis before this process counts alone.
	redisTimeout = 100 * time.Millisecond
	// redisDialTimeout is how long one waits for a new connection.
	redisDialTimeout = 500 * time.Millisecond
	redisConnections = 16
	// burstPart is the part of an hour's calls that may come at once.
	burstPart = 10
)

// limits counts requests.
type limits struct {
	store        limit.Store
	classes      map[string]limit.Rate
	organization limit.Bucket
	failures     limit.Rate
	// server tells this server's buckets from those of others in the same Redis.
	server string
}

// rates are the configured limits, or the defaults.
func (l Limits) rates() map[string]limit.Rate {
	hourly := func(r Rate, count int) limit.Rate {
		count = cmp.Or(r.PerHour, count)
		return limit.Rate{Count: count, Period: time.Hour, Burst: cmp.Or(r.Burst, max(1, count/burstPart))}
	}
	return map[string]limit.Rate{
		classStandard:  hourly(l.Standard, 1000),
		classSensitive: hourly(l.Sensitive, 100),
		classAdmin:     hourly(l.Admin, 500),
		classProtocol:  hourly(l.Protocol, 6000),
	}
}

// perMinute is a rate whose bucket holds a minute's calls.
func perMinute(count int) limit.Rate {
	return limit.Rate{Count: count, Period: time.Minute, Burst: count}
}

// limits builds the counters. Redis need not be reachable.
func (s *Server) limits() (*limits, error) {
	cfg := s.config.Limits
	l := &limits{
		store:   limit.NewMemory(s.options.Clock),
		classes: cfg.rates(),
		organization: limit.Bucket{
			Key: "organization", Name: "organization", Rate: perMinute(cmp.Or(cfg.OrganizationPerMinute, 1000)),
		},
		failures: perMinute(cmp.Or(cfg.FailedAuthenticationsPerMinute, 10)),
		server:   short(s.config.Resource),
	}
	if cfg.Redis.Address == "" {
		return l, nil
	}
	client, err := cfg.Redis.client()
	if err != nil {
		return nil, fmt.Errorf("configure limits.redis: %w", err)
	}
	s.redis = client
	shared := &limit.Shared{
		// The organization in braces keeps the buckets of one call on one node of a cluster.
		Remote: limit.NewRedis(client, fmt.Sprintf("make-mcp:{%d}:", s.config.OrganizationID)),
		Local:  limit.NewMemory(s.options.Clock), Processes: cfg.Redis.Replicas, Clock: s.options.Clock,
		Changed: func(err error) {
			s.metrics.limitsShared(err == nil)
			if err != nil {
				s.options.Log.Warn("redis does not answer, this replica counts its part of the limits alone", "error", err)
				return
			}
			s.options.Log.Info("redis is back, the replicas share the limits again")
		},
	}
	s.metrics.limitsShared(true)
	s.shared, l.store = shared, shared
	return l, nil
}

// quiet keeps the client's own log, which is no JSON, out of ours: what fails is logged here.
type quiet struct{}

// Printf implements the client's logger.
func (quiet) Printf(context.Context, string, ...any) {}

var quietRedis = sync.OnceFunc(func() { redis.SetLogger(quiet{}) }) // one for the process, says the client

// client connects when it is first used.
func (r Redis) client() (*redis.Client, error) {
	quietRedis()
	options := &redis.Options{
		Addr: r.Address, DB: r.Database, ClientName: "make-mcp", PoolSize: redisConnections,
		DialTimeout: redisDialTimeout, ReadTimeout: redisTimeout, WriteTimeout: redisTimeout, PoolTimeout: redisTimeout,
		MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
	}
	if r.PasswordFile != "" {
		options.CredentialsProviderContext = func(context.Context) (username, password string, err error) {
			raw, err := os.ReadFile(r.PasswordFile)
			if err != nil {
				return "", "", fmt.Errorf("read limits.redis.passwordFile: %w", err)
			}
			return r.Username, strings.TrimSpace(string(raw)), nil
		}
	}
	if r.TLS {
		roots, err := readCertificates(r.CAFile, x509.NewCertPool())
		if err != nil {
			return nil, fmt.Errorf("read caFile: %w", err)
		}
		options.TLSConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return redis.NewClient(options), nil
}

// takeCall counts a request of a caller: a call of a tool against the caller's class and the organization, all others against the
// caller alone.
func (l *limits) takeCall(ctx context.Context, p access.Principal, class string) (limit.Decision, error) {
	buckets := []limit.Bucket{{
		Key: "caller:" + l.server + ":" + short(p.Issuer+"\x00"+p.Subject) + ":" + class, Name: class, Rate: l.classes[class],
	}}
	if class != classProtocol {
		buckets = append(buckets, l.organization)
	}
	return l.store.Take(ctx, buckets)
}

// takeFailure counts a request without a good token from an address.
func (l *limits) takeFailure(ctx context.Context, address string) (limit.Decision, error) {
	return l.store.Take(ctx, []limit.Bucket{{
		Key: "failures:" + l.server + ":" + short(address), Name: "failed-authentications", Rate: l.failures,
	}})
}

// short is a name for something long or personal in a key.
func short(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:12])
}
