package grant_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/makeops/make-operator/internal/grant"
)

// vault is a KMS that counts what it is asked. Its keys have versions, as those of Vault's transit engine.
type vault struct {
	keys    []([]byte) // by version, from 1
	down    error
	wraps   int
	unwraps int
}

func newVault() *vault { return &vault{keys: [][]byte{grant.NewKey()}} }

func (v *vault) id(version int) string { return fmt.Sprintf("test:k:%d", version) }

func (v *vault) Current(context.Context) (string, error) { return v.id(len(v.keys)), v.down }

func (v *vault) Owns(keyID string) bool { return strings.HasPrefix(keyID, "test:") }

func (v *vault) Wrap(ctx context.Context, key, additional []byte) (wrapped []byte, keyID string, err error) {
	if v.down != nil {
		return nil, "", v.down
	}
	v.wraps++
	n := len(v.keys)
	sealed, _, err := grant.Keyring{"k": v.keys[n-1]}.Seal(ctx, key, additional)
	return append([]byte{byte(n)}, sealed...), v.id(n), err
}

func (v *vault) Unwrap(ctx context.Context, wrapped, additional []byte) ([]byte, error) {
	if v.down != nil {
		return nil, v.down
	}
	v.unwraps++
	if len(wrapped) == 0 || int(wrapped[0]) > len(v.keys) || wrapped[0] == 0 {
		return nil, grant.ErrSealed
	}
	return grant.Keyring{"k": v.keys[wrapped[0]-1]}.Open(ctx, wrapped[1:], "k", additional)
}

func envelope(v *vault) *grant.Envelope { return &grant.Envelope{KMS: v, Cluster: cluster} }

func TestEnvelopeRoundTrip(t *testing.T) {
	v := newVault()
	s := newStore(t, newClient(t, interceptor.Funcs{}))
	s.Keys = envelope(v)
	write(t, s, id, sample())
	secret := secretOf(t, s, id)
	for _, value := range secrets {
		if bytes.Contains(secret.Data["sealed"], []byte(value)) {
			t.Errorf("the Secret shows %q", value)
		}
	}
	if got := secret.Annotations["makeops.dev/sealing-key"]; got != "test:k:1" {
		t.Errorf("key %q", got)
	}
	s.Keys = envelope(v) // a restart
	if diff := cmp.Diff(sample(), read(t, s, id).Grant); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The KMS is asked once a process to seal, and once a data key to open, however many grants there are.
func TestEnvelopeAsksSeldom(t *testing.T) {
	v := newVault()
	s := newStore(t, newClient(t, interceptor.Funcs{}))
	s.Keys = envelope(v)
	for i := range 50 {
		each := grant.Identity{Namespace: "sales", Name: "crm", UID: types.UID(fmt.Sprintf("uid-%d", i))}
		write(t, s, each, sample())
		read(t, s, each)
	}
	if v.wraps != 1 || v.unwraps != 0 {
		t.Errorf("%d wraps, %d unwraps", v.wraps, v.unwraps)
	}
}

// A KMS that goes away loses nothing of what this process is at work on; what it cannot know stays closed until the KMS is back.
func TestEnvelopeWithoutItsKMS(t *testing.T) {
	v := newVault()
	e := envelope(v)
	old, oldID := mustSeal(t, envelope(v), "of another process")
	if err := e.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.down = grant.ErrUnavailable
	sealed, keyID := mustSeal(t, e, "plain")
	mustOpen(t, e, sealed, keyID, "plain")
	if _, err := e.Open(t.Context(), old, oldID, []byte("place")); !errors.Is(err, grant.ErrUnavailable) || errors.Is(err, grant.ErrSealed) {
		t.Errorf("error %v, want %v", err, grant.ErrUnavailable)
	}
	if newest, err := e.Refresh(t.Context()); newest != keyID || !errors.Is(err, grant.ErrUnavailable) {
		t.Errorf("newest key %q, error %v", newest, err)
	}
	if err := envelope(v).Ready(t.Context()); !errors.Is(err, grant.ErrUnavailable) {
		t.Errorf("error %v, want %v", err, grant.ErrUnavailable)
	}
	v.down = nil
	mustOpen(t, e, old, oldID, "of another process")
}

func TestEnvelopeFollowsTheKMSKey(t *testing.T) {
	v := newVault()
	e := envelope(v)
	old, oldID := mustSeal(t, e, "old")
	v.keys = append(v.keys, grant.NewKey())
	if newest, err := e.Refresh(t.Context()); err != nil || newest != "test:k:2" {
		t.Errorf("newest key %q, error %v", newest, err)
	}
	fresh, freshID := mustSeal(t, e, "fresh")
	if freshID != "test:k:2" {
		t.Errorf("sealed by %q", freshID)
	}
	again := envelope(v)
	mustOpen(t, again, old, oldID, "old")
	mustOpen(t, again, fresh, freshID, "fresh")
}

// No cut, swap or change of what is stored opens.
func TestEnvelopeRefusesWhatWasChanged(t *testing.T) {
	v := newVault()
	sealed, keyID := mustSeal(t, envelope(v), "plain")
	other, _ := mustSeal(t, envelope(v), "other")
	head := 3 + int(sealed[1])<<8 + int(sealed[2])
	texts := map[string][]byte{
		"another data key": append(slices.Clone(other[:head]), sealed[head:]...),
		"nothing":          nil,
	}
	for i := range sealed {
		changed := slices.Clone(sealed)
		changed[i] ^= 1
		texts[fmt.Sprintf("a changed bit in byte %d", i)] = changed
		texts[fmt.Sprintf("cut to %d bytes", i)] = sealed[:i]
	}
	for name, text := range texts {
		plain, err := envelope(v).Open(t.Context(), text, keyID, []byte("place"))
		if err == nil {
			t.Errorf("%s opens: %q", name, plain)
		}
	}
	elsewhere := envelope(v)
	elsewhere.Cluster = "other"
	if _, err := elsewhere.Open(t.Context(), sealed, keyID, []byte("place")); !errors.Is(err, grant.ErrSealed) {
		t.Errorf("in another cluster: error %v", err)
	}
	if _, err := envelope(v).Open(t.Context(), sealed, keyID, []byte("another place")); !errors.Is(err, grant.ErrSealed) {
		t.Errorf("in another place: error %v", err)
	}
}

// A move of the keys from the Secret to the KMS, and back, with old grants open all the time.
func TestChainMovesKeys(t *testing.T) {
	v := newVault()
	c := newClient(t, interceptor.Funcs{})
	s := newStore(t, c)
	s.Keys = secretKeys(c)
	write(t, s, id, settled())

	there := grant.Chain{envelope(v), &grant.SecretKeys{Client: c, Namespace: namespace, OpenOnly: true}}
	s.Keys = there
	sweep(t, s)
	if got := secretOf(t, s, id).Annotations["makeops.dev/sealing-key"]; got != "test:k:1" {
		t.Errorf("sealed by %q", got)
	}
	if err := c.Delete(t.Context(), keySecret(nil)); err != nil {
		t.Fatal(err)
	}
	s.Keys = grant.Chain{envelope(v), &grant.SecretKeys{Client: c, Namespace: namespace, OpenOnly: true}}
	if diff := cmp.Diff(settled(), read(t, s, id).Grant); diff != "" {
		t.Errorf("without the Secret (-want +got):\n%s", diff)
	}
	storeKeys(t, c, map[string][]byte{"key-0002": grant.NewKey()})
	s.Keys = grant.Chain{secretKeys(c), envelope(v)}
	sweep(t, s)
	s.Keys = secretKeys(c)
	if diff := cmp.Diff(settled(), read(t, s, id).Grant); diff != "" {
		t.Errorf("back in the Secret (-want +got):\n%s", diff)
	}
	s.Keys = grant.Chain{envelope(v)}
	if _, err := s.Read(t.Context(), id); !errors.Is(err, grant.ErrSealed) {
		t.Errorf("error %v, want %v", err, grant.ErrSealed)
	}
}
