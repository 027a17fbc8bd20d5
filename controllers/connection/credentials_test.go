package connection_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makesim"
)

var _ = Describe("The credential of a connection", func() {
	var w *world
	BeforeEach(func() { w = newWorld() })

	It("is waited for", func() {
		w.connect()
		o := w.stalled(v1alpha1.ReasonSecretNotFound)
		Expect(o.conditions).To(And(
			HaveKeyWithValue("CredentialsAvailable", "False/SecretNotFound"), HaveKeyWithValue("Authorized", "Unknown/Blocked"),
		))
		Expect(o.messages["CredentialsAvailable"]).To(And(ContainSubstring("make-root"), ContainSubstring("makeops.dev/credential=true")))
		Expect(w.events.take()).To(HaveExactElements(HavePrefix("Warning SecretNotFound")))
		w.quiet()

		w.root(makesim.RootToken)
		w.ready()
		Expect(w.events.take()).To(HaveExactElements(HavePrefix("Normal Succeeded")))
	})

	It("is not read from a Secret that does not opt in", func() {
		Expect(live.Create(w.ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "make-root"},
			StringData: map[string]string{"token": makesim.RootToken},
		})).To(Succeed())
		w.connect()
		o := w.stalled(v1alpha1.ReasonSecretNotLabelled)
		Expect(o.messages["CredentialsAvailable"]).To(ContainSubstring("makeops.dev/credential=true"))
		Expect(w.calls()).To(BeEmpty())
	})

	It("is not taken from a Secret that the operator wrote", func() {
		w.connectByToken()
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Auth.APIToken.SecretRef.Name = "crm-reporting" })
		w.stalled(v1alpha1.ReasonSecretNotLabelled)
	})

	It("needs its key", func() {
		w.secret("make-root", map[string]string{"password": makesim.RootToken, "token": " "})
		w.connect()
		o := w.stalled(v1alpha1.ReasonSecretKeyMissing)
		Expect(o.messages["CredentialsAvailable"]).To(And(ContainSubstring("make-root"), ContainSubstring(`"token"`)))
	})

	It("has to be alive", func() {
		w.root("11111111-2222-4333-8444-555555555555")
		w.connect()
		o := w.stalled(v1alpha1.ReasonCredentialRejected)
		Expect(o.conditions).To(HaveKeyWithValue("Authorized", "False/CredentialRejected"))
		Expect(o.messages["Authorized"]).To(ContainSubstring("make-root"))
	})

	It("has to belong to the organization", func() {
		w.root(makesim.OtherToken)
		w.connect()
		o := w.stalled(v1alpha1.ReasonWrongOrganization)
		Expect(o.messages["Authorized"]).To(And(ContainSubstring("42"), ContainSubstring("spec.organizationID")))
		Expect(w.minted()).To(BeEmpty())
	})

	It("has to hold what the consumers ask for", func() {
		w.canary.sharedRoot = true
		w.root(makesim.ReaderToken)
		w.connect(func(c *v1alpha1.MakeConnection) {
			c.Spec.Consumers = append(c.Spec.Consumers, v1alpha1.Consumer{ServiceAccountName: "runner"})
		})
		o := w.stalled(v1alpha1.ReasonScopeMissing)
		Expect(o.conditions).To(And(
			HaveKeyWithValue("Authorized", "True/Succeeded"), HaveKeyWithValue("ScopesGranted", "False/ScopeMissing"),
		))
		Expect(o.messages["ScopesGranted"]).To(And(ContainSubstring("scenarios:run"), ContainSubstring("make-root")))
		w.quiet()
	})

	It("goes on serving those whom it is enough for", func() {
		w.root(w.anotherRoot())
		w.connect()
		w.ready()
		old := w.token("crm-reporting")
		w.change(func(s *v1alpha1.MakeConnectionSpec) {
			s.Scopes = append(s.Scopes, "teams:read")
			s.Consumers = append(s.Consumers, v1alpha1.Consumer{ServiceAccountName: "billing", Scopes: []v1alpha1.Scope{"teams:read"}})
		})
		w.stalled(v1alpha1.ReasonScopeMissing)
		Expect(live.Delete(w.ctx, w.secretNamed("crm-reporting"))).To(Succeed())
		o := w.stalled(v1alpha1.ReasonScopeMissing)
		Expect(w.token("crm-reporting")).To(Equal(old))

		w.due(o)
		w.stalled(v1alpha1.ReasonScopeMissing)
		Expect(w.token("crm-reporting")).NotTo(Equal(old))
		Expect(w.sim.TokenAlive(w.token("crm-reporting"))).To(BeTrue())
		Expect(w.crm().Status.Secrets).To(HaveLen(1))
	})

	It("may be replaced by another of the same account, which costs no consumer its token", func() {
		w.connectByToken()
		token := w.token("crm-reporting")
		calls := len(w.calls())
		w.changeSecret("make-root", map[string]string{"token": w.anotherRoot()})
		w.ready()
		Expect(w.token("crm-reporting")).To(Equal(token))
		Expect(w.calls()[calls:]).To(HaveExactElements(
			HaveSuffix("POST /api/v2/users/me/api-tokens"), // anotherRoot
			HaveSuffix("/current-authorization"), HaveSuffix("/users/me"),
		))
		w.quiet()
	})

	DescribeTable("takes nothing away when it turns bad",
		func(bad, reason string) {
			w.connectByToken()
			before := w.secretNamed("crm-reporting")
			w.changeSecret("make-root", map[string]string{"token": bad})
			w.stalled(reason)
			Expect(w.secretNamed("crm-reporting").Data).To(Equal(before.Data))
			Expect(w.sim.TokenAlive(string(before.Data["token"]))).To(BeTrue())
			Expect(w.crm().Status.Secrets).To(HaveLen(1))
			w.clock.Step(24 * time.Hour)
			w.stalled(reason)
			Expect(w.sim.TokenAlive(string(before.Data["token"]))).To(BeTrue())

			w.changeSecret("make-root", map[string]string{"token": makesim.RootToken})
			w.ready()
		},
		Entry("dead", "11111111-2222-4333-8444-555555555555", v1alpha1.ReasonCredentialRejected),
		Entry("no token at all", "changeme", v1alpha1.ReasonCredentialRejected),
		Entry("of another organization", makesim.OtherToken, v1alpha1.ReasonWrongOrganization),
		Entry("unable to mint", makesim.ReaderToken, v1alpha1.ReasonScopeMissing),
	)

	It("says that the sealing key is lost, and takes nothing away", func() {
		w.connectByToken()
		token := w.token("crm-reporting")
		w.reconciler.Grants.Keys = grant.Keyring{"key-0001": grant.NewKey()}
		o := w.stalled(v1alpha1.ReasonSealingKeyLost)
		Expect(o.messages["CredentialsAvailable"]).To(ContainSubstring("make-operator-sealing-keys"))
		Expect(w.token("crm-reporting")).To(Equal(token))
		Expect(w.sim.TokenAlive(token)).To(BeTrue())

		By("deleting the grant, as the message says")
		sealed := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.operator, Name: "make-grant-" + string(w.crm().UID)}}
		Expect(live.Delete(w.ctx, sealed)).To(Succeed())
		w.ready()
		Expect(w.token("crm-reporting")).NotTo(Equal(token))
		Expect(w.sim.TokenAlive(token)).To(BeFalse(), "nobody knows its stamp any more, but it has our label")
	})

	It("restores itself when the sealing key is back, without a restart", func() {
		w.connectByToken()
		keys := w.reconciler.Grants.Keys
		w.reconciler.Grants.Keys = grant.Keyring{"key-0001": grant.NewKey()}
		o := w.stalled(v1alpha1.ReasonSealingKeyLost)
		Expect(o.queue).To(Equal("timer"), "no event tells that the key is back")
		w.reconciler.Grants.Keys = keys
		w.due(o)
		w.ready()
		w.quiet()
	})

	It("asks Make for nothing that it could not keep", func() {
		w.root(makesim.RootToken)
		w.connect()
		w.reconciler.Grants.Keys = outOfReach{}
		o := w.failing(v1alpha1.ReasonSealingKeyUnavailable)
		Expect(o.queue).To(Equal("backoff"))
		Expect(w.calls()).To(BeEmpty())
	})

	DescribeTable("does not let a scope reach Make that policy refuses, though admission was removed",
		func(broad v1alpha1.Scope) {
			w.root(makesim.RootToken)
			w.connect(func(c *v1alpha1.MakeConnection) {
				c.Spec.Scopes = append(c.Spec.Scopes, broad)
				c.Spec.Consumers[0].Scopes = []v1alpha1.Scope{broad}
			})
			o := w.stalled(v1alpha1.ReasonScopeRefused)
			Expect(o.messages["ScopesAllowed"]).To(ContainSubstring(string(broad)))
			Expect(w.calls()).To(BeEmpty())
		},
		Entry("administrator's", v1alpha1.Scope("admin:write")),
		Entry("system's", v1alpha1.Scope("system:read")),
		Entry("apps'", v1alpha1.Scope("apps:write")),
		Entry("for minting", v1alpha1.Scope("user:write")),
	)

	It("goes to no zone outside the allow-list", func() {
		w.root(makesim.RootToken)
		w.connect(func(c *v1alpha1.MakeConnection) { c.Spec.Zone = "make.example.com" })
		o := w.stalled(v1alpha1.ReasonZoneNotAllowed)
		Expect(o.messages["ScopesAllowed"]).To(ContainSubstring("make.example.com"))
		Expect(w.calls()).To(BeEmpty())
	})
})

// anotherRoot mints a root token by hand, as its owner does in the profile.
func (w *world) anotherRoot() string {
	GinkgoHelper()
	zone := w.reconciler.Make.Zone(w.sim.Zone, makeapi.APIToken(makesim.RootToken))
	token, err := zone.CreateToken(w.ctx, "another root", []string{"user:read", "user:write", string(read), string(run)})
	Expect(err).NotTo(HaveOccurred())
	w.canary.values[token.Value] = rootToken
	return token.Value
}
