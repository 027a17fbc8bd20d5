package connection_test

import (
	"errors"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/makesim"
)

// mostCalls is what a connection that fails all day may cost Make, as docs/rotation.md publishes it.
const mostCalls = 30

var _ = Describe("A connection that fails all day", func() {
	var w *world
	BeforeEach(func() { w = newWorld() })

	faulty := func(f makesim.Fault) func() {
		return func() {
			f.Count = 100_000
			w.knobs(func(k *makesim.Knobs) { k.Faults = []makesim.Fault{f} })
		}
	}
	status := func(code int) makesim.Fault { return makesim.Fault{Kind: makesim.FaultStatus, Status: code} }
	on := func(method, path string, f makesim.Fault) makesim.Fault {
		f.Method, f.PathPrefix = method, path
		return f
	}
	byToken := func() { w.connectByToken() }
	fresh := func() {
		w.root(makesim.RootToken)
		w.connect()
	}
	byConsent := func() {
		w.secret("make-client", map[string]string{"client-id": makesim.OAuthClientID, "client-secret": makesim.OAuthClientSecret})
		w.connect(byOAuth)
		w.failing(v1alpha1.ReasonConsentRequired)
		Expect(w.consent(makesim.UserID)).To(Equal(http.StatusOK))
		w.ready()
	}

	// aDay reconciles when the connection asks for it, with restarts of the operator, and what else wakes it in between. It returns the calls to Make.
	aDay := func() int {
		GinkgoHelper()
		calls, end := len(w.calls()), w.clock.Now().Add(24*time.Hour)
		for i := 0; w.clock.Now().Before(end); i++ {
			if i%20 == 3 { // outside of a pod a new process waits 45 s for the one before it
				w.start()
			}
			o := w.pass()
			Expect(o.queue).NotTo(Equal("backoff"), "the queue forgets its backoff at a restart")
			Expect(o.status).NotTo(BeEmpty())
			if i%4 == 1 {
				w.quiet() // an event
			}
			if o.queue == "event" {
				break
			}
			w.clock.Step(o.next)
		}
		return len(w.calls()) - calls
	}

	DescribeTable("costs Make at most 30 calls",
		func(before, breaks func()) {
			before()
			breaks()
			calls := aDay()
			Expect(calls).To(And(BeNumerically(">", 0), BeNumerically("<=", mostCalls)))
			AddReportEntry("calls on the first day, of which the others have fewer", calls)
		},
		Entry("while Make is down, a new connection", fresh, func() { w.down() }),
		Entry("while Make answers 500, a new connection", fresh, faulty(status(500))),
		Entry("while Make answers 429, a new connection", fresh, faulty(makesim.Fault{
			Kind: makesim.FaultStatus, Status: http.StatusTooManyRequests, RetryAfterSeconds: 1,
		})),
		Entry("while the token is wrong", func() { w.root("wrong"); w.connect() }, func() {}),
		Entry("while the organization is another", func() {
			w.root(makesim.RootToken)
			w.connect(func(c *v1alpha1.MakeConnection) { c.Spec.OrganizationID = 99 })
		}, func() {}),
		Entry("while Make is down when tokens are due", byToken, func() { w.down(); w.clock.Step(time.Hour) }),
		Entry("while Make refuses to mint", byToken, func() {
			faulty(on(http.MethodPost, "/api/v2/users/me/api-tokens", status(http.StatusPaymentRequired)))()
			w.clock.Step(time.Hour)
		}),
		Entry("while minted tokens cannot be verified", byToken, func() {
			faulty(on(http.MethodGet, "/api/v2/users/me/current-authorization", status(http.StatusBadGateway)))()
			w.clock.Step(time.Hour)
		}),
		Entry("while replaced tokens cannot be deleted", byToken, func() {
			faulty(on(http.MethodDelete, "/api/v2/users/me/api-tokens", status(http.StatusInternalServerError)))()
			w.change(func(s *v1alpha1.MakeConnectionSpec) {
				s.Rotation.Generation, s.Rotation.EverySeconds = 1, 10*24*3600
			})
		}),
		Entry("while what is minted cannot be stored", byToken, func() {
			w.writes.refuse = refuseSecret("make-grant-"+string(w.crm().UID), errors.New("quota"))
			w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Rotation.Generation = 1 })
		}),
		Entry("while the authorization server is down", byConsent, func() { w.down(); w.clock.Step(4 * time.Minute) }),
		Entry("while nobody knows whether refreshes are processed", byConsent, func() {
			faulty(on(http.MethodPost, "/oauth/v2/token", status(http.StatusGatewayTimeout)))()
			w.clock.Step(4 * time.Minute)
		}),
		Entry("while the authorization server asks to wait", byConsent, func() {
			faulty(on(http.MethodPost, "/oauth/v2/token", status(http.StatusTooManyRequests)))()
			w.clock.Step(4 * time.Minute)
		}),
		Entry("while the client is wrong", byConsent, func() {
			w.changeSecret("make-client", map[string]string{"client-id": makesim.OAuthClientID, "client-secret": "wrong"})
			w.clock.Step(4 * time.Minute)
		}),
		Entry("while the consent is dead", byConsent, func() {
			w.sim.RevokeToken(w.grant().OAuth.RefreshToken)
			w.clock.Step(4 * time.Minute)
		}),
	)

	It("tries again at once when its owner changes something, and forgets what failed when it succeeds", func() {
		w.root("wrong")
		w.connect()
		for range 8 {
			o := w.stalled(v1alpha1.ReasonCredentialRejected)
			w.due(o)
		}
		w.stalled(v1alpha1.ReasonCredentialRejected)
		Expect(w.crm().Status.Retry.Calls).To(BeNumerically(">=", 8))
		calls := len(w.calls())
		w.changeSecret("make-root", map[string]string{"token": "wrong-too"})
		o := w.stalled(v1alpha1.ReasonCredentialRejected)
		Expect(len(w.calls())).To(BeNumerically(">", calls))
		Expect(o.next).To(BeNumerically("<", time.Minute))

		w.changeSecret("make-root", map[string]string{"token": makesim.RootToken})
		w.ready()
		Expect(w.crm().Status.Retry).To(BeZero())
	})

	It("says the same while it waits as when it failed", func() {
		w.root(makesim.RootToken)
		w.connect()
		w.down()
		o := w.failing(v1alpha1.ReasonMakeUnavailable)
		w.start()
		held := w.quiet()
		Expect(held.messages).To(Equal(o.messages))
		Expect(held.next).To(Equal(o.next))
	})

	It("is deleted with few calls, too", func() {
		w.connectByToken()
		w.down()
		calls := len(w.calls())
		Expect(live.Delete(w.ctx, w.crm())).To(Succeed())
		for range 100 {
			o := w.pass()
			if o.status == "" {
				break
			}
			w.due(o)
		}
		Expect(len(w.calls()) - calls).To(And(BeNumerically(">", 3), BeNumerically("<=", mostCalls)))
	})
})
