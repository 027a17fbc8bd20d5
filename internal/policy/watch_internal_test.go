package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// written is a policy of a generation that was looked at as of another one; zero means never.
func written(generation, understood int64) *v1alpha1.MakeScopePolicy {
	p := &v1alpha1.MakeScopePolicy{ObjectMeta: metav1.ObjectMeta{Name: "ceiling", Generation: generation}}
	if understood > 0 {
		p.Status.Conditions = []metav1.Condition{{Type: v1alpha1.Valid, Status: metav1.ConditionTrue, ObservedGeneration: understood}}
	}
	return p
}

// TestPolicyChanged says which changes of a policy have its objects judged again: those after which the verdict may be another.
func TestPolicyChanged(t *testing.T) {
	counted := written(1, 1)
	counted.Status.ViolationCount = new(int32(7))
	going := written(1, 1)
	going.DeletionTimestamp = new(metav1.Now())
	invalid := written(2, 0)
	invalid.Status.Conditions = []metav1.Condition{{Type: v1alpha1.Valid, Status: metav1.ConditionFalse, ObservedGeneration: 2}}
	for name, tt := range map[string]struct {
		before, after *v1alpha1.MakeScopePolicy
		want          bool
	}{
		"becomes Ready":            {written(1, 0), written(1, 1), true},
		"written again":            {written(1, 1), written(2, 1), false}, // its look follows
		"looked at again":          {written(2, 1), written(2, 2), true},
		"counted":                  {written(1, 1), counted, false},
		"found invalid":            {written(2, 1), invalid, false}, // it was not Ready before either
		"not Ready any more":       {written(1, 1), written(1, 0), true},
		"deleted, with finalizers": {written(1, 1), going, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := policyChanged(event.UpdateEvent{ObjectOld: tt.before, ObjectNew: tt.after}); got != tt.want {
				t.Errorf("judged again: %v, want %v", got, tt.want)
			}
		})
	}
}

// TestGoverned finds the objects that a changed policy has judged again.
func TestGoverned(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	namespace := func(name, team string) *corev1.Namespace {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"team": team}}}
	}
	conn := func(ns string) *v1alpha1.MakeConnection {
		return &v1alpha1.MakeConnection{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "crm"}}
	}
	r := &Reader{Clock: clock.RealClock{}, Client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		namespace("a", "sales"), namespace("b", "hr"), namespace("c", "sales"), conn("a"), conn("b"), conn("c"),
	).Build()}
	found := func(p *v1alpha1.MakeScopePolicy) (names []string) {
		for _, request := range r.governed(t.Context(), p, &v1alpha1.MakeConnectionList{}) {
			names = append(names, request.String())
		}
		return names
	}
	some := written(1, 1)
	some.Spec.NamespaceSelector.MatchLabels = map[string]v1alpha1.LabelValue{"team": "sales"}
	if diff := cmp.Diff([]string{"a/crm", "c/crm"}, found(some)); diff != "" {
		t.Errorf("some namespaces (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a/crm", "b/crm", "c/crm"}, found(written(1, 1))); diff != "" {
		t.Errorf("all namespaces (-want +got):\n%s", diff)
	}
	one := r.requests(t.Context(), &v1alpha1.MakeConnectionList{}, func(string) bool { return true }, client.InNamespace("b"))
	if len(one) != 1 || one[0].String() != "b/crm" {
		t.Errorf("a relabelled namespace: %v", one)
	}
}
