package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/makeops/make-operator/api/v1alpha1"
)

var now = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// show runs kubectl make status against objects.
func show(t *testing.T, name string, objects ...client.Object) (out string, err error) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	s := &status{
		IOStreams: genericiooptions.IOStreams{Out: &b, ErrOut: &b}, now: now, name: name, namespace: "sales",
		client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build(),
	}
	err = s.run(t.Context())
	return b.String(), err
}

func conditions(status metav1.ConditionStatus, reason, message string) v1alpha1.BaseStatus {
	return v1alpha1.BaseStatus{Conditions: []metav1.Condition{{Type: v1alpha1.Ready, Status: status, Reason: reason, Message: message}}}
}

func connection(name string, base v1alpha1.BaseStatus, secrets ...string) *v1alpha1.MakeConnection {
	c := &v1alpha1.MakeConnection{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: name}, Status: v1alpha1.MakeConnectionStatus{BaseStatus: base},
	}
	for _, s := range secrets {
		c.Status.Secrets = append(c.Status.Secrets, v1alpha1.ConsumerSecret{
			Name: s, ServiceAccountName: "reporting", Scopes: []string{"scenarios:read"},
		})
	}
	return c
}

func secret(name, expiry string) *corev1.Secret {
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: name}, Data: map[string][]byte{"token": []byte("do-not-show-this")},
	}
	if expiry != "" {
		s.Annotations = map[string]string{v1alpha1.ExpiryAnnotation: expiry}
	}
	return s
}

func TestStatus(t *testing.T) {
	ready := conditions("True", "Succeeded", "")
	pending := connection("oauth", conditions("False", "ConsentRequired", "open status.authorization.url in a browser"))
	pending.Status.Authorization.URL = "https://operator.example.com/connect/sales/oauth"
	server := &v1alpha1.MakeMCPServer{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "tools"},
		Spec:       v1alpha1.MakeMCPServerSpec{ConnectionRef: v1alpha1.ConnectionRef{Name: "crm"}},
		Status:     v1alpha1.MakeMCPServerStatus{BaseStatus: ready, URL: "http://tools.sales.svc/mcp", ToolCount: new(int32(5))},
	}
	for name, tt := range map[string]struct {
		objects []client.Object
		says    []string
	}{
		"never expires":   {[]client.Object{connection("crm", ready, "a"), secret("a", "")}, []string{"sales/crm", "True", "ServiceAccount reporting", "scenarios:read", "never"}},
		"expires":         {[]client.Object{connection("crm", ready, "a"), secret("a", now.Add(90*time.Second).Format(time.RFC3339))}, []string{"in 90s"}},
		"expired":         {[]client.Object{connection("crm", ready, "a"), secret("a", now.Add(-time.Second).Format(time.RFC3339))}, []string{"expired"}},
		"missing Secret":  {[]client.Object{connection("crm", ready, "a")}, []string{"? (missing)"}},
		"awaits consent":  {[]client.Object{pending}, []string{"ConsentRequired", "→ open status", "consent at https://operator.example.com/connect/sales/oauth"}},
		"not reconciled":  {[]client.Object{connection("new", v1alpha1.BaseStatus{})}, []string{"Unknown", "does it run?"}},
		"server":          {[]client.Object{server}, []string{"sales/tools", "crm", "5", "http://tools.sales.svc/mcp"}},
		"nothing at all":  {nil, []string{"try --all-namespaces"}},
		"other namespace": {[]client.Object{&v1alpha1.MakeConnection{ObjectMeta: metav1.ObjectMeta{Namespace: "hr", Name: "x"}}}, []string{"try --all-namespaces"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := show(t, "", tt.objects...)
			if err != nil {
				t.Fatal(err)
			}
			for _, fragment := range tt.says {
				if !strings.Contains(out, fragment) {
					t.Errorf("does not say %q:\n%s", fragment, out)
				}
			}
			if strings.Contains(out, "do-not-show-this") {
				t.Error("shows a token")
			}
		})
	}
}

func TestStatusOfOneName(t *testing.T) {
	ready := conditions("True", "Succeeded", "")
	out, err := show(t, "crm", connection("crm", ready), connection("other", ready))
	if err != nil || strings.Contains(out, "other") {
		t.Errorf("%v:\n%s", err, out)
	}
	if _, err := show(t, "no-such", connection("crm", ready)); err == nil {
		t.Error("a name that does not exist is no error")
	}
}
