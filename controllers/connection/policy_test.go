package connection_test

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/makesim"
)

var _ = Describe("Policy", func() {
	var w *world
	BeforeEach(func() { w = newWorld() })

	denyRun := func(s *v1alpha1.MakeScopePolicySpec) { s.AllowedScopes = []v1alpha1.Scope{read} }
	revoke := func(s *v1alpha1.MakeScopePolicySpec) { s.OnViolation = v1alpha1.RevokeOnViolation }
	runner := func(c *v1alpha1.MakeConnection) {
		c.Spec.Consumers = []v1alpha1.Consumer{{ServiceAccountName: "reporting"}}
	}

	It("lets no broad scope reach Make, though admission was removed", func() {
		w.policy("ceiling", denyRun)
		w.root(makesim.RootToken)
		w.connect()
		o := w.stalled(v1alpha1.ReasonScopeRefused)
		Expect(o.messages["ScopesAllowed"]).To(HavePrefix("spec.scopes[1]: scope scenarios:run is refused (risk High, policy ceiling-" + w.namespace))
		w.quiet()
		w.start()
		w.quiet()
		Expect(w.sim.Ledger()).To(BeEmpty(), "Make heard of it")
	})

	It("names the zone and the interval that it refuses", func() {
		w.policy("ceiling", func(s *v1alpha1.MakeScopePolicySpec) {
			s.AllowedZones, s.MaxRotationSeconds = []v1alpha1.ZonePattern{"eu1.make.com"}, 600
		})
		w.root(makesim.RootToken)
		w.connect()
		o := w.stalled(v1alpha1.ReasonPolicyRefused)
		Expect(o.messages["ScopesAllowed"]).To(And(ContainSubstring("spec.zone: zone "), ContainSubstring("choose eu1.make.com"),
			ContainSubstring("spec.rotation.everySeconds: an interval of 3600 s is refused"), ContainSubstring("set it to 600 or less")))
		Expect(w.calls()).To(BeEmpty())
	})

	It("defers while it is not Ready, and takes nothing away meanwhile", func() {
		w.connectByToken()
		token := w.token("crm-reporting")
		ceiling := w.newPolicy("ceiling", denyRun, revoke)
		o := w.pass()
		Expect(o.conditions).To(And(HaveKeyWithValue("Ready", "True/Succeeded"), HaveKeyWithValue("Reconciling", "True/PolicyNotReady")))
		Expect(o.messages["Reconciling"]).To(ContainSubstring("MakeScopePolicy " + ceiling.Name + ": policy is not Ready"))
		Expect(o.queue).To(Equal("timer"))
		Expect(w.sim.TokenAlive(token)).To(BeTrue())
		w.quiet()

		By("a new connection, which gets nothing")
		Expect(live.Delete(w.ctx, w.crm())).To(Succeed())
		w.pass()
		w.gone()
		w.connect()
		calls := len(w.calls())
		Expect(w.failing(v1alpha1.ReasonPolicyNotReady).conditions).To(HaveKeyWithValue("ScopesAllowed", "Unknown/PolicyNotReady"))
		Expect(w.calls()).To(HaveLen(calls))

		w.understood(ceiling)
		w.stalled(v1alpha1.ReasonScopeRefused)
	})

	It("stops counting an exception at the moment of its end, without a restart, and says so", func() {
		end := w.clock.Now().Add(20 * time.Minute)
		w.policy("ceiling", denyRun, func(s *v1alpha1.MakeScopePolicySpec) {
			s.Exceptions = []v1alpha1.PolicyException{{
				Namespace: w.namespace, Connection: "crm", Scopes: []v1alpha1.Scope{run}, Reason: "pilot", ExpiresAt: metav1.NewTime(end),
			}}
		})
		w.root(makesim.RootToken)
		w.connect(runner)
		o := w.ready()
		Expect(o.next).To(Equal(20 * time.Minute))
		token := w.token("crm-reporting")
		w.clock.Step(o.next - time.Second)
		w.quiet()

		w.clock.Step(time.Second)
		o = w.failing(v1alpha1.ReasonScopeRefused)
		Expect(o.messages["ScopesAllowed"]).To(And(ContainSubstring("the exception for it has ended"),
			ContainSubstring("nothing new is issued, and the tokens that exist end when they would have been replaced")))
		Expect(w.sim.TokenAlive(token)).To(BeTrue(), "KeepUntilExpiry is the default")
		o = w.quiet()

		By("waiting until the token would have been replaced")
		w.due(o)
		o = w.stalled(v1alpha1.ReasonScopeRefused)
		Expect(o.messages["ScopesAllowed"]).NotTo(ContainSubstring("nothing new is issued"))
		Expect(w.sim.TokenAlive(token)).To(BeFalse())
		w.expectNothingPublished()
		w.quiet()
	})

	It("revokes at once where it says so, and lets start over when it goes", func() {
		w.connectByToken(runner)
		token := w.token("crm-reporting")
		ceiling := w.policy("ceiling", denyRun, revoke)
		w.stalled(v1alpha1.ReasonScopeRefused)
		Expect(w.sim.TokenAlive(token)).To(BeFalse())
		w.expectNothingPublished()
		w.quiet()

		Expect(live.Delete(w.ctx, ceiling)).To(Succeed())
		w.ready()
		Expect(w.sim.TokenAlive(w.token("crm-reporting"))).To(BeTrue())
	})

	It("goes on revoking until Make answers", func() {
		w.connectByToken(runner)
		token := w.token("crm-reporting")
		w.policy("ceiling", denyRun, revoke)
		w.down()
		o := w.failing(v1alpha1.ReasonScopeRefused)
		Expect(o.queue).To(Equal("timer"))
		w.up()
		w.due(o)
		w.stalled(v1alpha1.ReasonScopeRefused)
		Expect(w.sim.TokenAlive(token)).To(BeFalse())
		w.expectNothingPublished()
		w.quiet()
	})

	It("leaves tokens alone that it still allows, when only the spec turns bad", func() {
		w.policy("ceiling", denyRun, revoke)
		w.root(makesim.RootToken)
		w.connect(func(c *v1alpha1.MakeConnection) { c.Spec.Scopes = []v1alpha1.Scope{read} })
		w.ready()
		token := w.token("crm-reporting")
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Scopes = []v1alpha1.Scope{read, "admin:read"} })
		w.stalled(v1alpha1.ReasonScopeRefused)
		Expect(w.sim.TokenAlive(token)).To(BeTrue())
		Expect(w.token("crm-reporting")).To(Equal(token))
		w.quiet()
	})

	It("only warns, or only audits, where it says so", func() {
		w.policy("soon", denyRun, func(s *v1alpha1.MakeScopePolicySpec) { s.Enforcement = v1alpha1.EnforcementWarn })
		w.policy("watch", func(s *v1alpha1.MakeScopePolicySpec) { s.MaxRisk, s.Enforcement = "Low", v1alpha1.EnforcementAudit })
		w.root(makesim.RootToken)
		w.connect()
		o := w.ready()
		Expect(o.conditions).To(HaveKeyWithValue("WithinPolicy", "False/PolicyWarning"))
		Expect(o.messages["WithinPolicy"]).To(And(ContainSubstring("policy soon-"), Not(ContainSubstring("policy watch-"))))
		w.quiet()
	})

	It("keeps a server's token until it would be replaced, or revokes it", func() {
		w.connectByToken(func(c *v1alpha1.MakeConnection) { c.Spec.Consumers = nil })
		w.server("tools", run)
		w.ready()
		token := w.token("crm-mcp-tools")
		forServer := func(s *v1alpha1.MakeScopePolicySpec) {
			s.MaxRisk = "Moderate"
			s.Consumers = []v1alpha1.PolicyConsumer{{Kind: v1alpha1.ConsumerMCPServer, Name: "tools"}}
		}
		ceiling := w.policy("ceiling", forServer)
		o := w.ready()
		Expect(w.token("crm-mcp-tools")).To(Equal(token))
		w.quiet()
		w.due(o)
		w.ready()
		Expect(w.sim.TokenAlive(token)).To(BeFalse())
		Expect(w.minted()).To(HaveLen(1), "it was not replaced")
		w.expectNothingPublished()
		w.quiet()

		By("revoking another")
		Expect(live.Delete(w.ctx, ceiling)).To(Succeed())
		w.ready()
		token = w.token("crm-mcp-tools")
		w.policy("strict", forServer, revoke)
		w.ready()
		Expect(w.sim.TokenAlive(token)).To(BeFalse())
		w.quiet()
	})

	It("demands a token for each consumer", func() {
		w.canary.sharedRoot = true
		demand := w.policy("demand", func(s *v1alpha1.MakeScopePolicySpec) { s.LeastPrivilege = v1alpha1.LeastPrivilegeRequired })
		w.root(makesim.ReaderToken)
		w.connect(func(c *v1alpha1.MakeConnection) { c.Spec.Scopes = []v1alpha1.Scope{read} })
		o := w.stalled(v1alpha1.ReasonLeastPrivilegeNeeded)
		Expect(o.messages["ScopesGranted"]).To(And(ContainSubstring("each consumer holds a token of its own"), ContainSubstring("user:write")))
		w.expectNothingPublished()
		w.quiet()
		Expect(live.Delete(w.ctx, demand)).To(Succeed())
		w.ready()

		By("demanding it of a connection that shares already")
		w.policy("demand-later", revoke, func(s *v1alpha1.MakeScopePolicySpec) { s.LeastPrivilege = v1alpha1.LeastPrivilegeRequired })
		w.stalled(v1alpha1.ReasonLeastPrivilegeNeeded)
		w.expectNothingPublished()
		w.quiet()
	})

	It("lets nobody share a token that holds more than policy allows", func() {
		w.canary.sharedRoot = true
		w.policy("ceiling", denyRun) // and the shared token holds user:read, too
		w.root(makesim.ReaderToken)
		w.connect(func(c *v1alpha1.MakeConnection) { c.Spec.Scopes = []v1alpha1.Scope{read} })
		o := w.stalled(v1alpha1.ReasonScopeDrift)
		Expect(o.messages["ScopesGranted"]).To(And(ContainSubstring("ServiceAccount reporting"), ContainSubstring("user:read")))
		w.expectNothingPublished()
		w.quiet()
	})

	It("revokes an OAuth grant", func() {
		w.secret("make-client", map[string]string{"client-id": makesim.OAuthClientID, "client-secret": makesim.OAuthClientSecret})
		w.connect(byOAuth, runner)
		w.failing(v1alpha1.ReasonConsentRequired)
		Expect(w.consent(makesim.UserID)).To(Equal(http.StatusOK))
		w.ready()
		grant := w.grant().OAuth
		ceiling := w.policy("ceiling", denyRun, revoke)
		w.stalled(v1alpha1.ReasonScopeRefused)
		Expect(w.sim.TokenAlive(grant.AccessToken)).To(BeFalse())
		Expect(w.sim.TokenAlive(grant.RefreshToken)).To(BeFalse())
		w.expectNothingPublished()
		w.quiet()
		Expect(live.Delete(w.ctx, ceiling)).To(Succeed())
		w.failing(v1alpha1.ReasonNeedsReauthorization)
	})

	It("lets an OAuth token run out that it denies", func() {
		w.secret("make-client", map[string]string{"client-id": makesim.OAuthClientID, "client-secret": makesim.OAuthClientSecret})
		w.connect(byOAuth, runner)
		w.failing(v1alpha1.ReasonConsentRequired)
		Expect(w.consent(makesim.UserID)).To(Equal(http.StatusOK))
		w.ready()
		token := w.token("crm-reporting")
		w.policy("ceiling", denyRun)
		calls := len(w.calls())
		o := w.failing(v1alpha1.ReasonScopeRefused)
		Expect(w.token("crm-reporting")).To(Equal(token))
		w.due(o)
		w.stalled(v1alpha1.ReasonScopeRefused)
		w.expectNothingPublished()
		Expect(w.calls()).To(HaveLen(calls), "it was refreshed")
		w.quiet()
	})
})

// newPolicy makes a policy that governs the spec's namespace, by a name that contains it, and that the operator has not looked at.
func (w *world) newPolicy(name string, changes ...func(*v1alpha1.MakeScopePolicySpec)) *v1alpha1.MakeScopePolicy {
	GinkgoHelper()
	p := &v1alpha1.MakeScopePolicy{ObjectMeta: metav1.ObjectMeta{Name: name + "-" + w.namespace}}
	p.Spec.NamespaceSelector.MatchLabels = map[string]v1alpha1.LabelValue{"kubernetes.io/metadata.name": v1alpha1.LabelValue(w.namespace)}
	for _, change := range changes {
		change(&p.Spec)
	}
	Expect(live.Create(w.ctx, p)).To(Succeed())
	DeferCleanup(func() { Expect(client.IgnoreNotFound(live.Delete(w.ctx, p))).To(Succeed()) })
	return p
}

// understood says in a policy's status that the operator has understood it.
func (w *world) understood(p *v1alpha1.MakeScopePolicy) {
	GinkgoHelper()
	meta.SetStatusCondition(&p.Status.Conditions, metav1.Condition{
		Type: v1alpha1.Valid, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSucceeded, ObservedGeneration: p.Generation,
	})
	Expect(live.Status().Update(w.ctx, p)).To(Succeed())
}

// policy makes a policy that is Ready.
func (w *world) policy(name string, changes ...func(*v1alpha1.MakeScopePolicySpec)) *v1alpha1.MakeScopePolicy {
	GinkgoHelper()
	p := w.newPolicy(name, changes...)
	w.understood(p)
	return p
}

// expectNothingPublished checks that no consumer has a Secret, a Role or a RoleBinding.
func (w *world) expectNothingPublished() {
	GinkgoHelper()
	Expect(w.crm().Status.Secrets).To(BeEmpty())
	secrets := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "SecretList"}}
	for _, list := range []client.ObjectList{secrets, &rbacv1.RoleList{}, &rbacv1.RoleBindingList{}} {
		Expect(live.List(w.ctx, list, client.InNamespace(w.namespace), client.HasLabels{v1alpha1.ConnectionLabel})).To(Succeed())
		Expect(meta.LenList(list)).To(BeZero())
	}
}
