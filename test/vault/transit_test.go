package vault

import (
	"errors"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"k8s.io/utils/clock"

	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/transit"
)

func (e *engine) kms(t *testing.T) *transit.KMS {
	t.Helper()
	k, err := transit.New(transit.Config{
		Address: e.URL, Mount: "transit", Key: "make-operator", TokenFile: file(t, token),
	}, clock.RealClock{})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (e *engine) envelope(t *testing.T) *grant.Envelope {
	return &grant.Envelope{KMS: e.kms(t), Cluster: "cluster"}
}

func seal(t *testing.T, s grant.Sealer, plain string) (sealed []byte, keyID string) {
	t.Helper()
	sealed, keyID, err := s.Seal(t.Context(), []byte(plain), []byte("place"))
	if err != nil {
		t.Fatal(err)
	}
	return sealed, keyID
}

func opens(t *testing.T, s grant.Sealer, sealed []byte, keyID, want string) {
	t.Helper()
	if plain, err := s.Open(t.Context(), sealed, keyID, []byte("place")); err != nil || string(plain) != want {
		t.Errorf("opened %q, %v", plain, err)
	}
}

// A rotation of Vault's key: the running process follows, old versions open, and once they may not decrypt any more nothing opens.
func TestKeyRotation(t *testing.T) {
	e := newEngine(t)
	running := e.envelope(t)
	old, oldID := seal(t, running, "old")
	e.must(t, logical.UpdateOperation, "keys/make-operator/rotate", nil)
	if newest, err := running.Refresh(t.Context()); err != nil || newest != "vault:transit/make-operator:2" {
		t.Fatalf("newest key %q, %v", newest, err)
	}
	fresh, freshID := seal(t, running, "fresh")
	if oldID != "vault:transit/make-operator:1" || freshID != "vault:transit/make-operator:2" {
		t.Errorf("keys %q and %q", oldID, freshID)
	}
	restarted := e.envelope(t)
	opens(t, restarted, old, oldID, "old")
	opens(t, restarted, fresh, freshID, "fresh")

	e.must(t, logical.UpdateOperation, "keys/make-operator/config", map[string]any{"min_decryption_version": 2})
	restarted = e.envelope(t)
	opens(t, restarted, fresh, freshID, "fresh")
	if _, err := restarted.Open(t.Context(), old, oldID, []byte("place")); !errors.Is(err, grant.ErrSealed) {
		t.Errorf("error %v, want %v", err, grant.ErrSealed)
	}
}

// The engine itself binds a data key to its cluster.
func TestDataKeyIsBound(t *testing.T) {
	e := newEngine(t)
	wrapped, _, err := e.kms(t).Wrap(t.Context(), grant.NewKey(), []byte("here"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.kms(t).Unwrap(t.Context(), wrapped, []byte("elsewhere")); !errors.Is(err, grant.ErrSealed) {
		t.Errorf("error %v, want %v", err, grant.ErrSealed)
	}
	if _, err := e.kms(t).Unwrap(t.Context(), wrapped, []byte("here")); err != nil {
		t.Error(err)
	}
}

// A key that was deleted is lost; one that never was is trouble that says what to do.
func TestNoKey(t *testing.T) {
	e := newEngine(t)
	sealed, keyID := seal(t, e.envelope(t), "plain")
	e.must(t, logical.UpdateOperation, "keys/make-operator/config", map[string]any{"deletion_allowed": true})
	if _, err := e.ask(t.Context(), logical.DeleteOperation, "keys/make-operator", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := e.envelope(t).Open(t.Context(), sealed, keyID, []byte("place")); !errors.Is(err, grant.ErrSealed) {
		t.Errorf("error %v, want %v", err, grant.ErrSealed)
	}
	if _, err := e.envelope(t).Refresh(t.Context()); !errors.Is(err, grant.ErrUnavailable) {
		t.Errorf("error %v, want %v", err, grant.ErrUnavailable)
	}
}

// A key that cannot bind what it encrypts to a place is not used.
func TestKeyWithoutAEAD(t *testing.T) {
	e := newEngine(t)
	e.must(t, logical.UpdateOperation, "keys/rsa", map[string]any{"type": "rsa-2048"})
	k, err := transit.New(transit.Config{Address: e.URL, Mount: "transit", Key: "rsa", TokenFile: file(t, token)}, clock.RealClock{})
	if err != nil {
		t.Fatal(err)
	}
	if wrapped, _, err := k.Wrap(t.Context(), grant.NewKey(), []byte("here")); !errors.Is(err, grant.ErrUnavailable) {
		t.Errorf("wrapped %d bytes, error %v", len(wrapped), err)
	}
}

func TestAnotherToken(t *testing.T) {
	e := newEngine(t)
	k, err := transit.New(transit.Config{
		Address: e.URL, Mount: "transit", Key: "make-operator", TokenFile: file(t, "hvs.other"),
	}, clock.RealClock{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Current(t.Context()); !errors.Is(err, grant.ErrUnavailable) {
		t.Errorf("error %v, want %v", err, grant.ErrUnavailable)
	}
}
