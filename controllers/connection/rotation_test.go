package connection_test

import (
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makesim"
)

var _ = Describe("Rotation of minted tokens", func() {
	var w *world
	BeforeEach(func() { w = newWorld() })

	It("replaces a token on schedule, and ends the old one after the overlap", func() {
		w.root(makesim.RootToken)
		w.connect()
		o := w.ready()
		Expect(o.next).To(BeNumerically("~", time.Hour, 3*time.Minute))
		Expect(o.next).To(BeNumerically("<=", time.Hour), "no token gets older than the spec says")
		before := w.crm().Status
		old := w.token("crm-reporting")

		w.clock.Step(o.next - time.Second)
		w.quiet()
		Expect(w.token("crm-reporting")).To(Equal(old))

		w.clock.Step(time.Second)
		calls := len(w.calls())
		o = w.ready()
		fresh := w.token("crm-reporting")
		Expect(fresh).NotTo(Equal(old))
		Expect(w.writes.take()).To(Equal([]string{"update Secret", "update Secret", "update Secret"}),
			"the grant, the consumer's Secret, and the grant again: now the overlap begins")
		Expect(w.calls()[calls:]).To(HaveLen(3))
		Expect(w.sim.TokenAlive(old)).To(BeTrue())
		Expect(w.sim.TokenAlive(fresh)).To(BeTrue())
		Expect(o.next).To(Equal(5 * time.Minute))

		w.clock.Step(o.next - time.Second)
		w.quiet()
		Expect(w.sim.TokenAlive(old)).To(BeTrue())

		w.clock.Step(time.Second)
		w.ready()
		Expect(w.writes.take()).To(Equal([]string{"update Secret"}), "the grant")
		Expect(w.sim.TokenAlive(old)).To(BeFalse())
		Expect(w.sim.TokenAlive(fresh)).To(BeTrue())
		Expect(w.crm().Status).To(Equal(before), "a rotation is no news to GitOps tools")
		AddReportEntry("writes of a rotation of one token", 4)
		w.quiet()
	})

	It("goes on for as long as the connection lives, and leaves no token behind", func() {
		w.connectByToken()
		o := w.quiet()
		for range 10 {
			w.due(o)
			o = w.ready()
		}
		alive := 0
		for _, t := range w.minted() {
			if w.alive(t.Token) {
				alive++
			}
		}
		Expect(len(w.minted())).To(BeNumerically(">=", 5))
		Expect(alive).To(BeNumerically("<=", 2))
	})

	It("rotates now when rotation.generation grows", func() {
		w.connectByToken()
		old, sequence := w.token("crm-reporting"), w.sequence("crm-reporting")
		w.clock.Step(time.Minute)
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Rotation.Generation = 7 })
		w.ready()
		Expect(w.token("crm-reporting")).NotTo(Equal(old))
		Expect(w.sequence("crm-reporting")).NotTo(Equal(sequence), "pods that restart with the token would not")
		w.quiet()
		w.start()
		w.quiet()
	})

	It("does not rotate a new connection twice because it starts with a rotation.generation", func() {
		w.connectByToken(func(c *v1alpha1.MakeConnection) { c.Spec.Rotation.Generation = 7 })
		w.quiet()
		Expect(w.minted()).To(HaveLen(1))
	})

	It("keeps the old token alive until the new one is published, however long that takes", func() {
		w.connectByToken()
		old := w.token("crm-reporting")
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Rotation.Generation = 1 })
		w.writes.refuse = refuseSecret("crm-reporting", errors.New("etcd is full"))
		Expect(w.pass().queue).To(Equal("backoff"))
		w.clock.Step(time.Hour / 2)
		Expect(w.pass().queue).To(Equal("backoff"))
		Expect(w.sim.TokenAlive(old)).To(BeTrue())
		Expect(w.minted()).To(HaveLen(2), "minted again although the new token is stored")

		w.writes.refuse = nil
		o := w.ready()
		Expect(w.sim.TokenAlive(old)).To(BeTrue())
		Expect(o.next).To(Equal(5 * time.Minute))
		w.due(o)
		w.ready()
		Expect(w.sim.TokenAlive(old)).To(BeFalse())
		Expect(w.sim.TokenAlive(w.token("crm-reporting"))).To(BeTrue())
	})

	It("finds and ends a token that was minted but never stored", func() {
		w.connectByToken()
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Rotation.Generation = 1 })
		w.writes.refuse = refuseSecret("make-grant-"+string(w.crm().UID), errors.New("connection lost"))
		o := w.pass()
		orphan := w.minted()[1].Token
		Expect(w.alive(orphan)).To(BeTrue())

		w.writes.refuse = nil
		w.start() // the crash
		w.due(o)
		w.ready()
		Expect(w.alive(orphan)).To(BeFalse())
		Expect(w.sim.TokenAlive(w.token("crm-reporting"))).To(BeTrue())
	})

	It("does not mint again what it has minted when Make's limit stops it half-way", func() {
		w = newWorld("free") // 30 calls a minute
		w.connectByToken(func(c *v1alpha1.MakeConnection) {
			c.Spec.Consumers = []v1alpha1.Consumer{{ServiceAccountName: "a"}, {ServiceAccountName: "b"}}
		})
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Rotation.Generation = 1 })
		w.clock.Step(time.Minute)
		w.spend(27) // leaves a list, the first token and its verification

		o := w.failing(v1alpha1.ReasonRateLimited)
		Expect(o.next).To(BeNumerically(">=", time.Minute))
		Expect(w.minted()).To(HaveLen(3))

		w.due(o)
		w.ready()
		Expect(w.minted()).To(HaveLen(4))
		w.quiet()
	})

	It("writes its status and nothing else while Make refuses to mint, so that it does not wake itself", func() {
		w.connectByToken()
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Rotation.Generation = 1 })
		w.down()
		o := w.pass()
		for range 3 {
			w.quiet()
			w.due(o)
			o = w.pass()
			Expect(w.writes.take()).To(Equal([]string{"patch status of MakeConnection"}))
		}
	})
})

// sequence is what tells one token of a Secret from the next.
func (w *world) sequence(secret string) string {
	GinkgoHelper()
	s := w.secretNamed(secret)
	Expect(s.Annotations).To(HaveKey(v1alpha1.TokenSequenceAnnotation))
	return s.Annotations[v1alpha1.TokenSequenceAnnotation]
}

// spend uses up calls of the organization's limit.
func (w *world) spend(calls int) {
	GinkgoHelper()
	zone := w.reconciler.Make.Zone(w.sim.Zone, makeapi.APIToken(makesim.RootToken))
	for range calls {
		_, err := zone.Me(w.ctx)
		Expect(err).NotTo(HaveOccurred())
	}
}
