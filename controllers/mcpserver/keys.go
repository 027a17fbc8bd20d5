package mcpserver

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
)

// keysAge is the age at which the cluster's keys are read again, and how often every server is looked at for that.
const keysAge = 10 * time.Minute

// ClusterKeys is a KeySource that asks the API server. Its zero value is not usable.
type ClusterKeys struct {
	// REST reaches the API server at any path.
	REST  rest.Interface
	Clock clock.PassiveClock

	mu     sync.Mutex
	read   time.Time
	issuer string
	jwks   []byte
}

// Keys implements KeySource. Keys that were read before outlast a failure to read them again.
func (k *ClusterKeys) Keys(ctx context.Context) (issuer string, jwks []byte, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.read.IsZero() && k.Clock.Since(k.read) < keysAge {
		return k.issuer, k.jwks, nil
	}
	issuer, jwks, err = k.fetch(ctx)
	switch {
	case err == nil:
		k.issuer, k.jwks, k.read = issuer, jwks, k.Clock.Now()
	case k.read.IsZero():
		return "", nil, err
	default:
		ctrl.LoggerFrom(ctx).Error(err, "signing keys of the cluster were not read again")
	}
	return k.issuer, k.jwks, nil
}

// fetch reads issuer and keys. Source: Kubernetes documentation, "ServiceAccount issuer discovery".
func (k *ClusterKeys) fetch(ctx context.Context) (issuer string, jwks []byte, err error) {
	raw, err := k.REST.Get().AbsPath("/.well-known/openid-configuration").Do(ctx).Raw()
	if err != nil {
		return "", nil, fmt.Errorf("read the cluster's token issuer: %w", err)
	}
	var discovery struct {
		Issuer string `json:"issuer"`
	}
	if err := json.Unmarshal(raw, &discovery); err != nil || discovery.Issuer == "" {
		return "", nil, errors.New("read the cluster's token issuer: the answer names none")
	}
	if raw, err = k.REST.Get().AbsPath("/openid/v1/jwks").Do(ctx).Raw(); err != nil {
		return "", nil, fmt.Errorf("read the cluster's signing keys: %w", err)
	}
	jwks, err = canonicalKeys(raw)
	if err != nil {
		return "", nil, fmt.Errorf("read the cluster's signing keys: %w", err)
	}
	return discovery.Issuer, jwks, nil
}

// canonicalKeys gives a key set one form: API servers need not agree on the order of keys and members.
func canonicalKeys(raw []byte) ([]byte, error) {
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, err
	}
	if len(set.Keys) == 0 {
		return nil, errors.New("the key set is empty")
	}
	slices.SortFunc(set.Keys, func(a, b map[string]any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return json.Marshal(set)
}
