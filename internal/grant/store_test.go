package grant_test

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/makeops/make-operator/internal/grant"
)

func TestStoreRoundTrip(t *testing.T) {
	s := newStore(t, newClient(t, interceptor.Funcs{}))
	if diff := cmp.Diff(grant.Grant{}, read(t, s, id).Grant); diff != "" {
		t.Errorf("an absent grant is not empty (-want +got):\n%s", diff)
	}
	rec := write(t, s, id, sample())
	for range 3 { // a record can be written again and again
		rec.RotationGeneration++
		if err := s.Write(t.Context(), id, rec); err != nil {
			t.Fatal(err)
		}
	}
	want := sample()
	want.RotationGeneration += 3
	if diff := cmp.Diff(want, read(t, s, id).Grant); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for range 2 { // the second time it is gone already
		if err := s.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(grant.Grant{}, read(t, s, id).Grant); diff != "" {
		t.Errorf("a deleted grant is still there (-want +got):\n%s", diff)
	}
}

// Nothing of a grant can be read from its Secret.
func TestStoredSecretShowsNothing(t *testing.T) {
	s := newStore(t, newClient(t, interceptor.Funcs{}))
	write(t, s, id, sample())
	stored, err := secretOf(t, s, id).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range secrets {
		if bytes.Contains(stored, []byte(secret)) {
			t.Errorf("the Secret shows %q", secret)
		}
	}
}

// A ciphertext opens in its own place and under its own write number only.
func TestMovedCiphertextDoesNotOpen(t *testing.T) {
	type place struct {
		store *grant.Store
		id    grant.Identity
	}
	for name, move := range map[string]func(p *place, secret *corev1.Secret){
		"to another namespace":       func(p *place, _ *corev1.Secret) { p.id.Namespace = "hr" },
		"to another name":            func(p *place, _ *corev1.Secret) { p.id.Name = "erp" },
		"to another connection":      func(p *place, _ *corev1.Secret) { p.id.UID = "other" },
		"to another cluster":         func(p *place, _ *corev1.Secret) { p.store.Cluster = "other" },
		"to another write":           func(_ *place, s *corev1.Secret) { s.Annotations["makeops.dev/write"] = "3" },
		"to no write":                func(_ *place, s *corev1.Secret) { delete(s.Annotations, "makeops.dev/write") },
		"under another key":          func(p *place, _ *corev1.Secret) { p.store.Keys = grant.Keyring{"key-0001": grant.NewKey()} },
		"under a key that is gone":   func(p *place, _ *corev1.Secret) { p.store.Keys = grant.Keyring{"key-0002": grant.NewKey()} },
		"changed by a bit":           func(_ *place, s *corev1.Secret) { s.Data["sealed"][20] ^= 1 },
		"cut to less than its nonce": func(_ *place, s *corev1.Secret) { s.Data["sealed"] = s.Data["sealed"][:5] },
		"emptied":                    func(_ *place, s *corev1.Secret) { s.Data = nil },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, interceptor.Funcs{})
			p := &place{store: newStore(t, c), id: id}
			write(t, p.store, id, sample())
			write(t, p.store, id, sample())
			secret := secretOf(t, p.store, id)
			move(p, secret)
			secret.Name, secret.ResourceVersion = grant.SecretName(p.id), ""
			if err := client.IgnoreNotFound(c.Delete(t.Context(), secretOf(t, p.store, id))); err != nil {
				t.Fatal(err)
			}
			if err := c.Create(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
			if rec, err := p.store.Read(t.Context(), p.id); !errors.Is(err, grant.ErrSealed) {
				t.Errorf("got record %t and error %v, want %v", rec != nil, err, grant.ErrSealed)
			}
		})
	}
}

// Parts of what the seal binds cannot run into each other: sales/crm/x is not sales/crm + x.
func TestPlacesDoNotRunIntoEachOther(t *testing.T) {
	c := newClient(t, interceptor.Funcs{})
	s := newStore(t, c)
	a, b := grant.Identity{Namespace: "a", Name: "b-c", UID: "u"}, grant.Identity{Namespace: "a-b", Name: "c", UID: "u"}
	write(t, s, a, sample())
	if _, err := s.Read(t.Context(), b); !errors.Is(err, grant.ErrSealed) {
		t.Errorf("error %v, want %v", err, grant.ErrSealed)
	}
}

// An earlier ciphertext, which may hold a refresh token that was used up, does not open beside the number of a later write.
func TestPutBackCiphertextDoesNotOpen(t *testing.T) {
	s := newStore(t, newClient(t, interceptor.Funcs{}))
	write(t, s, id, sample())
	old := secretOf(t, s, id).Data
	write(t, s, id, sample())
	secret := secretOf(t, s, id)
	secret.Data = old
	if err := s.Client.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(t.Context(), id); !errors.Is(err, grant.ErrSealed) {
		t.Errorf("error %v, want %v", err, grant.ErrSealed)
	}
}

func TestKeyRotation(t *testing.T) {
	c := newClient(t, interceptor.Funcs{})
	s := newStore(t, c)
	keys := s.Keys.(grant.Keyring)
	write(t, s, id, sample())
	keys["key-0002"] = grant.NewKey()
	keys["key-0010"] = grant.NewKey()
	rec := read(t, s, id) // the old key still opens
	if err := s.Write(t.Context(), id, rec); err != nil {
		t.Fatal(err)
	}
	delete(keys, "key-0001")
	delete(keys, "key-0002")
	if diff := cmp.Diff(sample(), read(t, s, id).Grant); diff != "" {
		t.Errorf("the newest key does not open alone (-want +got):\n%s", diff)
	}
}

// Of two that read the same state one writes; the other is told, and what it wanted is not stored.
func TestCompareAndSwap(t *testing.T) {
	for name, existing := range map[string]bool{"first write": false, "later write": true} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, newClient(t, interceptor.Funcs{}))
			if existing {
				write(t, s, id, sample())
			}
			first, second := read(t, s, id), read(t, s, id)
			first.RotationGeneration, second.RotationGeneration = 100, 200
			if err := s.Write(t.Context(), id, first); err != nil {
				t.Fatal(err)
			}
			for range 2 { // it stays refused until it reads again
				if err := s.Write(t.Context(), id, second); !errors.Is(err, grant.ErrConflict) {
					t.Errorf("error %v, want %v", err, grant.ErrConflict)
				}
			}
			again := read(t, s, id)
			if again.RotationGeneration != 100 {
				t.Errorf("stored is %d, want the first writer's 100", again.RotationGeneration)
			}
			again.RotationGeneration = 300
			if err := s.Write(t.Context(), id, again); err != nil {
				t.Errorf("write after reading again: %v", err)
			}
		})
	}
}

// A grant that was deleted after it was read does not come back to life.
func TestWriteAfterDeletion(t *testing.T) {
	s := newStore(t, newClient(t, interceptor.Funcs{}))
	rec := write(t, s, id, sample())
	if err := s.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), id, rec); !errors.Is(err, grant.ErrConflict) {
		t.Errorf("error %v, want %v", err, grant.ErrConflict)
	}
}

// After a write whose answer was lost the same record is refused, whether the write took place or not, or is stored once.
func TestLostAcknowledgement(t *testing.T) {
	lost := errors.New("connection reset")
	fail := false
	s := newStore(t, newClient(t, interceptor.Funcs{
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			err := c.Update(ctx, o, opts...)
			if fail {
				return lost
			}
			return err
		},
	}))
	rec := write(t, s, id, sample())
	fail = true
	rec.RotationGeneration = 9
	if err := s.Write(t.Context(), id, rec); !errors.Is(err, lost) || errors.Is(err, grant.ErrConflict) {
		t.Errorf("error %v, want %v alone", err, lost)
	}
	fail = false
	if err := s.Write(t.Context(), id, rec); !errors.Is(err, grant.ErrConflict) {
		t.Errorf("error %v, want %v", err, grant.ErrConflict)
	}
	if got := read(t, s, id).RotationGeneration; got != 9 {
		t.Errorf("stored is %d, want 9", got)
	}
}

// An error of the API server passes through, so that nobody takes it for an absent grant.
func TestReadErrorIsNoEmptyGrant(t *testing.T) {
	down := apierrors.NewInternalError(errors.New("etcd is down"))
	s := newStore(t, newClient(t, interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return down
		},
	}))
	if rec, err := s.Read(t.Context(), id); !errors.Is(err, down) || rec != nil {
		t.Errorf("got record %v and error %v", rec != nil, err)
	}
}

func TestConnectionOf(t *testing.T) {
	s := newStore(t, newClient(t, interceptor.Funcs{}))
	write(t, s, id, sample())
	key, ok := grant.ConnectionOf(secretOf(t, s, id))
	if want := (types.NamespacedName{Namespace: "sales", Name: "crm"}); !ok || key != want {
		t.Errorf("got %v, %t", key, ok)
	}
	for name, spoil := range map[string]func(*corev1.Secret){
		"no label":            func(s *corev1.Secret) { s.Labels = nil },
		"no annotation":       func(s *corev1.Secret) { s.Annotations = nil },
		"annotation no place": func(s *corev1.Secret) { s.Annotations["makeops.dev/connection"] = "crm" },
	} {
		secret := secretOf(t, s, id)
		spoil(secret)
		if key, ok := grant.ConnectionOf(secret); ok {
			t.Errorf("%s: got %v", name, key)
		}
	}
}

// Every write has a number of its own, one more than the one before.
func TestWriteNumbersGrow(t *testing.T) {
	s := newStore(t, newClient(t, interceptor.Funcs{}))
	for n := 1; n <= 3; n++ {
		write(t, s, id, sample())
		if got := secretOf(t, s, id).Annotations["makeops.dev/write"]; got != strconv.Itoa(n) {
			t.Errorf("write %d has number %q", n, got)
		}
	}
}
