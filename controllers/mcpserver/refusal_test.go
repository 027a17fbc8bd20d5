package mcpserver_test

import (
	"context"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
)

var _ = Describe("A server that cannot be", func() {
	var w *world

	BeforeEach(func(ctx context.Context) { w = newWorld(ctx) })

	// expectNothingBuilt checks that no pod can come of it.
	expectNothingBuilt := func(ctx context.Context) {
		GinkgoHelper()
		var list appsv1.DeploymentList
		Expect(live.List(ctx, &list, client.InNamespace(w.namespace))).To(Succeed())
		Expect(list.Items).To(BeEmpty())
	}

	It("waits for its connection", func(ctx context.Context) {
		w.createServer(ctx, nil)
		o := w.pass(ctx)
		Expect(o.terminal).To(BeTrue())
		Expect(o.health).To(Equal(status.FailedStatus))
		Expect(o.conditions()).To(HaveKeyWithValue("Stalled", "True/ConnectionNotFound"))
		Expect(o.message()).To(Equal("MakeConnection crm does not exist: create it, or correct spec.connectionRef"))

		conn := w.createConnection(ctx, nil)
		o = w.pass(ctx)
		Expect(o.health).To(Equal(status.InProgressStatus), "the connection is on its way")
		Expect(o.conditions()).To(HaveKeyWithValue("Ready", "False/ConnectionNotReady"))

		stall(ctx, conn)
		o = w.pass(ctx)
		Expect(o.health).To(Equal(status.FailedStatus))
		Expect(o.message()).To(Equal("MakeConnection crm is stalled by CredentialRejected: see its conditions"))
		expectNothingBuilt(ctx)

		publish(ctx, conn)
		Expect(w.pass(ctx).conditions()).To(HaveKeyWithValue("ConnectionReady", "True/Succeeded"))
	})

	It("goes on with the token it has when its connection gets into trouble", func(ctx context.Context) {
		conn := w.ready(ctx, nil)
		stall(ctx, conn)
		o := w.pass(ctx)
		Expect(o.health).To(Equal(status.CurrentStatus))
		Expect(w.writes).To(BeEmpty())
	})

	It("waits for a token with scopes that were added", func(ctx context.Context) {
		conn := w.ready(ctx, nil)
		conn.Spec.Scopes = append(conn.Spec.Scopes, "teams:read")
		Expect(live.Update(ctx, conn)).To(Succeed())
		w.change(ctx, func(spec *v1alpha1.MakeMCPServerSpec) { spec.Scopes = append(spec.Scopes, "teams:read") })
		Expect(w.pass(ctx).conditions()).To(HaveKeyWithValue("Ready", "False/ConnectionNotReady"))
		Expect(w.writes).To(Equal([]string{"patch status of MakeMCPServer"}))
	})

	DescribeTable("is refused with a next step",
		func(ctx context.Context, connection func(*v1alpha1.MakeConnectionSpec), server func(*v1alpha1.MakeMCPServerSpec), reason string, words []string) {
			publish(ctx, w.createConnection(ctx, connection))
			w.createServer(ctx, server)
			o := w.pass(ctx)
			Expect(o.terminal).To(BeTrue())
			Expect(o.health).To(Equal(status.FailedStatus))
			Expect(o.conditions()).To(HaveKeyWithValue("ScopesAllowed", "False/"+reason))
			for _, word := range words {
				Expect(o.message()).To(ContainSubstring(word))
			}
			expectNothingBuilt(ctx)
			w.pass(ctx)
			Expect(w.writes).To(BeEmpty())
		},
		Entry("a scope beyond the connection's", nil, func(spec *v1alpha1.MakeMCPServerSpec) {
			spec.Scopes = append(spec.Scopes, "teams:read")
		}, "ScopeRefused", []string{"spec.scopes[2]", "teams:read", "remove it here", "add it to the connection"}),
		Entry("a scope that no server may have", func(spec *v1alpha1.MakeConnectionSpec) {
			spec.Scopes = append(spec.Scopes, "user:write")
		}, func(spec *v1alpha1.MakeMCPServerSpec) {
			spec.Scopes = append(spec.Scopes, "user:write")
		}, "ScopeRefused", []string{"spec.scopes[2]", "user:write", "remove it here"}),
		Entry("an issuer that the operator does not trust", nil, func(spec *v1alpha1.MakeMCPServerSpec) {
			spec.Access.Rules = append(spec.Access.Rules, v1alpha1.AccessRule{
				OIDC: &v1alpha1.OIDCSubjects{Issuer: "corp", Subjects: []string{"a"}}, Scopes: []v1alpha1.Scope{"scenarios:read"},
			})
		}, "IssuerNotTrusted", []string{"spec.access.rules[1].oidc.issuer", "corp", "none is configured", "--oidc-issuer"}),
		Entry("restarts with tokens that live minutes", func(spec *v1alpha1.MakeConnectionSpec) {
			spec.Auth = v1alpha1.Auth{OAuth: &v1alpha1.OAuthAuth{ClientRef: v1alpha1.LocalRef{Name: "client"}}}
		}, func(spec *v1alpha1.MakeMCPServerSpec) {
			spec.Rollout = v1alpha1.RolloutRestart
		}, "RolloutRefused", []string{"spec.rollout", "use Reload", "apiToken"}),
	)

	It("keeps what works when its spec turns bad", func(ctx context.Context) {
		w.ready(ctx, nil)
		generation := w.deployment(ctx).Generation
		w.change(ctx, func(spec *v1alpha1.MakeMCPServerSpec) { spec.Scopes = append(spec.Scopes, "admin:write") })
		Expect(w.pass(ctx).health).To(Equal(status.FailedStatus))
		Expect(w.deployment(ctx).Generation).To(Equal(generation))
	})

	It("takes away at once what a spec takes away whose scopes are refused", func(ctx context.Context) {
		w.ready(ctx, func(spec *v1alpha1.MakeMCPServerSpec) {
			spec.Access.Rules = append(spec.Access.Rules, v1alpha1.AccessRule{
				ServiceAccounts: []v1alpha1.ServiceAccountSubject{{Name: "former"}}, Scopes: []v1alpha1.Scope{"scenarios:run"},
			})
		})
		w.change(ctx, func(spec *v1alpha1.MakeMCPServerSpec) {
			spec.Scopes = []v1alpha1.Scope{"scenarios:read", "admin:write"} // scenarios:run goes
			spec.Access.Rules = []v1alpha1.AccessRule{
				{ServiceAccounts: []v1alpha1.ServiceAccountSubject{{Name: "agent"}}, Scopes: []v1alpha1.Scope{"scenarios:read", "admin:write"}},
				{ServiceAccounts: []v1alpha1.ServiceAccountSubject{{Name: "admin"}}, Scopes: []v1alpha1.Scope{"admin:write"}},
			}
		})
		o := w.pass(ctx)
		Expect(o.conditions()).To(HaveKeyWithValue("Ready", "False/ScopeRefused"))
		config := &corev1.ConfigMap{}
		w.read(ctx, serverName, config)
		served := config.Data["config.yaml"]
		Expect(served).To(And(ContainSubstring(w.namespace+":agent"), ContainSubstring("scenarios:read")))
		Expect(served).To(And(Not(ContainSubstring("former")), Not(ContainSubstring("scenarios:run"))), "what was taken away")
		Expect(served).To(And(Not(ContainSubstring("admin:write")), Not(ContainSubstring(w.namespace+":admin"))), "what was refused")
		w.pass(ctx)
		Expect(w.writes).To(BeEmpty())

		w.change(ctx, func(spec *v1alpha1.MakeMCPServerSpec) { // nothing of its token is left
			spec.Scopes = []v1alpha1.Scope{"admin:write"}
			spec.Access.Rules = spec.Access.Rules[1:]
		})
		w.pass(ctx)
		w.read(ctx, serverName, config)
		Expect(config.Data["config.yaml"]).NotTo(ContainSubstring(w.namespace+":"), "somebody may call")
	})

	It("is judged by policy, and again when an exception ends", func(ctx context.Context) {
		ceiling := &v1alpha1.MakeScopePolicy{ObjectMeta: metav1.ObjectMeta{Name: "ceiling-" + w.namespace}}
		ceiling.Spec.MaxRisk = "Moderate"
		ceiling.Spec.NamespaceSelector.MatchLabels = map[string]v1alpha1.LabelValue{"kubernetes.io/metadata.name": v1alpha1.LabelValue(w.namespace)}
		ceiling.Spec.Exceptions = []v1alpha1.PolicyException{{
			Namespace: w.namespace, Scopes: []v1alpha1.Scope{"scenarios:run"}, Reason: "pilot", ExpiresAt: metav1.NewTime(w.clock.Now().Add(time.Minute)),
		}}
		Expect(live.Create(ctx, ceiling)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(live.Delete(ctx, ceiling)).To(Succeed()) })
		publish(ctx, w.createConnection(ctx, nil))
		w.createServer(ctx, nil)
		o := w.pass(ctx)
		Expect(o.conditions()).To(And(HaveKeyWithValue("ScopesAllowed", "Unknown/PolicyNotReady"), HaveKeyWithValue("Ready", "False/PolicyNotReady")))
		Expect(o.after).To(Equal(10 * time.Second))
		expectNothingBuilt(ctx)

		meta.SetStatusCondition(&ceiling.Status.Conditions, metav1.Condition{
			Type: v1alpha1.Valid, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSucceeded, ObservedGeneration: ceiling.Generation,
		})
		Expect(live.Status().Update(ctx, ceiling)).To(Succeed())
		o = w.pass(ctx)
		Expect(o.conditions()).To(HaveKeyWithValue("ScopesAllowed", "True/Succeeded"))
		Expect(o.after).To(BeNumerically("<=", time.Minute))

		w.clock.Step(time.Minute)
		o = w.pass(ctx)
		Expect(o.conditions()).To(HaveKeyWithValue("ScopesAllowed", "False/ScopeRefused"))
		Expect(o.message()).To(ContainSubstring("the exception for it has ended"))
	})

	It("touches no object of others, and looks again until it is gone", func(ctx context.Context) {
		foreign := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: serverName},
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 1234}}},
		}
		Expect(live.Create(ctx, foreign)).To(Succeed())
		publish(ctx, w.createConnection(ctx, nil))
		w.createServer(ctx, nil)

		o := w.pass(ctx)
		Expect(o.health).To(Equal(status.FailedStatus))
		Expect(o.conditions()).To(HaveKeyWithValue("Stalled", "True/WorkloadConflict"))
		Expect(o.message()).To(And(ContainSubstring("Service crm-tools"), ContainSubstring("rename or delete it")))
		Expect(o.after).To(Equal(10*time.Second), "nobody watches what is not ours")
		version := foreign.ResourceVersion
		w.read(ctx, serverName, foreign)
		Expect(foreign.ResourceVersion).To(Equal(version))
		expectNothingBuilt(ctx)

		Expect(live.Delete(ctx, foreign)).To(Succeed())
		Expect(w.pass(ctx).health).To(Equal(status.InProgressStatus))
		Expect(w.deployment(ctx).Name).To(Equal(serverName))
	})

	It("says that the API server does not accept its resources", func(ctx context.Context) {
		publish(ctx, w.createConnection(ctx, nil))
		w.createServer(ctx, func(spec *v1alpha1.MakeMCPServerSpec) {
			spec.Resources.Requests = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}
			spec.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Mi")}
		})
		o := w.pass(ctx)
		Expect(o.health).To(Equal(status.FailedStatus))
		Expect(o.conditions()).To(HaveKeyWithValue("Stalled", "True/WorkloadInvalid"))
		Expect(o.message()).To(ContainSubstring("spec.resources"))
		w.change(ctx, func(spec *v1alpha1.MakeMCPServerSpec) { spec.Resources = corev1.ResourceRequirements{} })
		Expect(w.pass(ctx).health).To(Equal(status.InProgressStatus))
	})
})
