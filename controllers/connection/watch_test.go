package connection

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
)

// grantSecret is the Secret of crm's grant after a number of consents and writes.
func grantSecret(namespace, consents, write string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: "make-grant-1", Labels: map[string]string{grant.Label: "1"}, ResourceVersion: write,
		Annotations: map[string]string{"makeops.dev/connection": "sales/crm", "makeops.dev/consents": consents, "makeops.dev/write": write},
	}}
}

func TestWhatWakesAConnection(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	conn := func(namespace, name string, auth v1alpha1.Auth) *v1alpha1.MakeConnection {
		return &v1alpha1.MakeConnection{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: v1alpha1.MakeConnectionSpec{Auth: auth},
		}
	}
	token := v1alpha1.Auth{APIToken: &v1alpha1.APITokenAuth{SecretRef: v1alpha1.SecretKeyRef{LocalRef: v1alpha1.LocalRef{Name: "root"}}}}
	oauth := v1alpha1.Auth{OAuth: &v1alpha1.OAuthAuth{ClientRef: v1alpha1.LocalRef{Name: "client"}}}
	r := &Reconciler{Grants: &grant.Store{Namespace: "operator"}, Client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		conn("sales", "crm", token), conn("sales", "erp", token), conn("sales", "web", oauth), conn("support", "crm", token),
	).Build()}
	secret := func(name string, labels map[string]string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: name, Labels: labels}}
	}
	request := func(name string) reconcile.Request {
		return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "sales", Name: name}}
	}
	for name, tt := range map[string]struct {
		secret *corev1.Secret
		want   []reconcile.Request
	}{
		"a root token":            {secret("root", nil), []reconcile.Request{request("crm"), request("erp")}},
		"an OAuth client":         {secret("client", nil), []reconcile.Request{request("web")}},
		"a consumer's Secret":     {secret("crm-a", map[string]string{v1alpha1.ConnectionLabel: "crm"}), []reconcile.Request{request("crm")}},
		"a grant":                 {grantSecret("operator", "1", "1"), []reconcile.Request{request("crm")}},
		"a user's forgery of one": {grantSecret("sales", "1", "1"), nil},
		"a Secret of nobody":      {secret("other", nil), nil},
	} {
		if diff := cmp.Diff(tt.want, r.connectionsOfSecret(t.Context(), tt.secret)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	server := &v1alpha1.MakeMCPServer{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales"}, Spec: v1alpha1.MakeMCPServerSpec{ConnectionRef: v1alpha1.ConnectionRef{Name: "crm"}},
	}
	if diff := cmp.Diff([]reconcile.Request{request("crm")}, connectionOfServer(t.Context(), server)); diff != "" {
		t.Errorf("a server (-want +got):\n%s", diff)
	}
}

// A wish for another consent wakes the operator, other annotations and its own status do not.
func TestAsksAgain(t *testing.T) {
	asked := func(value string) *v1alpha1.MakeConnection {
		return &v1alpha1.MakeConnection{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"makeops.dev/consent-again": value}}}
	}
	for name, tt := range map[string]struct {
		before, after *v1alpha1.MakeConnection
		want          bool
	}{
		"a first wish":  {&v1alpha1.MakeConnection{}, asked("1"), true},
		"a second one":  {asked("1"), asked("2"), true},
		"no other wish": {asked("1"), asked("1"), false},
		"a label":       {asked("1"), &v1alpha1.MakeConnection{ObjectMeta: metav1.ObjectMeta{Annotations: asked("1").Annotations, Labels: map[string]string{"a": "b"}}}, false},
	} {
		if got := concernsConnection.Update(event.UpdateEvent{ObjectOld: tt.before, ObjectNew: tt.after}); got != tt.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

// The operator's own writes of a grant wake nobody: a refresh that fails would wake itself, and never back off.
func TestOwnWritesOfAGrantAreNoNews(t *testing.T) {
	other := grantSecret("operator", "1", "3")
	other.UID = "another"
	plain := func(version string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{ResourceVersion: version}}
	}
	for name, tt := range map[string]struct {
		before, after *corev1.Secret
		want          bool
	}{
		"an own write":         {grantSecret("operator", "1", "1"), grantSecret("operator", "1", "2"), false},
		"a consent":            {grantSecret("operator", "1", "1"), grantSecret("operator", "2", "2"), true},
		"another grant":        {grantSecret("operator", "1", "1"), other, true},
		"a user's Secret":      {plain("1"), plain("2"), true},
		"a resync of a Secret": {plain("1"), plain("1"), false},
	} {
		if got := secretChanged(event.UpdateEvent{ObjectOld: tt.before, ObjectNew: tt.after}); got != tt.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}
