package connection_test

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makesim"
)

// byOAuth makes a connection use the OAuth client in the Secret make-client.
func byOAuth(c *v1alpha1.MakeConnection) {
	c.Spec.Auth = v1alpha1.Auth{OAuth: &v1alpha1.OAuthAuth{ClientRef: v1alpha1.LocalRef{Name: "make-client"}}}
}

var _ = Describe("A connection by OAuth", func() {
	var w *world
	BeforeEach(func() { w = newWorld() })

	confidential := func() {
		GinkgoHelper()
		w.secret("make-client", map[string]string{"client-id": makesim.OAuthClientID, "client-secret": makesim.OAuthClientSecret})
	}
	// consented is a connection that was consented to and is Ready.
	consented := func(changes ...func(*v1alpha1.MakeConnection)) outcome {
		GinkgoHelper()
		confidential()
		w.connect(append([]func(*v1alpha1.MakeConnection){byOAuth}, changes...)...)
		w.failing(v1alpha1.ReasonConsentRequired)
		Expect(w.consent(makesim.UserID)).To(Equal(http.StatusOK))
		return w.ready()
	}
	loseAnswers := func(count int) {
		GinkgoHelper()
		w.knobs(func(k *makesim.Knobs) {
			k.Faults = []makesim.Fault{{Kind: makesim.FaultResetAfter, PathPrefix: "/oauth/v2/token", Count: count}}
		})
	}
	presented := func() (n int) {
		for _, e := range w.sim.Ledger() {
			if e.Token != nil && e.Token.Event == makesim.TokenPresented && e.Token.Kind == makesim.KindRefreshToken {
				n++
			}
		}
		return n
	}

	It("says where to consent, and is Ready afterwards", func() {
		confidential()
		w.connect(byOAuth)
		o := w.failing(v1alpha1.ReasonConsentRequired)
		Expect(o.status).To(BeEquivalentTo("InProgress"), "not broken, but waiting for a person")
		Expect(o.messages["Authorized"]).To(ContainSubstring("status.authorization.url"))
		Expect(w.crm().Status.Authorization.URL).To(Equal("http://127.0.0.1:8090/connect/" + w.namespace + "/crm"))
		Expect(w.calls()).To(BeEmpty())
		w.quiet()

		Expect(w.consent(makesim.UserID)).To(Equal(http.StatusOK))
		w.writes.take()
		w.ready()
		Expect(w.writes.take()).To(Equal([]string{"create Role", "create RoleBinding", "create Secret", "patch status of MakeConnection"}))
		AddReportEntry("writes after a consent, with one ServiceAccount", 4)
		conn := w.crm()
		Expect(conn.Status.Authorization.URL).To(BeEmpty())
		Expect(conn.Status.Account.ID).To(Equal(makesim.UserID))
		Expect(conn.Status.GrantedScopes).To(Equal([]string{"scenarios:read", "scenarios:run"}))

		secret := w.secretNamed("crm-reporting")
		token := w.token("crm-reporting")
		Expect(w.sim.TokenAlive(token)).To(BeTrue())
		Expect(secret.Data).To(And(HaveKeyWithValue("authorization", []byte("Bearer "+token)), HaveLen(7)))
		Expect(secret.Annotations).To(HaveKeyWithValue(v1alpha1.ExpiryAnnotation, w.clock.Now().Add(5*time.Minute).Format(time.RFC3339)))
		w.quiet()
		w.start()
		w.quiet()
	})

	It("refreshes at little more than half of the token's life, in three writes", func() {
		o := consented()
		Expect(o.next).To(BeNumerically("~", 165*time.Second, 15*time.Second), "55 % of 300 s, spread by 5 %")
		before, old := w.crm().Status, w.token("crm-reporting")
		w.clock.Step(o.next - time.Second)
		w.quiet()

		w.clock.Step(time.Second)
		calls := len(w.calls())
		w.writes.take()
		o = w.ready()
		Expect(w.writes.take()).To(Equal([]string{"update Secret", "update Secret", "update Secret"}),
			"the intent, the answer, and the consumer's Secret")
		AddReportEntry("writes of a refresh, with one consumer", 3)
		Expect(w.calls()[calls:]).To(Equal([]string{"POST /oauth/v2/token"}))
		Expect(w.token("crm-reporting")).NotTo(Equal(old))
		Expect(w.sim.TokenAlive(old)).To(BeTrue(), "it lives on until the pods have seen the new one")
		Expect(w.secretNamed("crm-reporting").Annotations).To(HaveKeyWithValue(
			v1alpha1.ExpiryAnnotation, w.clock.Now().Add(5*time.Minute).Format(time.RFC3339)))
		Expect(w.crm().Status).To(Equal(before), "a rotation is no news to GitOps tools")
		w.quiet()

		for range 5 {
			w.due(o)
			o = w.ready()
			Expect(w.sim.TokenAlive(w.token("crm-reporting"))).To(BeTrue())
		}
		Expect(presented()).To(Equal(6))
	})

	It("offers another consent when somebody asks for it, and takes nothing away meanwhile", func() {
		consented()
		before := w.token("crm-reporting")
		conn := w.crm()
		conn.Annotations[v1alpha1.ConsentAnnotation] = "now"
		Expect(live.Update(w.ctx, conn)).To(Succeed())
		w.ready()
		Expect(w.crm().Status.Authorization.URL).NotTo(BeEmpty())
		Expect(w.token("crm-reporting")).To(Equal(before))
		w.quiet()

		Expect(w.consent(makesim.UserID)).To(Equal(http.StatusOK))
		w.ready()
		Expect(w.crm().Status.Authorization.URL).To(BeEmpty(), "each wish is for one consent")
		Expect(w.token("crm-reporting")).NotTo(Equal(before))
		w.quiet()
	})

	It("asks again for a consent when the organization changes, and takes nothing away meanwhile", func() {
		consented()
		before := w.token("crm-reporting")
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.OrganizationID = 77 })
		o := w.stalled(v1alpha1.ReasonWrongOrganization)
		Expect(o.messages["Authorized"]).To(And(ContainSubstring("42"), ContainSubstring("77")))
		Expect(w.token("crm-reporting")).To(Equal(before))
		w.quiet()
		Expect(w.consent(makesim.UserID)).To(Equal(http.StatusForbidden), "the account is no member of it")
		w.stalled(v1alpha1.ReasonWrongOrganization)
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.OrganizationID = makesim.OrganizationID })
		w.ready()
		Expect(w.crm().Status.Authorization.URL).To(BeEmpty())
	})

	It("refreshes now when rotation.generation grows", func() {
		consented()
		old := w.token("crm-reporting")
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Rotation.Generation = 1 })
		w.ready()
		Expect(w.token("crm-reporting")).NotTo(Equal(old))
		w.quiet()
	})

	It("refreshes at once when the clock was set back, since the token's own stamps would be too late", func() {
		consented()
		w.clock.Step(-time.Hour)
		w.ready()
		Expect(presented()).To(Equal(1))
		w.quiet()
	})

	It("says that its consumers share one token, unless there is but one that needs all of it", func() {
		Expect(consented().conditions).To(HaveKeyWithValue("LeastPrivilege", "False/SharedToken"))
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Consumers[0].Scopes = nil })
		Expect(w.ready().conditions).To(HaveKeyWithValue("LeastPrivilege", "True/Succeeded"))
	})

	It("reports a refresh whose answer was lost, where the server is strict", func() {
		o := consented()
		w.due(o)
		loseAnswers(1)
		o = w.pass()
		Expect(o.conditions).To(HaveKeyWithValue("Ready", "True/Succeeded"), "nothing is lost yet")
		w.due(o)
		o = w.stalled(v1alpha1.ReasonRefreshOutcomeLost)
		Expect(o.messages["Authorized"]).To(ContainSubstring("status.authorization.url"))
		Expect(w.crm().Status.Authorization.URL).NotTo(BeEmpty())
		Expect(presented()).To(Equal(2))
		w.quiet()
		w.clock.Step(24 * time.Hour)
		w.quiet()

		By("consenting again")
		Expect(w.consent(makesim.UserID)).To(Equal(http.StatusOK))
		w.ready()
		Expect(w.sim.TokenAlive(w.token("crm-reporting"))).To(BeTrue())
	})

	DescribeTable("recovers a refresh whose answer was lost, where the server lets it",
		func(class makesim.RefreshClass) {
			w.knobs(func(k *makesim.Knobs) { k.RefreshClass = class })
			o := consented()
			w.due(o)
			loseAnswers(1)
			w.due(w.pass())
			w.ready()
			Expect(presented()).To(Equal(2))
			Expect(w.sim.TokenAlive(w.token("crm-reporting"))).To(BeTrue())
			w.quiet()
		},
		Entry("no rotation", makesim.ClassNoRotation),
		Entry("grace", makesim.ClassGrace),
		Entry("until used", makesim.ClassUntilUsed),
	)

	It("recovers a refresh that another process of the operator left open", func() {
		w.knobs(func(k *makesim.Knobs) { k.RefreshClass = makesim.ClassUntilUsed })
		o := consented()
		w.due(o)
		loseAnswers(1)
		o = w.pass()
		w.start() // the crash
		w.due(o)
		o = w.pass()
		Expect(o.conditions).To(And(HaveKeyWithValue("Ready", "True/Succeeded"), HaveKeyWithValue("Reconciling", "True/RefreshInProgress")))
		Expect(presented()).To(Equal(1), "the other process may still be at it")
		w.clock.Step(45 * time.Second)
		w.ready()
		Expect(presented()).To(Equal(2))
	})

	It("is told when somebody revoked the grant", func() {
		o := consented()
		w.sim.RevokeToken(w.grant().OAuth.RefreshToken)
		w.due(o)
		w.stalled(v1alpha1.ReasonNeedsReauthorization)
		calls := len(w.calls())
		w.clock.Step(24 * time.Hour)
		w.stalled(v1alpha1.ReasonNeedsReauthorization)
		Expect(w.calls()).To(HaveLen(calls), "a dead token is presented once")
	})

	It("survives an outage of Make that is shorter than its token's life", func() {
		o := consented()
		w.due(o)
		w.down()
		o = w.pass()
		Expect(o.conditions).To(HaveKeyWithValue("Ready", "True/Succeeded"))
		w.up()
		w.due(o)
		w.ready()
	})

	It("says up front that a public client gets no refresh token, and hands out what there is", func() {
		w.secret("make-client", map[string]string{"client-id": makesim.PublicClientID})
		w.connect(byOAuth)
		w.failing(v1alpha1.ReasonConsentRequired)
		Expect(w.consent(makesim.UserID)).To(Equal(http.StatusOK))
		o := w.stalled(v1alpha1.ReasonNonRefreshable)
		Expect(o.messages["Authorized"]).To(ContainSubstring("confidential client"))
		Expect(o.conditions).To(HaveKeyWithValue("Synced", "True/Succeeded"))
		Expect(w.sim.TokenAlive(w.token("crm-reporting"))).To(BeTrue())
		w.quiet()
		w.due(o)
		w.stalled(v1alpha1.ReasonNonRefreshable)
		Expect(w.sim.TokenAlive(w.token("crm-reporting"))).To(BeFalse())
		w.quiet()
	})

	It("refreshes a public client's token where Make allows that", func() {
		w.knobs(func(k *makesim.Knobs) { k.PublicClientRefresh = true })
		w.secret("make-client", map[string]string{"client-id": makesim.PublicClientID})
		w.connect(byOAuth)
		w.failing(v1alpha1.ReasonConsentRequired)
		w.consent(makesim.UserID)
		w.due(w.ready())
		w.ready()
		Expect(presented()).To(Equal(1))
	})

	It("revokes the consent of an account outside the organization", func() {
		confidential()
		w.connect(byOAuth)
		w.failing(v1alpha1.ReasonConsentRequired)
		Expect(w.consent(makesim.OtherUserID)).To(Equal(http.StatusForbidden))
		w.failing(v1alpha1.ReasonConsentRequired)
		revoked := 0
		for _, e := range w.sim.Ledger() {
			if e.Token != nil && e.Token.Event == makesim.TokenRevoked {
				revoked++
			}
		}
		Expect(revoked).To(Equal(2), "access token and refresh token")
		Expect(w.grant().OAuth).To(BeNil())
	})

	It("asks for another consent when the scopes grow, and serves what it has until then", func() {
		consented()
		w.change(func(s *v1alpha1.MakeConnectionSpec) {
			s.Scopes = append(s.Scopes, "teams:read")
			s.Consumers = append(s.Consumers, v1alpha1.Consumer{ServiceAccountName: "billing"})
		})
		o := w.stalled(v1alpha1.ReasonScopeMissing)
		Expect(o.messages["ScopesGranted"]).To(ContainSubstring("teams:read"))
		Expect(w.crm().Status.Authorization.URL).NotTo(BeEmpty())
		for range 3 { // a consent may take days
			w.due(o)
			o = w.stalled(v1alpha1.ReasonScopeMissing)
			Expect(w.sim.TokenAlive(w.token("crm-reporting"))).To(BeTrue())
		}
		Expect(w.crm().Status.Secrets).To(ContainElement(And(
			HaveField("ServiceAccountName", "billing"), HaveField("Scopes", []string{"scenarios:read", "scenarios:run"}))))

		Expect(w.consent(makesim.UserID)).To(Equal(http.StatusOK))
		w.ready()
	})

	It("hands out nothing when the consent gave more than the spec allows", func() {
		w.knobs(func(k *makesim.Knobs) {
			k.GrantedScopes = []string{"scenarios:read", "scenarios:run", "scenarios:write"}
		})
		confidential()
		w.connect(byOAuth)
		w.failing(v1alpha1.ReasonConsentRequired)
		w.consent(makesim.UserID)
		o := w.stalled(v1alpha1.ReasonScopeDrift)
		Expect(o.messages["ScopesGranted"]).To(ContainSubstring("scenarios:write"))
		Expect(w.crm().Status.Secrets).To(BeEmpty())
	})

	It("asks for another consent when its client changes", func() {
		consented()
		w.changeSecret("make-client", map[string]string{"client-id": makesim.PublicClientID})
		w.failing(v1alpha1.ReasonConsentRequired)
	})

	It("says that Make does not know the client", func() {
		o := consented()
		w.changeSecret("make-client", map[string]string{"client-id": makesim.OAuthClientID, "client-secret": "wrong"})
		w.due(o)
		o = w.stalled(v1alpha1.ReasonCredentialRejected)
		Expect(o.messages["Authorized"]).To(ContainSubstring("make-client"))

		By("correcting it")
		w.changeSecret("make-client", map[string]string{"client-id": makesim.OAuthClientID, "client-secret": makesim.OAuthClientSecret})
		w.ready()
	})

	It("says that it is suspended when its token has expired", func() {
		consented()
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Suspend = v1alpha1.SuspendEnabled })
		o := w.ready()
		Expect(o.next).To(Equal(5 * time.Minute))
		w.due(o)
		o = w.stalled(v1alpha1.ReasonSuspended)
		Expect(o.queue).To(Equal("event"))
		Expect(presented()).To(BeZero())
	})

	It("needs the lost sealing key back, or the grant deleted and another consent", func() {
		consented()
		w.reconciler.Grants.Keys = grant.Keyring{"key-0001": grant.NewKey()} // the consent pages share the store
		w.stalled(v1alpha1.ReasonSealingKeyLost)
		Expect(w.consent(makesim.UserID)).To(Equal(http.StatusConflict), "the key may come back")
		w.stalled(v1alpha1.ReasonSealingKeyLost)

		By("deleting it, as the condition says")
		id := grant.Identity{Namespace: w.namespace, Name: "crm", UID: w.crm().UID}
		Expect(w.reconciler.Grants.Delete(w.ctx, id)).To(Succeed())
		w.failing(v1alpha1.ReasonConsentRequired)
		Expect(w.consent(makesim.UserID)).To(Equal(http.StatusOK))
		w.ready()
	})
})
