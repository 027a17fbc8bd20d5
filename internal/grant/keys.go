package grant

import (
	"context"
	"fmt"

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

// LoadKeyring reads the sealing keys from their Secret in namespace, and makes the first one where the Secret does not exist yet.
// The client must not read from a cache.
func LoadKeyring(ctx context.Context, c client.Client, namespace string) (Keyring, error) {
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: namespace, Name: KeySecretName}
	err := c.Get(ctx, key, secret)
	if apierrors.IsNotFound(err) {
		secret = newKeySecret(namespace)
		err = c.Create(ctx, secret)
		if apierrors.IsAlreadyExists(err) { // another replica was first
			err = c.Get(ctx, key, secret)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("load sealing keys: %w", err)
	}
	ring := Keyring(secret.Data)
	if len(ring) == 0 {
		return nil, fmt.Errorf("load sealing keys: Secret %s holds no key", key)
	}
	for id, k := range ring {
		if len(k) != keyBytes {
			return nil, fmt.Errorf("load sealing keys: key %q in Secret %s has %d bytes, want %d", id, key, len(k), keyBytes)
		}
	}
	return ring, nil
}

func newKeySecret(namespace string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: KeySecretName,
			Labels: map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy},
		},
		Data: map[string][]byte{firstKeyID: NewKey()},
	}
}
