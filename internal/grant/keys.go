package grant

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// KeySecretName is the Secret in the operator's namespace that holds the sealing keys, one entry a key.
const KeySecretName = "make-operator-sealing-keys"

// firstKeyID is the ID of the key that is made at the first start. IDs sort by age.
const firstKeyID = "key-0001"

// SecretKeys is the Sealer whose keys are in the Secret KeySecretName. It makes the first key where there is neither that Secret nor
// any grant, and reads the Secret again when Refresh is called or a key is asked for that it does not know. A Secret that goes while
// the operator runs is put back. Its zero value is not usable.
type SecretKeys struct {
	// Client must not read from a cache.
	Client client.Client
	// Namespace is the operator's own.
	Namespace string
	// OpenOnly says that another Sealer seals: no first key is made.
	OpenOnly bool

	mu   sync.Mutex
	ring Keyring
}

// Ready implements Sealer.
func (s *SecretKeys) Ready(ctx context.Context) error {
	_, err := s.keys(ctx)
	return err
}

// Refresh implements Sealer. An error beside a key ID says that the Secret holds something that is no key; the others are in use.
func (s *SecretKeys) Refresh(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.load(ctx)
	return s.ring.newest(), err
}

// Seal implements Sealer.
func (s *SecretKeys) Seal(ctx context.Context, plain, additional []byte) (sealed []byte, keyID string, err error) {
	ring, err := s.keys(ctx)
	if err != nil {
		return nil, "", err
	}
	return ring.Seal(ctx, plain, additional)
}

// Open implements Sealer.
func (s *SecretKeys) Open(ctx context.Context, sealed []byte, keyID string, additional []byte) ([]byte, error) {
	ring, err := s.keys(ctx)
	if err != nil {
		return nil, err
	}
	if ring[keyID] == nil { // another replica may have read a newer key before us
		if _, err := s.Refresh(ctx); errors.Is(err, ErrUnavailable) {
			return nil, err
		}
		if ring, err = s.keys(ctx); err != nil {
			return nil, err
		}
	}
	return ring.Open(ctx, sealed, keyID, additional)
}

// Owns implements Sealer.
func (s *SecretKeys) Owns(keyID string) bool { return s.ring.Owns(keyID) }

// keys are those that were read last; the first call reads them.
func (s *SecretKeys) keys(ctx context.Context) (Keyring, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ring) == 0 {
		if err := s.load(ctx); len(s.ring) == 0 {
			return nil, err
		}
	}
	return s.ring, nil // never written to, only replaced
}

// load reads the Secret. It is called under the lock.
func (s *SecretKeys) load(ctx context.Context) error {
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: s.Namespace, Name: KeySecretName}
	err := s.Client.Get(ctx, key, secret)
	if apierrors.IsNotFound(err) {
		secret, err = s.restore(ctx)
	}
	if errors.Is(err, ErrSealed) {
		return err
	}
	if err != nil {
		return fmt.Errorf("read sealing keys: %w: %w", ErrUnavailable, err)
	}
	ring, bad := Keyring{}, error(nil)
	for _, id := range slices.Sorted(maps.Keys(secret.Data)) {
		if n := len(secret.Data[id]); n != keyBytes {
			bad = fmt.Errorf("%w: key %q in Secret %s has %d bytes, want %d", ErrSealed, id, key, n, keyBytes)
			continue
		}
		ring[id] = secret.Data[id]
	}
	if len(ring) > 0 {
		s.ring = ring
		return bad
	}
	if bad == nil {
		bad = fmt.Errorf("%w: Secret %s holds no key", ErrSealed, key)
	}
	return bad // an emptied Secret takes nothing away from those that are in use
}

// restore makes the Secret that does not exist: with the keys in use, or with a first one where nothing was ever sealed.
func (s *SecretKeys) restore(ctx context.Context) (*corev1.Secret, error) {
	data := map[string][]byte(s.ring)
	if len(data) == 0 {
		if err := s.mayBegin(ctx); err != nil {
			return nil, err
		}
		data = map[string][]byte{firstKeyID: NewKey()}
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Namespace, Name: KeySecretName,
			Labels: map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy},
		},
		Data: data,
	}
	err := s.Client.Create(ctx, secret)
	if apierrors.IsAlreadyExists(err) { // another replica was first
		err = s.Client.Get(ctx, client.ObjectKeyFromObject(secret), secret)
	}
	return secret, err
}

// mayBegin refuses a first key where there are grants: their key is lost, and one of the same ID would hide that.
func (s *SecretKeys) mayBegin(ctx context.Context) error {
	if s.OpenOnly {
		return fmt.Errorf("%w: there is no Secret %s", ErrSealed, KeySecretName)
	}
	grants := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "SecretList"}}
	if err := s.Client.List(ctx, grants, client.InNamespace(s.Namespace), client.HasLabels{Label}, client.Limit(1)); err != nil {
		return err
	}
	if len(grants.Items) > 0 {
		return fmt.Errorf("%w: Secret %s is gone, though grants were sealed by its keys", ErrSealed, KeySecretName)
	}
	return nil
}
