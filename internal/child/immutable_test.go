package child_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A Secret that somebody made immutable is replaced, else it would hold an ended token for ever.
func TestImmutableSecretIsReplaced(t *testing.T) {
	r := newRig(t)
	if err := r.keeper.Ensure(t.Context(), r.owner, secret()); err != nil {
		t.Fatal(err)
	}
	stored := &corev1.Secret{}
	key := client.ObjectKeyFromObject(secret())
	if err := r.client.Get(t.Context(), key, stored); err != nil {
		t.Fatal(err)
	}
	stored.Immutable = new(true)
	if err := r.client.Update(t.Context(), stored); err != nil {
		t.Fatal(err)
	}
	if err := r.keeper.Ensure(t.Context(), r.owner, secret()); err != nil {
		t.Fatal(err)
	}
	restored := &corev1.Secret{}
	if err := r.client.Get(t.Context(), key, restored); err != nil {
		t.Fatal(err)
	}
	if restored.Immutable != nil || !cmp.Equal(restored.Data, secret().Data) {
		t.Error("it is not as it was")
	}
	r.writes = 0
	if err := r.keeper.Ensure(t.Context(), r.owner, secret()); err != nil || r.writes > 0 {
		t.Errorf("%d writes, %v", r.writes, err)
	}
}
