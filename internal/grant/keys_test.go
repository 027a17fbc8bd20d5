package grant_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/makeops/make-operator/internal/grant"
)

func keySecret(data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: grant.KeySecretName}, Data: data}
}

func TestLoadKeyringCreatesOnce(t *testing.T) {
	creates := 0
	c := newClient(t, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			creates++
			return c.Create(ctx, o, opts...)
		},
	})
	first, err := grant.LoadKeyring(t.Context(), c, namespace)
	if err != nil {
		t.Fatal(err)
	}
	second, err := grant.LoadKeyring(t.Context(), c, namespace)
	if err != nil {
		t.Fatal(err)
	}
	if creates != 1 || len(first) != 1 || !cmp.Equal(map[string][]byte(first), map[string][]byte(second)) {
		t.Errorf("%d creations; %d and %d keys, equal: %t", creates, len(first), len(second), cmp.Equal(first, second))
	}
	sealed, keyID, err := first.Seal([]byte("plain"), []byte("place"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := second.Open(sealed, keyID, []byte("place")); err != nil || string(plain) != "plain" {
		t.Errorf("opened %q, %v", plain, err)
	}
}

// Of two replicas that start together both use the key of the one that was first.
func TestLoadKeyringRace(t *testing.T) {
	theirs := grant.NewKey()
	raced := false
	c := newClient(t, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if !raced {
				raced = true
				if err := c.Create(ctx, keySecret(map[string][]byte{"key-0001": theirs})); err != nil {
					return err
				}
			}
			return c.Create(ctx, o, opts...)
		},
	})
	ring, err := grant.LoadKeyring(t.Context(), c, namespace)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(ring["key-0001"], theirs) || len(ring) != 1 {
		t.Error("the keyring is not the one that is stored")
	}
}

func TestLoadKeyringRefuses(t *testing.T) {
	good := grant.NewKey()
	for name, data := range map[string]map[string][]byte{
		"a short key":             {"key-0001": good[:16]},
		"an empty key":            {"key-0001": {}},
		"a long key":              {"key-0001": append(good[:32:32], 0)},
		"a bad key beside a good": {"key-0001": good, "key-0002": []byte("short")},
		"no key at all":           {},
	} {
		t.Run(name, func(t *testing.T) {
			if ring, err := grant.LoadKeyring(t.Context(), newClient(t, interceptor.Funcs{}, keySecret(data)), namespace); err == nil {
				t.Errorf("loaded %d keys", len(ring))
			}
		})
	}
}

func TestLoadKeyringPassesErrorsOn(t *testing.T) {
	down := apierrors.NewInternalError(errors.New("etcd is down"))
	c := newClient(t, interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return down
		},
	})
	if _, err := grant.LoadKeyring(t.Context(), c, namespace); !errors.Is(err, down) {
		t.Errorf("error %v, want %v", err, down)
	}
}

// Sealing the same text twice gives two texts, so nobody can see that a grant did not change.
func TestSealIsRandom(t *testing.T) {
	ring := grant.Keyring{"k": grant.NewKey()}
	a, _, errA := ring.Seal([]byte("plain"), nil)
	b, _, errB := ring.Seal([]byte("plain"), nil)
	if errA != nil || errB != nil || bytes.Equal(a, b) {
		t.Errorf("equal: %t, errors %v, %v", bytes.Equal(a, b), errA, errB)
	}
}

func TestKeyringWithoutKeys(t *testing.T) {
	if _, _, err := (grant.Keyring{}).Seal([]byte("plain"), nil); err == nil {
		t.Error("sealed without a key")
	}
	if _, err := (grant.Keyring{}).Open([]byte("sealed"), "key-0001", nil); !errors.Is(err, grant.ErrSealed) {
		t.Errorf("error %v, want %v", err, grant.ErrSealed)
	}
}
