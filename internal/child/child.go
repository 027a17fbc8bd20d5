package child

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// ErrForeign means that an object of the wanted name exists and is not owned by the resource.
var ErrForeign = errors.New("exists and is not owned by this resource")

// hashAnnotation tells a wish that changed from fields that the API server filled in. Objects with secret content have none.
const hashAnnotation = "makeops.dev/wanted"

// Keeper ensures children. Its zero value is not usable.
type Keeper struct {
	// Client may read from a cache that shows only objects with the label app.kubernetes.io/managed-by=make-operator.
	Client client.Client
	// Live reads past the cache.
	Live client.Reader
}

// Ensure creates desired, or brings the existing object back to it. It gives desired the owner and the managed-by label.
// Errors: ErrForeign, and those of the API server.
func (k *Keeper) Ensure(ctx context.Context, owner, desired client.Object) error {
	if err := k.prepare(owner, desired); err != nil {
		return err
	}
	existing, err := k.empty(desired)
	if err != nil {
		return err
	}
	err = k.Client.Get(ctx, client.ObjectKeyFromObject(desired), existing)
	if apierrors.IsNotFound(err) {
		err = k.Client.Create(ctx, desired.DeepCopyObject().(client.Object))
		if !apierrors.IsAlreadyExists(err) {
			return k.wrap("create", desired, err)
		}
		err = k.Live.Get(ctx, client.ObjectKeyFromObject(desired), existing) // hidden from the cache, or not in it yet
	}
	if err != nil {
		return k.wrap("read", desired, err)
	}
	if !metav1.IsControlledBy(existing, owner) {
		return k.wrap("keep", desired, ErrForeign)
	}
	same, err := matches(existing, desired)
	if err != nil || same && !frozen(existing) {
		return k.wrap("compare", desired, err)
	}
	if frozen(existing) { // by a user: it can be replaced only
		if err := k.Remove(ctx, owner, existing); err != nil {
			return err
		}
		return k.wrap("create", desired, k.Client.Create(ctx, desired))
	}
	desired.SetResourceVersion(existing.GetResourceVersion())
	desired.SetLabels(merged(foreign(existing.GetLabels()), desired.GetLabels()))
	desired.SetAnnotations(merged(foreign(existing.GetAnnotations()), desired.GetAnnotations()))
	desired.SetFinalizers(existing.GetFinalizers())
	return k.wrap("update", desired, k.Client.Update(ctx, desired))
}

// empty is an object of the same kind without content: what a client reads into an object may leave standing what was there.
func (k *Keeper) empty(like client.Object) (client.Object, error) {
	gvk, err := apiutil.GVKForObject(like, k.Client.Scheme())
	if err != nil {
		return nil, k.wrap("read", like, err)
	}
	made, err := k.Client.Scheme().New(gvk)
	if err != nil {
		return nil, k.wrap("read", like, err)
	}
	return made.(client.Object), nil
}

// Remove deletes an object if owner owns it. None is fine.
func (k *Keeper) Remove(ctx context.Context, owner, obj client.Object) error {
	if !metav1.IsControlledBy(obj, owner) {
		return nil
	}
	uid := obj.GetUID()
	err := k.Client.Delete(ctx, obj, client.Preconditions{UID: &uid})
	return k.wrap("delete", obj, client.IgnoreNotFound(err))
}

// prepare completes desired with what all children have.
func (k *Keeper) prepare(owner, desired client.Object) error {
	if err := controllerutil.SetControllerReference(owner, desired, k.Client.Scheme()); err != nil {
		return fmt.Errorf("own %s: %w", desired.GetName(), err)
	}
	desired.SetLabels(merged(desired.GetLabels(), map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy}))
	if isSecret(desired) {
		return nil
	}
	raw, err := json.Marshal(desired)
	if err != nil {
		return k.wrap("encode", desired, err)
	}
	sum := sha256.Sum256(raw)
	desired.SetAnnotations(merged(desired.GetAnnotations(), map[string]string{hashAnnotation: hex.EncodeToString(sum[:8])}))
	return nil
}

func (k *Keeper) wrap(verb string, obj client.Object, err error) error {
	if err == nil {
		return nil
	}
	kind := "object"
	if gvk, unknown := apiutil.GVKForObject(obj, k.Client.Scheme()); unknown == nil {
		kind = gvk.Kind
	}
	return fmt.Errorf("%s %s %s: %w", verb, kind, obj.GetName(), err)
}

// matches reports whether existing has all that desired says. What the API server filled in beside it does not count.
func matches(existing, desired client.Object) (bool, error) {
	have, err := runtime.DefaultUnstructuredConverter.ToUnstructured(existing)
	if err != nil {
		return false, err
	}
	want, err := runtime.DefaultUnstructuredConverter.ToUnstructured(desired)
	if err != nil {
		return false, err
	}
	if isSecret(desired) && !sameKeys(have["data"], want["data"]) {
		return false, nil
	}
	if outdated(existing.GetLabels(), desired.GetLabels()) || outdated(existing.GetAnnotations(), desired.GetAnnotations()) {
		return false, nil
	}
	delete(want, "status")
	return covers(have, want), nil
}

// covers reports whether have holds everything of want: maps may hold more, lists may not.
func covers(have, want any) bool {
	switch w := want.(type) {
	case nil:
		return true
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok {
			return len(w) == 0
		}
		for key, value := range w {
			if !covers(h[key], value) {
				return false
			}
		}
		return true
	case []any:
		h, _ := have.([]any)
		if len(h) != len(w) {
			return false
		}
		for i := range w {
			if !covers(h[i], w[i]) {
				return false
			}
		}
		return true
	default:
		return have == want
	}
}

func sameKeys(a, b any) bool {
	x, _ := a.(map[string]any)
	y, _ := b.(map[string]any)
	return len(x) == len(y)
}

// ownPrefix is that of the labels and annotations that nobody but the operator sets on a child.
const ownPrefix = "makeops.dev/"

// outdated reports whether existing labels or annotations hold one of ours that is not wanted any more.
func outdated(existing, desired map[string]string) bool {
	for key := range existing {
		if _, wanted := desired[key]; !wanted && strings.HasPrefix(key, ownPrefix) {
			return true
		}
	}
	return false
}

// foreign are the labels or annotations that are not ours.
func foreign(existing map[string]string) map[string]string {
	out := maps.Clone(existing)
	maps.DeleteFunc(out, func(key, _ string) bool { return strings.HasPrefix(key, ownPrefix) })
	return out
}

func isSecret(obj client.Object) bool {
	_, ok := obj.(*corev1.Secret)
	return ok
}

// frozen reports whether the API server refuses every change of the content.
func frozen(obj client.Object) bool {
	secret, ok := obj.(*corev1.Secret)
	return ok && secret.Immutable != nil && *secret.Immutable
}

func merged(base, over map[string]string) map[string]string {
	out := maps.Clone(base)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, over)
	return out
}
