package connection_test

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makesim"
)

var _ = Describe("The deletion of a connection", func() {
	var w *world
	BeforeEach(func() { w = newWorld() })

	deleted := func() {
		GinkgoHelper()
		Expect(live.Delete(w.ctx, w.crm())).To(Succeed())
	}
	gone := func() {
		GinkgoHelper()
		err := live.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "crm"}, &v1alpha1.MakeConnection{})
		Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the connection still exists")
		grants := &corev1.SecretList{}
		Expect(live.List(w.ctx, grants, client.InNamespace(w.operator), client.HasLabels{grant.Label})).To(Succeed())
		Expect(grants.Items).To(BeEmpty())
	}

	It("ends its tokens, those in their overlap too", func() {
		w.connectByToken()
		old := w.token("crm-reporting")
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Rotation.Generation = 1 })
		w.ready()
		fresh := w.token("crm-reporting")
		deleted()
		w.writes.take()
		w.pass()
		gone()
		Expect(w.writes.take()).To(Equal([]string{"delete Secret", "patch MakeConnection"}))
		Expect(w.sim.TokenAlive(old)).To(BeFalse())
		Expect(w.sim.TokenAlive(fresh)).To(BeFalse())
		Expect(w.sim.TokenAlive(makesim.RootToken)).To(BeTrue(), "the root token is the user's")
		Expect(w.events.all()).To(BeEmpty())
	})

	It("ends its tokens although the root token's Secret is gone", func() {
		w.connectByToken()
		token := w.token("crm-reporting")
		Expect(live.Delete(w.ctx, w.secretNamed("make-root"))).To(Succeed())
		deleted()
		w.pass()
		gone()
		Expect(w.sim.TokenAlive(token)).To(BeFalse())
	})

	It("leaves its tokens alive where the spec says so", func() {
		w.connectByToken(func(c *v1alpha1.MakeConnection) { c.Spec.OnDelete = v1alpha1.Retain })
		token, calls := w.token("crm-reporting"), len(w.calls())
		deleted()
		w.pass()
		gone()
		Expect(w.sim.TokenAlive(token)).To(BeTrue())
		Expect(w.calls()).To(HaveLen(calls))
	})

	It("has nothing to end where nothing was made", func() {
		w.connect()
		w.stalled(v1alpha1.ReasonSecretNotFound)
		deleted()
		w.pass()
		gone()
		Expect(w.calls()).To(BeEmpty())
		Expect(w.events.take()).To(HaveLen(1), "that of the missing Secret")
	})

	It("leaves a root token alone that was only handed on", func() {
		w.canary.sharedRoot = true
		w.root(makesim.ReaderToken)
		w.connect()
		w.ready()
		deleted()
		w.pass()
		gone()
		Expect(w.sim.TokenAlive(makesim.ReaderToken)).To(BeTrue())
		Expect(w.events.all()).To(BeEmpty())
	})

	It("waits for Make, but not for ever", func() {
		w.connectByToken()
		deleted()
		w.down()
		o := w.pass()
		Expect(o.conditions).To(HaveKeyWithValue("Revoked", "False/RevocationPending"))
		Expect(o.next).To(BeNumerically(">", 0))
		w.writes.take()
		w.due(o)
		o = w.pass()
		Expect(w.writes.take()).To(BeEmpty(), "an unchanged status is not written again")
		w.events.take()

		w.clock.Step(11 * time.Minute)
		w.pass()
		gone()
		Expect(w.events.take()).To(HaveExactElements(HavePrefix("Warning RevocationAbandoned")))
	})

	It("ends its tokens when Make comes back in time", func() {
		w.connectByToken()
		token := w.token("crm-reporting")
		deleted()
		w.down()
		o := w.pass()
		w.up()
		w.due(o)
		w.pass()
		gone()
		Expect(w.sim.TokenAlive(token)).To(BeFalse())
	})

	DescribeTable("does not wait for what cannot come, and says what is left",
		func(spoil func()) {
			w.connectByToken()
			w.events.take()
			deleted()
			spoil()
			w.pass()
			gone()
			Expect(w.events.take()).To(HaveExactElements(HavePrefix("Warning RevocationAbandoned")))
		},
		Entry("a root token that is dead", func() { w.sim.RevokeToken(makesim.RootToken) }),
		Entry("a grant that does not open", func() { w.reconciler.Grants.Keys = grant.Keyring{"key-0001": grant.NewKey()} }),
	)

	It("revokes an OAuth grant with all of its tokens", func() {
		w.secret("make-client", map[string]string{"client-id": makesim.OAuthClientID, "client-secret": makesim.OAuthClientSecret})
		w.connect(byOAuth)
		w.failing(v1alpha1.ReasonConsentRequired)
		Expect(w.consent(makesim.UserID)).To(Equal(http.StatusOK))
		w.ready()
		o := w.grant().OAuth
		deleted()
		w.pass()
		gone()
		Expect(w.sim.TokenAlive(o.AccessToken)).To(BeFalse())
		Expect(w.sim.TokenAlive(o.RefreshToken)).To(BeFalse())
	})

	It("does not hang where its status cannot be written any more", func() {
		conn := w.connectByToken()
		deleted()
		w.pass()
		gone()
		_, err := w.reconciler.Reconcile(w.ctx, conn) // a stale event
		Expect(client.IgnoreNotFound(err)).To(Succeed())
	})
})
