package mcpserver

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/makeops/make-operator/api/v1alpha1"
)

func TestWhatWakesAServer(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	server := func(namespace, name, connection string, rollout v1alpha1.Rollout) *v1alpha1.MakeMCPServer {
		return &v1alpha1.MakeMCPServer{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec:       v1alpha1.MakeMCPServerSpec{ConnectionRef: v1alpha1.ConnectionRef{Name: connection}, Rollout: rollout},
		}
	}
	r := &Reconciler{Client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		server("sales", "a", "crm", ""), server("sales", "b", "other", ""), server("sales", "c", "crm", v1alpha1.RolloutRestart),
		server("support", "d", "crm", ""),
	).Build()}
	about := func(labels map[string]string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "sales", Name: "crm", Labels: labels}
	}
	of := func(name string) map[string]string { return map[string]string{v1alpha1.ServerLabel: name} }
	for name, tt := range map[string]struct{ got, want []reconcile.Request }{
		"its connection":                 {r.serversOfConnection(t.Context(), &v1alpha1.MakeConnection{ObjectMeta: about(nil)}), []reconcile.Request{request("sales", "a"), request("sales", "c")}},
		"its pod":                        {serverOfPod(t.Context(), &corev1.Pod{ObjectMeta: about(of("a"))}), []reconcile.Request{request("sales", "a")}},
		"a pod of nobody":                {serverOfPod(t.Context(), &corev1.Pod{ObjectMeta: about(nil)}), nil},
		"its Secret, in the environment": {r.serverOfSecret(t.Context(), &corev1.Secret{ObjectMeta: about(of("c"))}), []reconcile.Request{request("sales", "c")}},
		"its Secret, mounted":            {r.serverOfSecret(t.Context(), &corev1.Secret{ObjectMeta: about(of("a"))}), nil},
		"the Secret of a former server":  {r.serverOfSecret(t.Context(), &corev1.Secret{ObjectMeta: about(of("gone"))}), nil},
		"a Secret of nobody":             {r.serverOfSecret(t.Context(), &corev1.Secret{ObjectMeta: about(nil)}), nil},
	} {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
