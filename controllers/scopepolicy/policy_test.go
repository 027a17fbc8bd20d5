package scopepolicy_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/policy"
)

var _ = Describe("A policy", func() {
	moderate := func(_ *world, s *v1alpha1.MakeScopePolicySpec) { s.MaxRisk = "Moderate" }

	It("becomes Ready, counts what it governs, and writes nothing the second time", func(ctx context.Context) {
		w := newWorld(ctx, moderate)
		w.connection(ctx, "good", "scenarios:read")
		w.connection(ctx, "bad", "scenarios:read", "scenarios:run")
		w.server(ctx, "tools", "bad", "scenarios:run")
		elsewhere := newWorld(ctx, moderate)
		elsewhere.connection(ctx, "bad", "scenarios:run")

		_, wrote, err := w.pass(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(wrote).To(BeTrue())
		Expect([]string{w.condition("Ready"), w.condition("Valid"), w.condition("Judged")}).To(HaveEach("True/Succeeded"))
		status := w.policy.Status
		Expect([]int32{*status.Connections, *status.Servers, *status.ViolationCount}).To(Equal([]int32{2, 1, 2}))
		Expect(status.Violations).To(HaveExactElements(
			And(HaveField("Kind", "MakeConnection"), HaveField("Namespace", w.namespace), HaveField("Name", "bad"),
				HaveField("Message", HavePrefix("spec.scopes[1]: scope scenarios:run is refused (risk High, policy "+w.policy.Name))),
			And(HaveField("Kind", "MakeMCPServer"), HaveField("Name", "tools")),
		))
		_, wrote, err = w.pass(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(wrote).To(BeFalse())
	})

	It("reports what it only warns of or audits, and counts no violation of the built-in policy", func(ctx context.Context) {
		w := newWorld(ctx, func(_ *world, s *v1alpha1.MakeScopePolicySpec) {
			s.AllowedScopes, s.Enforcement = []v1alpha1.Scope{"teams:read", "admin:read"}, v1alpha1.EnforcementAudit
		})
		w.connection(ctx, "admin", "admin:read")
		w.connection(ctx, "other", "scenarios:read")
		_, _, err := w.pass(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(w.policy.Status.Violations).To(HaveExactElements(HaveField("Name", "other")))
	})

	It("counts those it is limited to", func(ctx context.Context) {
		w := newWorld(ctx, func(_ *world, s *v1alpha1.MakeScopePolicySpec) {
			s.MaxRisk = "Low"
			s.Consumers = []v1alpha1.PolicyConsumer{{Kind: v1alpha1.ConsumerMCPServer, Name: "tools"}}
		})
		w.connection(ctx, "crm", "scenarios:read")
		w.server(ctx, "tools", "crm", "scenarios:read")
		w.server(ctx, "others", "crm", "scenarios:read")
		_, _, err := w.pass(ctx)
		Expect(err).NotTo(HaveOccurred())
		status := w.policy.Status
		Expect([]int32{*status.Connections, *status.Servers, *status.ViolationCount}).To(Equal([]int32{0, 1, 1}))
	})

	It("counts again when an exception ends", func(ctx context.Context) {
		w := newWorld(ctx, func(w *world, s *v1alpha1.MakeScopePolicySpec) {
			s.MaxRisk = "Moderate"
			s.Exceptions = []v1alpha1.PolicyException{{
				Namespace: w.namespace, Scopes: []v1alpha1.Scope{"scenarios:run"}, Reason: "pilot", ExpiresAt: metav1.NewTime(w.clock.Now().Add(time.Hour)),
			}}
		})
		w.connection(ctx, "crm", "scenarios:run")
		result, _, err := w.pass(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(*w.policy.Status.ViolationCount).To(BeZero())
		Expect(result.RequeueAfter).To(Equal(time.Hour))
		w.clock.Step(time.Hour)
		result, _, err = w.pass(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(*w.policy.Status.ViolationCount).To(Equal(int32(1)))
		Expect(result.RequeueAfter).To(BeZero())
	})

	It("says which field it does not understand, and defers until that is mended", func(ctx context.Context) {
		w := newWorld(ctx, func(_ *world, s *v1alpha1.MakeScopePolicySpec) { s.AllowedScopes = []v1alpha1.Scope{"users:read"} })
		_, _, err := w.pass(ctx)
		Expect(err).To(MatchError(ContainSubstring("spec.allowedScopes[0]")))
		Expect(w.condition("Ready")).To(Equal("False/PolicyInvalid"))
		Expect(w.condition("Stalled")).To(Equal("True/PolicyInvalid"))
		_, err = w.reconciler.Policies.For(ctx, w.namespace)
		Expect(err).To(MatchError(policy.ErrNotReady))
		Expect(err).To(MatchError(ContainSubstring(w.policy.Name)))
		_, err = w.reconciler.Policies.ForAdmission(ctx, w.namespace)
		Expect(err).To(MatchError(policy.ErrNotReady))
		_, err = w.reconciler.Policies.For(ctx, "default")
		Expect(err).NotTo(HaveOccurred(), "a namespace that it does not govern")

		w.policy.Spec.AllowedScopes = []v1alpha1.Scope{"user:read"}
		Expect(live.Update(ctx, w.policy)).To(Succeed())
		_, err = w.reconciler.Policies.For(ctx, w.namespace)
		Expect(err).To(MatchError(policy.ErrNotReady), "mended, but not looked at")
		rules, err := w.reconciler.Policies.ForAdmission(ctx, w.namespace)
		Expect(err).NotTo(HaveOccurred())
		Expect(rules.Policies).To(HaveLen(1))
		_, _, err = w.pass(ctx)
		Expect(err).NotTo(HaveOccurred())
		_, err = w.reconciler.Policies.For(ctx, w.namespace)
		Expect(err).NotTo(HaveOccurred())
	})

	It("selects namespaces by their labels as they are", func(ctx context.Context) {
		w := newWorld(ctx, func(_ *world, s *v1alpha1.MakeScopePolicySpec) {
			s.MaxRisk = "Low"
			s.NamespaceSelector = v1alpha1.NamespaceSelector{MatchExpressions: []v1alpha1.LabelRequirement{
				{Key: "team", Operator: "In", Values: []v1alpha1.LabelValue{"sales"}}, {Key: "kubernetes.io/metadata.name", Operator: "NotIn", Values: []v1alpha1.LabelValue{"default"}},
			}}
		})
		_, _, err := w.pass(ctx)
		Expect(err).NotTo(HaveOccurred())
		rules, err := w.reconciler.Policies.For(ctx, w.namespace)
		Expect(err).NotTo(HaveOccurred())
		Expect(rules.Policies).To(HaveLen(1))
		rules, err = w.reconciler.Policies.For(ctx, "default")
		Expect(err).NotTo(HaveOccurred())
		Expect(rules.Policies).To(BeEmpty())
	})
})
