package connection_test

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/makesim"
)

var _ = Describe("An outage", func() {
	var w *world
	BeforeEach(func() { w = newWorld() })

	It("of Make keeps a new connection trying", func() {
		w.root(makesim.RootToken)
		w.connect()
		w.down()
		o := w.failing(v1alpha1.ReasonMakeUnavailable)
		Expect(o.status).To(BeEquivalentTo("InProgress"))
		w.up()
		w.due(o)
		w.ready()
	})

	It("of Make does not show for five minutes", func() {
		w.root(makesim.RootToken)
		w.connect()
		o := w.ready()
		token := w.token("crm-reporting")
		w.due(o)
		w.down()

		o = w.pass()
		Expect(o.conditions).To(And(HaveKeyWithValue("Ready", "True/Succeeded"), HaveKeyWithValue("Reconciling", "True/MakeUnavailable")))
		Expect(o.status).To(BeEquivalentTo("InProgress"))
		w.clock.Step(5*time.Minute - time.Second)
		Expect(w.pass().conditions).To(HaveKeyWithValue("Ready", "True/Succeeded"))
		Expect(w.events.all()).To(BeEmpty())

		w.clock.Step(time.Second)
		o = w.failing(v1alpha1.ReasonMakeUnavailable)
		Expect(w.token("crm-reporting")).To(Equal(token))
		Expect(w.sim.TokenAlive(token)).To(BeTrue())
		Expect(w.events.take()).To(HaveExactElements(HavePrefix("Warning MakeUnavailable")))

		w.up()
		w.due(o)
		w.ready()
		Expect(w.token("crm-reporting")).NotTo(Equal(token))
		Expect(w.events.take()).To(HaveExactElements(HavePrefix("Normal Succeeded")))
	})

	It("of the API server is no reason to call Make again", func() {
		w.root(makesim.RootToken)
		w.connect()
		w.writes.refuse = refuseSecret("crm-reporting", http.ErrServerClosed)
		w.pass()
		calls := len(w.calls())
		w.pass()
		w.writes.refuse = nil
		w.ready()
		Expect(w.calls()).To(HaveLen(calls))
	})

	DescribeTable("that is Make's limit is waited for",
		func(retryAfter int, want time.Duration) {
			w.root(makesim.RootToken)
			w.connect()
			w.knobs(func(k *makesim.Knobs) {
				k.Faults = []makesim.Fault{{
					Kind: makesim.FaultStatus, Status: http.StatusTooManyRequests, RetryAfterSeconds: retryAfter, Count: 1,
				}}
			})
			o := w.failing(v1alpha1.ReasonRateLimited)
			Expect(o.status).To(BeEquivalentTo("InProgress"))
			Expect(o.next).To(Equal(want))
			w.due(o)
			w.ready()
		},
		Entry("for a minute where it names no time", 0, time.Minute),
		Entry("for a minute at least", 5, time.Minute),
		Entry("as long as it says", 300, 5*time.Minute),
	)

	It("that only Make's owner can end is looked at once an hour", func() {
		w.connectByToken()
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Rotation.Generation = 1 })
		w.knobs(func(k *makesim.Knobs) {
			k.Faults = []makesim.Fault{{Kind: makesim.FaultStatus, Status: http.StatusPaymentRequired, Method: http.MethodPost, Count: 1}}
		})
		o := w.failing(v1alpha1.ReasonMakeRefused)
		Expect(o.messages["ScopesGranted"]).To(ContainSubstring("plan"))
		Expect(o.next).To(BeNumerically("~", time.Hour, 3*time.Minute))
		Expect(w.sim.TokenAlive(w.token("crm-reporting"))).To(BeTrue())
	})

	It("of one consumer does not stop the rotation of the others", func() {
		w.connectByToken()
		w.secret("crm-billing", nil) // not ours
		w.change(func(s *v1alpha1.MakeConnectionSpec) {
			s.Consumers = append(s.Consumers, v1alpha1.Consumer{ServiceAccountName: "billing"})
		})
		w.stalled(v1alpha1.ReasonSecretConflict)
		old := w.token("crm-reporting")
		w.clock.Step(time.Hour)
		w.stalled(v1alpha1.ReasonSecretConflict)
		Expect(w.token("crm-reporting")).NotTo(Equal(old))
		w.clock.Step(5 * time.Minute)
		w.stalled(v1alpha1.ReasonSecretConflict)
		Expect(w.sim.TokenAlive(old)).To(BeFalse())
	})

	Describe("on purpose, a suspension,", func() {
		suspend := func(s *v1alpha1.MakeConnectionSpec) { s.Suspend = v1alpha1.SuspendEnabled }
		resume := func(s *v1alpha1.MakeConnectionSpec) { s.Suspend = "" }

		It("calls nobody, but restores Secrets", func() {
			w.connectByToken()
			w.change(suspend)
			token, calls := w.token("crm-reporting"), len(w.calls())
			o := w.ready()
			Expect(o.queue).To(Equal("event"))
			w.clock.Step(100 * time.Hour) // the rotation is long due
			Expect(live.Delete(w.ctx, w.secretNamed("crm-reporting"))).To(Succeed())
			w.ready()
			Expect(w.token("crm-reporting")).To(Equal(token))
			Expect(w.calls()).To(HaveLen(calls))
			w.quiet()

			w.change(resume)
			w.ready()
			Expect(w.token("crm-reporting")).NotTo(Equal(token))
		})

		It("says so where it would have to call Make", func() {
			w.root(makesim.RootToken)
			w.connect(func(c *v1alpha1.MakeConnection) { suspend(&c.Spec) })
			o := w.stalled(v1alpha1.ReasonSuspended)
			Expect(o.messages["Authorized"]).To(ContainSubstring("spec.suspend"))
			Expect(w.calls()).To(BeEmpty())
			w.change(resume)
			w.ready()
		})

		DescribeTable("says so, and goes on serving what it has",
			func(change func(), condition string) {
				w.connectByToken()
				token, calls := w.token("crm-reporting"), len(w.calls())
				w.change(suspend)
				change()
				o := w.stalled(v1alpha1.ReasonSuspended)
				Expect(o.conditions).To(HaveKeyWithValue(condition, "False/Suspended"))
				Expect(live.Delete(w.ctx, w.secretNamed("crm-reporting"))).To(Succeed())
				w.stalled(v1alpha1.ReasonSuspended)
				Expect(w.token("crm-reporting")).To(Equal(token))
				Expect(w.calls()[calls:]).To(Or(BeEmpty(), HaveExactElements("POST /api/v2/users/me/api-tokens"))) // by hand

				w.change(resume)
				w.ready()
			},
			Entry("when a consumer is added", func() {
				w.change(func(s *v1alpha1.MakeConnectionSpec) {
					s.Consumers = append(s.Consumers, v1alpha1.Consumer{ServiceAccountName: "billing"})
				})
			}, "ScopesGranted"),
			Entry("when a consumer's scopes change", func() {
				w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Consumers[0].Scopes = []v1alpha1.Scope{run} })
			}, "ScopesGranted"),
			Entry("when the root token changes", func() {
				w.changeSecret("make-root", map[string]string{"token": w.anotherRoot()})
			}, "Authorized"),
		)

		It("takes the Secret of a removed consumer away, and its token once it may", func() {
			w.connectByToken()
			token := w.token("crm-reporting")
			w.change(func(s *v1alpha1.MakeConnectionSpec) { suspend(s); s.Consumers = nil })
			w.ready()
			Expect(live.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "crm-reporting"}, &corev1.Secret{})).NotTo(Succeed())
			Expect(w.sim.TokenAlive(token)).To(BeTrue())
			w.change(resume)
			w.ready()
			Expect(w.sim.TokenAlive(token)).To(BeFalse())
		})
	})
})
