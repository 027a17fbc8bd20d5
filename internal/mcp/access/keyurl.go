package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
	"k8s.io/utils/clock"
)

const (
	// keyAge is how old a fetched key set may be before it is fetched again.
	keyAge = 10 * time.Minute
	// keyCooldown is the least time between two fetches, so that made-up key ids cannot drive traffic to the issuer.
	keyCooldown = 30 * time.Second
	// keyStale is how long old keys serve while the issuer cannot be reached.
	keyStale = 24 * time.Hour
	// fetchTimeout bounds one fetch.
	fetchTimeout = 5 * time.Second
)

// KeyURL is a KeySource that fetches a key set over https. It fetches on demand: when the set is old or a key id is
// unknown, at most once per cool-down and once at a time; errors keep the old keys for a day.
type KeyURL struct {
	// locate returns the address of the key set.
	locate    func(ctx context.Context) (string, error)
	tokenFile string
	client    *http.Client
	clock     clock.PassiveClock
	log       *slog.Logger
	flight    singleflight.Group

	mu        sync.Mutex
	keys      []jose.JSONWebKey
	fetched   time.Time // last success; zero: never
	attempted time.Time // last attempt; zero: never
}

// NewKeyURL returns a KeyURL for a known address, not loaded yet. It follows no redirect. TokenFile holds a bearer token for the
// address, as API servers want one; empty means none.
func NewKeyURL(url, tokenFile string, transport http.RoundTripper, clk clock.PassiveClock, log *slog.Logger) *KeyURL {
	u := &KeyURL{client: keyClient(transport), tokenFile: tokenFile, clock: clk, log: log}
	u.locate = func(context.Context) (string, error) { return url, nil }
	return u
}

// keyClient is for questions about tokens: bounded in time, and never led elsewhere.
func keyClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		Timeout:       fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Loaded reports whether keys are there.
func (u *KeyURL) Loaded() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return !u.fetched.IsZero()
}

// Keys implements KeySource.
func (u *KeyURL) Keys(ctx context.Context, keyID string) ([]jose.JSONWebKey, error) {
	if keys, due := u.known(keyID); !due {
		return keys, nil
	}
	if err := u.Load(ctx); err != nil {
		u.log.Warn("issuer keys were not refreshed", "error", err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.fetched.IsZero() || u.clock.Since(u.fetched) > keyStale {
		return nil, ErrUnavailable
	}
	return pick(u.keys, keyID), nil
}

// known returns the keys at hand and whether a fetch is due.
func (u *KeyURL) known(keyID string) ([]jose.JSONWebKey, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	keys := pick(u.keys, keyID)
	fresh := !u.fetched.IsZero() && u.clock.Since(u.fetched) < keyAge
	return keys, !fresh || len(keys) == 0
}

// Load fetches the keys unless an attempt was made within the cool-down. Callers that come together share one fetch.
func (u *KeyURL) Load(ctx context.Context) error {
	result := u.flight.DoChan("", func() (any, error) {
		if !u.beginAttempt() {
			return nil, nil
		}
		// The fetch serves all who wait, so it does not end with the first one's request.
		fetchCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		return nil, u.fetch(fetchCtx)
	})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case r := <-result:
		return r.Err
	}
}

func (u *KeyURL) beginAttempt() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.attempted.IsZero() && u.clock.Since(u.attempted) < keyCooldown {
		return false
	}
	u.attempted = u.clock.Now()
	return true
}

func (u *KeyURL) fetch(ctx context.Context) error {
	address, err := u.locate(ctx)
	if err != nil {
		return err
	}
	raw, err := u.get(ctx, address, "application/jwk-set+json, application/json")
	if err != nil {
		return fmt.Errorf("fetch key set: %w", err)
	}
	keys, err := parseKeySet(raw)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.keys, u.fetched = keys, u.clock.Now()
	return nil
}

// get reads one document.
func (u *KeyURL) get(ctx context.Context, address, accept string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	if err := authorize(req, u.tokenFile); err != nil {
		return nil, err
	}
	resp, err := u.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, statusError(resp.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySetBytes+1))
	if err != nil {
		return nil, errors.New("reading the answer failed")
	}
	return raw, nil
}

// statusError is an answer that is not the document that was asked for.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("status %d", int(e)) }
