package connection_test

import (
	"context"
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
	It("ends its tokens, those in their overlap too", func() {
		w.connectByToken()
		old := w.token("crm-reporting")
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Rotation.Generation = 1 })
		w.ready()
		fresh := w.token("crm-reporting")
		deleted()
		w.writes.take()
		w.pass()
		w.gone()
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
		w.gone()
		Expect(w.sim.TokenAlive(token)).To(BeFalse())
	})

	It("leaves its tokens alive where the spec says so", func() {
		w.connectByToken(func(c *v1alpha1.MakeConnection) { c.Spec.OnDelete = v1alpha1.Retain })
		token, calls := w.token("crm-reporting"), len(w.calls())
		deleted()
		w.pass()
		w.gone()
		Expect(w.sim.TokenAlive(token)).To(BeTrue())
		Expect(w.calls()).To(HaveLen(calls))
	})

	It("has nothing to end where nothing was made", func() {
		w.connect()
		w.stalled(v1alpha1.ReasonSecretNotFound)
		deleted()
		w.pass()
		w.gone()
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
		w.gone()
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

		w.clock.Step(5 * time.Minute)
		w.pass()
		w.gone()
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
		w.gone()
		Expect(w.sim.TokenAlive(token)).To(BeFalse())
	})

	DescribeTable("does not wait for what cannot come, and says what is left",
		func(spoil func()) {
			w.connectByToken()
			w.events.take()
			deleted()
			spoil()
			w.pass()
			w.gone()
			Expect(w.events.take()).To(HaveExactElements(HavePrefix("Warning RevocationAbandoned")))
		},
		Entry("a root token that is dead", func() { w.sim.RevokeToken(makesim.RootToken) }),
		Entry("a grant that does not open, and no root token either", func() {
			w.reconciler.Grants.Keys = grant.Keyring{"key-0001": grant.NewKey()}
			Expect(live.Delete(w.ctx, w.secretNamed("make-root"))).To(Succeed())
		}),
		Entry("a grant that is gone, and no root token either", func() {
			Expect(w.reconciler.Grants.Delete(w.ctx, w.id())).To(Succeed())
			Expect(live.Delete(w.ctx, w.secretNamed("make-root"))).To(Succeed())
		}),
	)

	DescribeTable("finds its tokens by their labels where it lost its grant",
		func(lose func()) {
			w.connectByToken()
			token := w.token("crm-reporting")
			deleted()
			lose()
			w.pass()
			w.gone()
			Expect(w.sim.TokenAlive(token)).To(BeFalse())
			Expect(w.sim.TokenAlive(makesim.RootToken)).To(BeTrue())
			Expect(w.events.take()).To(BeEmpty())
		},
		Entry("to another key", func() { w.reconciler.Grants.Keys = grant.Keyring{"key-0001": grant.NewKey()} }),
		Entry("with the operator's namespace", func() { Expect(w.reconciler.Grants.Delete(w.ctx, w.id())).To(Succeed()) }),
	)

	It("ends its tokens by a newer root token where the one before is dead", func() {
		root := w.anotherRoot()
		w.root(root)
		w.connect()
		w.ready()
		token := w.token("crm-reporting")
		w.sim.RevokeToken(root)
		w.changeSecret("make-root", map[string]string{"token": makesim.RootToken})
		deleted()
		w.pass()
		w.gone()
		Expect(w.sim.TokenAlive(token)).To(BeFalse())
		Expect(w.events.take()).To(BeEmpty())
	})

	It("waits for the sealing keys, but not for ever", func() {
		w.connectByToken()
		w.reconciler.Grants.Keys = outOfReach{}
		deleted()
		Expect(w.pass().conditions).To(HaveKeyWithValue("Revoked", "False/RevocationPending"))
		w.clock.Step(6 * time.Minute)
		w.pass()
		w.gone()
		Expect(w.events.take()).To(ContainElement(HavePrefix("Warning RevocationAbandoned")))
	})

	Context("with an OAuth grant", func() {
		var o *grant.OAuth
		consented := func() {
			GinkgoHelper()
			w.secret("make-client", map[string]string{"client-id": makesim.OAuthClientID, "client-secret": makesim.OAuthClientSecret})
			w.connect(byOAuth)
			w.failing(v1alpha1.ReasonConsentRequired)
			Expect(w.consent(makesim.UserID)).To(Equal(http.StatusOK))
			w.ready()
			w.events.take()
			o = w.grant().OAuth
		}
		revoked := func() {
			GinkgoHelper()
			w.gone()
			Expect(w.sim.TokenAlive(o.AccessToken)).To(BeFalse())
			Expect(w.sim.TokenAlive(o.RefreshToken)).To(BeFalse())
			Expect(w.events.take()).To(BeEmpty())
		}

		It("revokes it with all of its tokens", func() {
			consented()
			deleted()
			w.pass()
			revoked()
		})

		It("revokes it although the client's Secret is gone, as with a deleted namespace", func() {
			consented()
			Expect(live.Delete(w.ctx, w.secretNamed("make-client"))).To(Succeed())
			deleted()
			w.pass()
			revoked()
		})

		It("revokes it although somebody put a wrong client secret into the Secret", func() {
			consented()
			w.changeSecret("make-client", map[string]string{"client-id": makesim.OAuthClientID, "client-secret": "wrong"})
			deleted()
			w.pass()
			revoked()
		})

		It("gives up where Make knows no such client any more", func() {
			consented()
			rec := w.grant()
			rec.OAuth.ClientSecret = "outdated"
			Expect(w.reconciler.Grants.Write(w.ctx, w.id(), rec)).To(Succeed())
			Expect(live.Delete(w.ctx, w.secretNamed("make-client"))).To(Succeed())
			deleted()
			w.pass()
			w.gone()
			Expect(w.events.take()).To(HaveExactElements(HavePrefix("Warning RevocationAbandoned")))
		})

		It("waits for another replica that may be presenting the refresh token, but not for long", func() {
			consented()
			rec := w.grant()
			rec.OAuth.Intent = &grant.Intent{Attempt: "theirs", Presentations: 1, Holder: grant.Holder{Process: "theirs"}, Budget: time.Minute}
			Expect(w.reconciler.Grants.Write(w.ctx, w.id(), rec)).To(Succeed())
			deleted()
			Expect(w.pass().conditions).To(HaveKeyWithValue("Revoked", "False/RevocationPending"))
			Expect(w.sim.TokenAlive(o.RefreshToken)).To(BeTrue())
			w.events.take()
			w.clock.Step(time.Minute)
			w.pass()
			revoked()
		})

		It("keeps a new client secret once Make has accepted it", func() {
			consented()
			rec := w.grant()
			rec.OAuth.ClientSecret = "of before"
			Expect(w.reconciler.Grants.Write(w.ctx, w.id(), rec)).To(Succeed())
			w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Rotation.Generation = 1 })
			w.ready()
			Expect(w.grant().OAuth.ClientSecret).To(Equal(makesim.OAuthClientSecret))
			w.quiet()
		})
	})

	It("does not hang where its status cannot be written any more", func() {
		conn := w.connectByToken()
		deleted()
		w.pass()
		w.gone()
		_, err := w.reconciler.Reconcile(w.ctx, conn) // a stale event
		Expect(client.IgnoreNotFound(err)).To(Succeed())
	})
})

// gone expects that neither crm nor its grant is left.
func (w *world) gone() {
	GinkgoHelper()
	err := live.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "crm"}, &v1alpha1.MakeConnection{})
	Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the connection still exists")
	grants := &corev1.SecretList{}
	Expect(live.List(w.ctx, grants, client.InNamespace(w.operator), client.HasLabels{grant.Label})).To(Succeed())
	Expect(grants.Items).To(BeEmpty())
}

// outOfReach is a Sealer whose keys are in a Vault that does not answer.
type outOfReach struct{ grant.Keyring }

func (outOfReach) Ready(context.Context) error { return grant.ErrUnavailable }

func (outOfReach) Seal(context.Context, []byte, []byte) (sealed []byte, keyID string, err error) {
	return nil, "", grant.ErrUnavailable
}

func (outOfReach) Open(context.Context, []byte, string, []byte) ([]byte, error) {
	return nil, grant.ErrUnavailable
}
