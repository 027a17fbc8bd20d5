package grant_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
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

func secretKeys(c client.Client) *grant.SecretKeys {
	return &grant.SecretKeys{Client: c, Namespace: namespace}
}

// storedKeys is what the key Secret holds.
func storedKeys(t *testing.T, c client.Client) map[string][]byte {
	t.Helper()
	secret := keySecret(nil)
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(secret), secret); err != nil {
		t.Fatal(err)
	}
	return secret.Data
}

// storeKeys replaces the key Secret.
func storeKeys(t *testing.T, c client.Client, data map[string][]byte) {
	t.Helper()
	secret := keySecret(data)
	if err := client.IgnoreNotFound(c.Delete(t.Context(), keySecret(nil))); err != nil {
		t.Fatal(err)
	}
	if err := c.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
}

func mustSeal(t *testing.T, s grant.Sealer, plain string) (sealed []byte, keyID string) {
	t.Helper()
	sealed, keyID, err := s.Seal(t.Context(), []byte(plain), []byte("place"))
	if err != nil {
		t.Fatal(err)
	}
	return sealed, keyID
}

func mustOpen(t *testing.T, s grant.Sealer, sealed []byte, keyID, want string) {
	t.Helper()
	plain, err := s.Open(t.Context(), sealed, keyID, []byte("place"))
	if err != nil || string(plain) != want {
		t.Errorf("opened %q, %v", plain, err)
	}
}

func TestFirstKeyIsMadeOnce(t *testing.T) {
	creates := 0
	c := newClient(t, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			creates++
			return c.Create(ctx, o, opts...)
		},
	})
	first, second := secretKeys(c), secretKeys(c)
	if err := errors.Join(first.Ready(t.Context()), second.Ready(t.Context())); err != nil {
		t.Fatal(err)
	}
	sealed, keyID := mustSeal(t, first, "plain")
	mustOpen(t, second, sealed, keyID, "plain")
	if keys := storedKeys(t, c); creates != 1 || len(keys) != 1 || len(keys["key-0001"]) != 32 {
		t.Errorf("%d creations, %d keys", creates, len(keys))
	}
}

// Of two replicas that start together both use the key of the one that was first.
func TestFirstKeyRace(t *testing.T) {
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
	sealed, keyID := mustSeal(t, secretKeys(c), "plain")
	mustOpen(t, grant.Keyring{"key-0001": theirs}, sealed, keyID, "plain")
}

// Where grants exist, a key Secret that is gone was lost: another first key would hide that, and stand in the way of the backup.
func TestLostKeysAreNotReplaced(t *testing.T) {
	c := newClient(t, interceptor.Funcs{})
	keys := secretKeys(c)
	s := &grant.Store{Client: c, Namespace: namespace, Cluster: cluster, Keys: keys}
	write(t, s, id, sample())
	backup := storedKeys(t, c)
	if err := c.Delete(t.Context(), keySecret(nil)); err != nil {
		t.Fatal(err)
	}

	s.Keys = secretKeys(c) // a restart
	if err := s.Keys.Ready(t.Context()); !errors.Is(err, grant.ErrSealed) {
		t.Errorf("error %v, want %v", err, grant.ErrSealed)
	}
	if _, err := s.Read(t.Context(), id); !errors.Is(err, grant.ErrSealed) {
		t.Errorf("error %v, want %v", err, grant.ErrSealed)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(keySecret(nil)), &corev1.Secret{}); !apierrors.IsNotFound(err) {
		t.Errorf("another key was made (%v)", err)
	}

	storeKeys(t, c, backup)
	if diff := cmp.Diff(sample(), read(t, s, id).Grant); diff != "" {
		t.Errorf("after the backup was restored, without a restart (-want +got):\n%s", diff)
	}
}

// A key Secret that goes while the operator runs is put back, so that the next start has it.
func TestDeletedKeysArePutBack(t *testing.T) {
	c := newClient(t, interceptor.Funcs{}, keySecret(map[string][]byte{"key-0001": grant.NewKey(), "key-0002": grant.NewKey()}))
	keys := secretKeys(c)
	sealed, keyID := mustSeal(t, keys, "plain")
	before := storedKeys(t, c)
	if err := c.Delete(t.Context(), keySecret(nil)); err != nil {
		t.Fatal(err)
	}
	if newest, err := keys.Refresh(t.Context()); err != nil || newest != "key-0002" {
		t.Errorf("newest key %q, %v", newest, err)
	}
	if !cmp.Equal(before, storedKeys(t, c)) {
		t.Error("the keys are not those that were there")
	}
	mustOpen(t, secretKeys(c), sealed, keyID, "plain")
}

// Where nothing can be used, that is said, and nothing is made in its place.
func TestUnusableKeys(t *testing.T) {
	good := grant.NewKey()
	for name, data := range map[string]map[string][]byte{
		"a short key":   {"key-0001": good[:16]},
		"an empty key":  {"key-0001": {}},
		"a long key":    {"key-0001": append(good[:32:32], 0)},
		"no key at all": {},
	} {
		t.Run(name, func(t *testing.T) {
			keys := secretKeys(newClient(t, interceptor.Funcs{}, keySecret(data)))
			if err := keys.Ready(t.Context()); !errors.Is(err, grant.ErrSealed) || !strings.Contains(err.Error(), grant.KeySecretName) {
				t.Errorf("error %v, want %v", err, grant.ErrSealed)
			}
			if _, _, err := keys.Seal(t.Context(), []byte("plain"), nil); !errors.Is(err, grant.ErrSealed) {
				t.Errorf("error %v, want %v", err, grant.ErrSealed)
			}
		})
	}
}

// What is put into the Secret by mistake takes nothing away from what worked, and is said.
func TestBadKeyBesideGoodOnes(t *testing.T) {
	good := grant.NewKey()
	for name, data := range map[string]map[string][]byte{
		"a short key beside the good one": {"key-0001": good, "key-0002": []byte("short")},
		"only a short key":                {"key-0002": []byte("short")},
		"nothing any more":                {},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, interceptor.Funcs{}, keySecret(map[string][]byte{"key-0001": good}))
			keys := secretKeys(c)
			sealed, keyID := mustSeal(t, keys, "plain")
			storeKeys(t, c, data)
			newest, err := keys.Refresh(t.Context())
			if newest != "key-0001" || err == nil {
				t.Errorf("newest key %q, error %v", newest, err)
			}
			mustOpen(t, keys, sealed, keyID, "plain")
			if _, keyID := mustSeal(t, keys, "plain"); keyID != "key-0001" {
				t.Errorf("sealed by %q", keyID)
			}
		})
	}
}

// A replica that has not seen a new key yet opens what another one sealed by it.
func TestKeyThatAnotherReplicaSawFirst(t *testing.T) {
	old, fresh := grant.NewKey(), grant.NewKey()
	c := newClient(t, interceptor.Funcs{}, keySecret(map[string][]byte{"key-0001": old}))
	behind, ahead := secretKeys(c), secretKeys(c)
	if err := behind.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	storeKeys(t, c, map[string][]byte{"key-0001": old, "key-0002": fresh})
	sealed, keyID := mustSeal(t, ahead, "plain")
	if keyID != "key-0002" {
		t.Fatalf("sealed by %q", keyID)
	}
	mustOpen(t, behind, sealed, keyID, "plain")
	if _, keyID := mustSeal(t, behind, "plain"); keyID != "key-0002" {
		t.Errorf("goes on sealing by %q", keyID)
	}
	if _, err := behind.Open(t.Context(), sealed, "key-0003", []byte("place")); !errors.Is(err, grant.ErrSealed) {
		t.Errorf("error %v, want %v", err, grant.ErrSealed)
	}
}

// An API server that fails makes no key lost.
func TestKeysOutOfReach(t *testing.T) {
	down := error(nil)
	c := newClient(t, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if down != nil {
				return down
			}
			return c.Get(ctx, key, o, opts...)
		},
	})
	working := secretKeys(c)
	sealed, keyID := mustSeal(t, working, "plain")
	down = apierrors.NewInternalError(errors.New("etcd is down"))
	if err := secretKeys(c).Ready(t.Context()); !errors.Is(err, down) || !errors.Is(err, grant.ErrUnavailable) || errors.Is(err, grant.ErrSealed) {
		t.Errorf("error %v, want %v", err, down)
	}
	mustOpen(t, working, sealed, keyID, "plain")
	if _, err := working.Open(t.Context(), sealed, "key-0009", []byte("place")); !errors.Is(err, grant.ErrUnavailable) {
		t.Errorf("error %v, want %v", err, grant.ErrUnavailable)
	}
	if newest, err := working.Refresh(t.Context()); newest != "key-0001" || !errors.Is(err, down) {
		t.Errorf("newest key %q, error %v", newest, err)
	}
}

// Sealing the same text twice gives two texts, so nobody can see that a grant did not change.
func TestSealIsRandom(t *testing.T) {
	ring := grant.Keyring{"k": grant.NewKey()}
	a, _ := mustSeal(t, ring, "plain")
	b, _ := mustSeal(t, ring, "plain")
	if bytes.Equal(a, b) {
		t.Error("equal")
	}
}

func TestKeyringWithoutKeys(t *testing.T) {
	if _, _, err := (grant.Keyring{}).Seal(t.Context(), []byte("plain"), nil); !errors.Is(err, grant.ErrSealed) {
		t.Errorf("error %v, want %v", err, grant.ErrSealed)
	}
	if _, err := (grant.Keyring{}).Open(t.Context(), []byte("sealed"), "key-0001", nil); !errors.Is(err, grant.ErrSealed) {
		t.Errorf("error %v, want %v", err, grant.ErrSealed)
	}
}
