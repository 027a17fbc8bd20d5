package connection_test

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/makesim"
)

var _ = Describe("What Make granted", func() {
	var w *world
	BeforeEach(func() { w = newWorld() })

	extra := func(scopes ...string) { w.knobs(func(k *makesim.Knobs) { k.ExtraScopes = scopes }) }
	yearly := func(c *v1alpha1.MakeConnection) { c.Spec.Rotation = v1alpha1.Rotation{EverySeconds: 31536000} }
	const asked = "GET /api/v2/users/me/current-authorization"

	It("is asked again once a day, and never in between", func() {
		w.connectByToken(yearly)
		o := w.quiet()
		Expect(o.next).To(BeNumerically("~", 24*time.Hour, 2*time.Hour))
		for range 2 {
			w.clock.Step(o.next - time.Second)
			w.quiet()
			w.start()
			w.quiet()
			w.clock.Step(time.Second)
			calls := len(w.calls())
			o = w.ready()
			Expect(w.calls()[calls:]).To(Equal([]string{asked, asked}), "the root token, and that of reporting")
			Expect(w.writes.take()).To(Equal([]string{"update Secret"}), "the grant")
			o = w.quiet()
		}
	})

	It("does not matter while Make does not answer", func() {
		w.connectByToken(yearly)
		o := w.quiet()
		w.down()
		w.due(o)
		o = w.ready()
		Expect(o.next).To(Equal(time.Hour))
		w.up()
		w.due(o)
		calls := len(w.calls())
		w.ready()
		Expect(w.calls()[calls:]).To(HaveLen(2))
	})

	It("is revoked where a new token holds more than was asked, before anybody has it", func() {
		extra("admin:read")
		w.root(makesim.RootToken)
		w.connect()
		o := w.stalled(v1alpha1.ReasonScopeDrift)
		Expect(o.messages["ScopesGranted"]).To(And(ContainSubstring("ServiceAccount reporting more than asked (admin:read)"), ContainSubstring("rotation.generation")))
		w.expectNothingPublished()
		Expect(w.minted()).To(HaveLen(1))
		Expect(w.alive(w.minted()[0].Token)).To(BeFalse())
		w.quiet()
		w.start()
		w.quiet()

		extra()
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Rotation.Generation = 1 })
		w.ready()
		Expect(w.sim.TokenAlive(w.token("crm-reporting"))).To(BeTrue())
	})

	It("leaves the old token in place where its successor holds more", func() {
		w.connectByToken()
		token := w.token("crm-reporting")
		extra("admin:read")
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Rotation.Generation = 1 })
		w.stalled(v1alpha1.ReasonScopeDrift)
		Expect(w.token("crm-reporting")).To(Equal(token))
		Expect(w.sim.TokenAlive(token)).To(BeTrue())
		Expect(w.alive(w.minted()[1].Token)).To(BeFalse())
		w.quiet()
	})

	It("is reported where a published token holds more, and revoked where policy says so", func() {
		w.connectByToken(yearly)
		token := w.token("crm-reporting")
		o := w.quiet()
		extra("admin:read")
		w.due(o)
		o = w.stalled(v1alpha1.ReasonScopeDrift)
		Expect(o.messages["ScopesGranted"]).To(ContainSubstring("the token of ServiceAccount reporting holds more than asked at Make: admin:read"))
		Expect(w.sim.TokenAlive(token)).To(BeTrue())
		o = w.quiet()

		w.policy("strict", func(s *v1alpha1.MakeScopePolicySpec) { s.MaxRisk, s.OnViolation = "High", v1alpha1.RevokeOnViolation })
		w.stalled(v1alpha1.ReasonScopeDrift)
		Expect(w.sim.TokenAlive(token)).To(BeFalse())
		w.expectNothingPublished()
		w.stalled(v1alpha1.ReasonScopeDrift) // tries once with another token, which is no better
		Expect(w.minted()).To(HaveLen(2))
		w.expectNothingPublished()
		w.quiet()
	})

	It("is minted anew where somebody deleted it at Make", func() {
		w.connectByToken(yearly)
		token := w.token("crm-reporting")
		o := w.quiet()
		Expect(w.sim.RevokeToken(token)).To(BeTrue())
		w.due(o)
		w.ready()
		Expect(w.token("crm-reporting")).NotTo(Equal(token))
		Expect(w.sim.TokenAlive(w.token("crm-reporting"))).To(BeTrue())
	})

	It("is asked of an OAuth grant, too", func() {
		w.knobs(func(k *makesim.Knobs) { k.AccessTokenSeconds = 30 * 24 * 3600 })
		w.secret("make-client", map[string]string{"client-id": makesim.OAuthClientID, "client-secret": makesim.OAuthClientSecret})
		w.connect(byOAuth, func(c *v1alpha1.MakeConnection) { c.Spec.Scopes = []v1alpha1.Scope{read} })
		w.failing(v1alpha1.ReasonConsentRequired)
		Expect(w.consent(makesim.UserID)).To(Equal(http.StatusOK))
		o := w.ready()
		Expect(o.next).To(BeNumerically("~", 24*time.Hour, 2*time.Hour))
		extra("hooks:read")
		calls := len(w.calls())
		w.due(o)
		w.stalled(v1alpha1.ReasonScopeDrift)
		Expect(w.calls()[calls:]).To(Equal([]string{asked}))
		w.quiet()
	})
})
