// Package admission asks a real API server that has nothing but the ValidatingAdmissionPolicy of config/admission what it makes of
// connections and servers: no webhook, no operator.
package admission

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/testkit/stack"
)

// server is a client of the API server that all tests share.
var server client.Client

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	env := &envtest.Environment{CRDDirectoryPaths: []string{"../../config/crd/bases"}, ErrorIfCRDPathMissing: true}
	config, err := env.Start()
	if err != nil {
		return 0, fmt.Errorf("start API server: %w", err)
	}
	defer func() {
		if stopped := env.Stop(); err == nil {
			err = stopped
		}
	}()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return 0, err
		}
	}
	config.QPS = -1
	if server, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return 0, err
	}
	if err := install(context.Background()); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// install creates the policy and its binding.
func install(ctx context.Context) error {
	manifests, err := os.Open("../../config/admission/policy.yaml")
	if err != nil {
		return err
	}
	defer manifests.Close()
	objects, err := stack.Decode(manifests)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if err := server.Create(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// settled waits until the API server follows every policy that was written before: it takes them up in order, so the last one is
// watched for.
func settled(t *testing.T, name string) {
	t.Helper()
	namespace := makeNamespace(t, name)
	createPolicy(t, name, namespace, v1alpha1.MakeScopePolicySpec{AllowedZones: []v1alpha1.ZonePattern{"nowhere.example"}})
	probe := connection(namespace)
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		err := server.Create(ctx, probe.DeepCopy(), client.DryRunAll)
		return err != nil, nil
	})
	if err != nil {
		t.Fatalf("the policy does not come into force: %v", err)
	}
}

func makeNamespace(t *testing.T, name string) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: name + "-", Labels: map[string]string{"team": "sales"}}}
	if err := server.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	return ns.Name
}

// createPolicy creates a policy; where it selects nothing it governs one namespace.
func createPolicy(t *testing.T, name, namespace string, spec v1alpha1.MakeScopePolicySpec) *v1alpha1.MakeScopePolicy {
	t.Helper()
	p := &v1alpha1.MakeScopePolicy{ObjectMeta: metav1.ObjectMeta{GenerateName: name + "-"}, Spec: spec}
	s := &p.Spec.NamespaceSelector
	s.MatchExpressions = append(s.MatchExpressions, v1alpha1.LabelRequirement{
		Key: "kubernetes.io/metadata.name", Operator: "In", Values: []v1alpha1.LabelValue{v1alpha1.LabelValue(namespace)},
	})
	if err := server.Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Delete(context.Background(), p) })
	return p
}

func connection(namespace string) *v1alpha1.MakeConnection {
	return &v1alpha1.MakeConnection{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "crm"},
		Spec: v1alpha1.MakeConnectionSpec{
			Zone: "eu1.make.com", OrganizationID: 42, Scopes: []v1alpha1.Scope{"teams:read", "scenarios:run"},
			Auth: v1alpha1.Auth{APIToken: &v1alpha1.APITokenAuth{SecretRef: v1alpha1.SecretKeyRef{
				LocalRef: v1alpha1.LocalRef{Name: "make-root"}, Key: "token",
			}}},
			Consumers: []v1alpha1.Consumer{{ServiceAccountName: "bot"}, {ServiceAccountName: "reader", Scopes: []v1alpha1.Scope{"teams:read"}}},
		},
	}
}

func mcpServer(namespace string) *v1alpha1.MakeMCPServer {
	scopes := []v1alpha1.Scope{"teams:read", "scenarios:run"}
	return &v1alpha1.MakeMCPServer{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "tools"},
		Spec: v1alpha1.MakeMCPServerSpec{
			ConnectionRef: v1alpha1.ConnectionRef{Name: "crm"}, Scopes: scopes,
			Access: v1alpha1.Access{Rules: []v1alpha1.AccessRule{{
				ServiceAccounts: []v1alpha1.ServiceAccountSubject{{Name: "agent"}}, Scopes: scopes,
			}}},
		},
	}
}
