package child_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/child"
)

// rig keeps children of one owner in a fake API server and counts the writes.
type rig struct {
	t      *testing.T
	client client.WithWatch
	keeper *child.Keeper
	owner  *v1alpha1.MakeConnection
	writes int
	// hidden makes the keeper's cache show nothing.
	hidden bool
}

func newRig(t *testing.T) *rig {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, rbacv1.AddToScheme, appsv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	r := &rig{t: t, client: fake.NewClientBuilder().WithScheme(scheme).Build(), owner: owner("crm", "uid-1")}
	counting := interceptor.NewClient(r.client, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
			if r.hidden {
				return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
			}
			return decodeInto(ctx, c, key, into)
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			r.writes++
			return c.Create(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			r.writes++
			return c.Update(ctx, o, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			r.writes++
			return c.Delete(ctx, o, opts...)
		},
	})
	live := interceptor.NewClient(r.client, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
			return decodeInto(ctx, c, key, into)
		},
	})
	r.keeper = &child.Keeper{Client: counting, Live: live}
	return r
}

// decodeInto reads as a client does that gets JSON from the API server: it decodes into what it is given, and what the answer does
// not name stays.
func decodeInto(ctx context.Context, c client.Client, key client.ObjectKey, into client.Object) error {
	fresh := into.DeepCopyObject().(client.Object)
	if err := c.Get(ctx, key, fresh); err != nil {
		return err
	}
	raw, err := json.Marshal(fresh)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

func owner(name, uid string) *v1alpha1.MakeConnection {
	return &v1alpha1.MakeConnection{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: name, UID: types.UID("owner-" + uid)}}
}

func meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "sales", Name: name, Labels: map[string]string{"makeops.dev/connection": "crm"}}
}

func secret() *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: meta("crm-agent"), Type: corev1.SecretTypeOpaque,
		Data: map[string][]byte{"token": []byte("t1"), "zone": []byte("eu1.make.com")},
	}
}

func role() *rbacv1.Role {
	return &rbacv1.Role{ObjectMeta: meta("crm-agent"), Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"crm-agent"}, Verbs: []string{"get", "watch"},
	}}}
}

func deployment() *appsv1.Deployment {
	labels := map[string]string{"app": "mcp"}
	return &appsv1.Deployment{ObjectMeta: meta("crm-mcp"), Spec: appsv1.DeploymentSpec{
		Replicas: new(int32(2)), Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
			Containers:  []corev1.Container{{Name: "mcp", Image: "make-mcp:1", Args: []string{"--config", "/etc/c.yaml"}}},
			Tolerations: []corev1.Toleration{{Key: "gpu"}}, ServiceAccountName: "mcp",
		}},
	}}
}

func (r *rig) ensure(o client.Object) {
	r.t.Helper()
	if err := r.keeper.Ensure(r.t.Context(), r.owner, o); err != nil {
		r.t.Fatal(err)
	}
}

// stored reads the object of the same kind and name.
func stored[T client.Object](r *rig, like, into T) T {
	r.t.Helper()
	if err := r.client.Get(r.t.Context(), client.ObjectKeyFromObject(like), into); err != nil {
		r.t.Fatal(err)
	}
	return into
}

// change changes the stored object behind the keeper's back.
func change[T client.Object](r *rig, like, into T, edit func(T)) {
	r.t.Helper()
	o := stored(r, like, into)
	edit(o)
	if err := r.client.Update(r.t.Context(), o); err != nil {
		r.t.Fatal(err)
	}
}

func TestCreateThenNothing(t *testing.T) {
	for name, build := range map[string]func() client.Object{
		"Secret":     func() client.Object { return secret() },
		"Role":       func() client.Object { return role() },
		"Deployment": func() client.Object { return deployment() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.ensure(build())
			if r.writes != 1 {
				t.Errorf("%d writes to create", r.writes)
			}
			got := build()
			stored(r, got, got)
			if !metav1.IsControlledBy(got, r.owner) || got.GetLabels()[v1alpha1.ManagedByLabel] != v1alpha1.ManagedBy {
				t.Errorf("owners %v, labels %v", got.GetOwnerReferences(), got.GetLabels())
			}
			for range 3 {
				r.ensure(build())
			}
			r.hidden = true // not in the cache yet
			r.ensure(build())
			if r.writes != 2 { // the refused creation
				t.Errorf("%d writes where nothing changed", r.writes-2)
			}
		})
	}
}

func TestSecretIsRestored(t *testing.T) {
	for name, edit := range map[string]func(*corev1.Secret){
		"changed value":      func(s *corev1.Secret) { s.Data["token"] = []byte("forged") },
		"removed key":        func(s *corev1.Secret) { delete(s.Data, "zone") },
		"added key":          func(s *corev1.Secret) { s.Data["LD_PRELOAD"] = []byte("x") },
		"exchanged key":      func(s *corev1.Secret) { delete(s.Data, "zone"); s.Data["other"] = []byte("x") },
		"emptied":            func(s *corev1.Secret) { s.Data = nil },
		"removed label":      func(s *corev1.Secret) { delete(s.Labels, "makeops.dev/connection") },
		"removed managed-by": func(s *corev1.Secret) { delete(s.Labels, v1alpha1.ManagedByLabel) },
		"stale own annotation": func(s *corev1.Secret) {
			s.Annotations = map[string]string{v1alpha1.ExpiryAnnotation: "2026-01-01T00:00:00Z"}
		},
		"stale own label": func(s *corev1.Secret) { s.Labels[v1alpha1.ServerLabel] = "x" },
	} {
		for _, hidden := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", hidden from the cache"}[hidden], func(t *testing.T) {
				r := newRig(t)
				r.ensure(secret())
				want := stored(r, secret(), &corev1.Secret{})
				change(r, secret(), &corev1.Secret{}, edit)
				r.hidden = hidden
				r.ensure(secret())
				got := stored(r, secret(), &corev1.Secret{})
				got.ResourceVersion = want.ResourceVersion
				if len(got.Annotations) == 0 {
					got.Annotations = want.Annotations
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				r.writes, r.hidden = 0, false
				r.ensure(secret())
				if r.writes != 0 {
					t.Error("it is written again and again")
				}
			})
		}
	}
}

func TestFieldsAreRestored(t *testing.T) {
	for name, edit := range map[string]func(*appsv1.Deployment){
		"changed image":    func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "evil" },
		"removed argument": func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Args = []string{"--config"} },
		"added container": func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers = append(d.Spec.Template.Spec.Containers, corev1.Container{Name: "x", Image: "x"})
		},
		"removed list":   func(d *appsv1.Deployment) { d.Spec.Template.Spec.Tolerations = nil },
		"other replicas": func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32(0)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.ensure(deployment())
			want := stored(r, deployment(), &appsv1.Deployment{})
			change(r, deployment(), &appsv1.Deployment{}, edit)
			r.ensure(deployment())
			if diff := cmp.Diff(want.Spec, stored(r, deployment(), &appsv1.Deployment{}).Spec); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A field that is not wanted any more goes, although the API server could have filled it in.
func TestFieldThatIsWantedNoMoreGoes(t *testing.T) {
	r := newRig(t)
	r.ensure(deployment())
	less := deployment()
	less.Spec.Template.Spec.ServiceAccountName, less.Spec.Template.Spec.Tolerations = "", nil
	r.ensure(less.DeepCopy())
	got := stored(r, deployment(), &appsv1.Deployment{}).Spec.Template.Spec
	if got.ServiceAccountName != "" || got.Tolerations != nil {
		t.Errorf("still there: %q, %v", got.ServiceAccountName, got.Tolerations)
	}
	r.writes = 0
	r.ensure(less.DeepCopy())
	if r.writes != 0 {
		t.Error("it is written again and again")
	}
}

// An annotation of ours that a Secret needs no more goes: that of an expiry would say that a lasting token is dead.
func TestAnnotationThatIsWantedNoMoreGoes(t *testing.T) {
	r := newRig(t)
	expiring := secret()
	expiring.Annotations = map[string]string{v1alpha1.ExpiryAnnotation: "2026-01-01T00:00:00Z"}
	r.ensure(expiring)
	r.ensure(secret())
	if got := stored(r, secret(), &corev1.Secret{}).Annotations; len(got) != 0 {
		t.Errorf("annotations are %v", got)
	}
}

// What the API server fills in, and what others add beside, is no reason to write, and survives a write.
func TestOthersAdditionsStay(t *testing.T) {
	r := newRig(t)
	r.ensure(deployment())
	change(r, deployment(), &appsv1.Deployment{}, func(d *appsv1.Deployment) {
		spec := &d.Spec.Template.Spec
		spec.RestartPolicy, spec.DNSPolicy, spec.Containers[0].ImagePullPolicy = corev1.RestartPolicyAlways, corev1.DNSClusterFirst, corev1.PullIfNotPresent
		spec.Containers[0].TerminationMessagePath, d.Spec.RevisionHistoryLimit = "/dev/termination-log", new(int32(10))
		d.Spec.Strategy.Type, spec.DeprecatedServiceAccount = appsv1.RollingUpdateDeploymentStrategyType, "mcp"
		d.Labels["team"] = "sales"
		d.Annotations["deployment.kubernetes.io/revision"] = "3"
		d.Finalizers = []string{"example.com/audit"}
	})
	r.writes = 0
	r.ensure(deployment())
	if r.writes != 0 {
		t.Fatalf("%d writes", r.writes)
	}
	changed := deployment()
	changed.Spec.Replicas = new(int32(3))
	r.ensure(changed)
	got := stored(r, deployment(), &appsv1.Deployment{})
	if *got.Spec.Replicas != 3 || got.Labels["team"] != "sales" || got.Annotations["deployment.kubernetes.io/revision"] != "3" ||
		!cmp.Equal(got.Finalizers, []string{"example.com/audit"}) {
		t.Errorf("replicas %d, labels %v, annotations %v, finalizers %v", *got.Spec.Replicas, got.Labels, got.Annotations, got.Finalizers)
	}
}

// An object that somebody else made, or that belongs to somebody else, is left as it is.
func TestForeignObjectIsNotTouched(t *testing.T) {
	controlledBy := func(o *v1alpha1.MakeConnection) []metav1.OwnerReference {
		return []metav1.OwnerReference{*metav1.NewControllerRef(o, v1alpha1.GroupVersion.WithKind("MakeConnection"))}
	}
	plain := controlledBy(owner("crm", "uid-1"))
	plain[0].Controller = nil
	for name, owners := range map[string][]metav1.OwnerReference{
		"nobody's":                             nil,
		"of another connection":                controlledBy(owner("erp", "uid-2")),
		"of an earlier one of the same name":   controlledBy(owner("crm", "uid-0")),
		"that lists us, but not as controller": plain,
	} {
		for _, hidden := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", hidden from the cache"}[hidden], func(t *testing.T) {
				r := newRig(t)
				theirs := secret()
				theirs.Data, theirs.OwnerReferences = map[string][]byte{"password": []byte("p")}, owners
				if err := r.client.Create(t.Context(), theirs); err != nil {
					t.Fatal(err)
				}
				before := stored(r, theirs, &corev1.Secret{})
				r.hidden = hidden
				if err := r.keeper.Ensure(t.Context(), r.owner, secret()); !errors.Is(err, child.ErrForeign) {
					t.Errorf("error %v, want %v", err, child.ErrForeign)
				}
				if err := r.keeper.Remove(t.Context(), r.owner, before.DeepCopy()); err != nil {
					t.Error(err)
				}
				if diff := cmp.Diff(before, stored(r, theirs, &corev1.Secret{})); diff != "" {
					t.Errorf("it changed (-before +after):\n%s", diff)
				}
			})
		}
	}
}

func TestRemove(t *testing.T) {
	r := newRig(t)
	r.ensure(secret())
	seen := stored(r, secret(), &corev1.Secret{})
	for range 2 { // the second time it is gone already
		if err := r.keeper.Remove(t.Context(), r.owner, seen.DeepCopy()); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.client.Get(t.Context(), client.ObjectKeyFromObject(seen), &corev1.Secret{}); !apierrors.IsNotFound(err) {
		t.Errorf("error %v, want none found", err)
	}
}

// Two writers that saw the same object do not overwrite each other.
func TestUpdateConflicts(t *testing.T) {
	r := newRig(t)
	r.ensure(secret())
	raced := false
	r.keeper.Client = interceptor.NewClient(r.client, interceptor.Funcs{
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			if !raced {
				raced = true
				change(r, secret(), &corev1.Secret{}, func(s *corev1.Secret) { s.Labels = maps.Clone(s.Labels); s.Labels["raced"] = "yes" })
			}
			return c.Update(ctx, o, opts...)
		},
	})
	wanted := secret()
	wanted.Data["token"] = []byte("t2")
	if err := r.keeper.Ensure(t.Context(), r.owner, wanted); !apierrors.IsConflict(err) {
		t.Errorf("error %v, want a conflict", err)
	}
}

// Nothing that could be used to guess a token stands beside it.
func TestSecretHasNoHash(t *testing.T) {
	r := newRig(t)
	r.ensure(secret())
	if got := stored(r, secret(), &corev1.Secret{}).Annotations; len(got) != 0 {
		t.Errorf("annotations are %v", got)
	}
}
