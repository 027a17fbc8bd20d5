package scopepolicy_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/controllers/scopepolicy"
	"github.com/makeops/make-operator/internal/policy"
	"github.com/makeops/make-operator/internal/step"
)

// live is a client of the suite's API server.
var live client.WithWatch

func TestScopePolicy(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "controllers/scopepolicy")
}

var _ = BeforeSuite(func() {
	ctrl.SetLogger(GinkgoLogr)
	server := &envtest.Environment{
		CRDDirectoryPaths:     []string{filepath.Join("..", "..", "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
		BinaryAssetsDirectory: filepath.Join("..", "..", "bin", "assets"), // unless KUBEBUILDER_ASSETS is set
	}
	config, err := server.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(server.Stop)
	scheme := runtime.NewScheme()
	Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	live, err = client.NewWithWatch(config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
})

// world is one spec's: a namespace, a policy for it, and the reconciler.
type world struct {
	namespace  string
	clock      *clocktesting.FakeClock
	reconciler *scopepolicy.Reconciler
	policy     *v1alpha1.MakeScopePolicy
}

func newWorld(ctx context.Context, change func(*world, *v1alpha1.MakeScopePolicySpec)) *world {
	GinkgoHelper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "sales-", Labels: map[string]string{"team": "sales"}}}
	Expect(live.Create(ctx, ns)).To(Succeed())
	w := &world{namespace: ns.Name, clock: clocktesting.NewFakeClock(time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC))}
	w.reconciler = &scopepolicy.Reconciler{
		Client: live, Policies: &policy.Reader{Client: live, Clock: w.clock}, Clock: w.clock,
		Steps: &step.Runner{Client: live, Events: events.NewFakeRecorder(100), Clock: w.clock, Grace: step.DefaultGrace},
	}
	w.policy = &v1alpha1.MakeScopePolicy{ObjectMeta: metav1.ObjectMeta{GenerateName: "ceiling-"}}
	w.policy.Spec.NamespaceSelector.MatchLabels = map[string]v1alpha1.LabelValue{"kubernetes.io/metadata.name": v1alpha1.LabelValue(w.namespace)}
	change(w, &w.policy.Spec)
	Expect(live.Create(ctx, w.policy)).To(Succeed())
	DeferCleanup(func(ctx context.Context) { Expect(live.Delete(ctx, w.policy)).To(Succeed()) })
	return w
}

// pass reconciles the policy once, and says whether that wrote anything.
func (w *world) pass(ctx context.Context) (result reconcile.Result, wrote bool, err error) {
	GinkgoHelper()
	key := client.ObjectKeyFromObject(w.policy)
	Expect(live.Get(ctx, key, w.policy)).To(Succeed())
	before := w.policy.ResourceVersion
	result, err = reconcile.AsReconciler(w.reconciler.Client, w.reconciler).Reconcile(ctx, reconcile.Request{NamespacedName: key})
	Expect(live.Get(ctx, key, w.policy)).To(Succeed())
	Expect(w.policy.Status.ObservedGeneration).To(Equal(w.policy.Generation))
	return result, w.policy.ResourceVersion != before, err
}

func (w *world) condition(name string) string {
	c := meta.FindStatusCondition(w.policy.Status.Conditions, name)
	if c == nil {
		return ""
	}
	return string(c.Status) + "/" + c.Reason
}

// connection makes a connection with these scopes, all of them for the ServiceAccount bot.
func (w *world) connection(ctx context.Context, name string, scopes ...v1alpha1.Scope) *v1alpha1.MakeConnection {
	GinkgoHelper()
	conn := &v1alpha1.MakeConnection{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec: v1alpha1.MakeConnectionSpec{
			Zone: "eu1.make.com", OrganizationID: 42, Scopes: scopes,
			Auth:      v1alpha1.Auth{OAuth: &v1alpha1.OAuthAuth{ClientRef: v1alpha1.LocalRef{Name: "client"}}},
			Consumers: []v1alpha1.Consumer{{ServiceAccountName: "bot"}},
		},
	}
	Expect(live.Create(ctx, conn)).To(Succeed())
	return conn
}

func (w *world) server(ctx context.Context, name, connection string, scopes ...v1alpha1.Scope) {
	GinkgoHelper()
	Expect(live.Create(ctx, &v1alpha1.MakeMCPServer{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec: v1alpha1.MakeMCPServerSpec{
			ConnectionRef: v1alpha1.ConnectionRef{Name: connection}, Scopes: scopes,
			Access: v1alpha1.Access{Rules: []v1alpha1.AccessRule{{
				ServiceAccounts: []v1alpha1.ServiceAccountSubject{{Name: "agent"}}, Scopes: scopes,
			}}},
		},
	})).To(Succeed())
}
