package connection_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makesim"
)

func rotatingRoot(c *v1alpha1.MakeConnection) { c.Spec.Auth.APIToken.RotateRoot = true }

// tookOver is the connection's root token after the operator replaced the one in the user's Secret.
func (w *world) tookOver(bootstrap string) *grant.Root {
	GinkgoHelper()
	rec := w.grant()
	Expect(rec.Bootstrap).To(Equal(bootstrap))
	Expect(rec.Former).To(BeEmpty())
	Expect(rec.Root.Created).NotTo(BeEmpty())
	Expect(w.sim.TokenAlive(rec.Root.Value)).To(BeTrue(), "the root token")
	Expect(w.sim.TokenAlive(bootstrap)).To(BeFalse(), "the token in the Secret")
	return rec.Root
}

// ownTokens are the labels of crm's living tokens at Make, without the part that all share, as somebody sees them who can list them.
func (w *world) ownTokens(root string) []string {
	GinkgoHelper()
	listed, err := w.reconciler.Make.Zone(w.sim.Zone, makeapi.APIToken(root)).ListTokens(w.ctx)
	Expect(err).NotTo(HaveOccurred())
	var labels []string
	for _, t := range listed {
		if label, ok := strings.CutPrefix(t.Label, "make-operator:"+string(w.crm().UID)+":"); ok {
			labels = append(labels, label)
		}
	}
	slices.Sort(labels)
	return labels
}

var _ = Describe("The takeover of the root token", func() {
	var w *world
	var bootstrap string
	BeforeEach(func() {
		w = newWorld()
		bootstrap = w.anotherRoot()
		w.root(bootstrap)
	})

	It("leaves a dead value in the user's Secret, and says so", func() {
		w.connect(rotatingRoot)
		before := w.secretNamed("make-root")
		o := w.ready()
		Expect(o.conditions).To(HaveKeyWithValue("RootRotated", "True/Succeeded"))
		root := w.tookOver(bootstrap)
		Expect(root.Scopes).To(Equal([]string{"scenarios:read", "scenarios:run", "user:read", "user:write"}))
		Expect(w.secretNamed("make-root").ResourceVersion).To(Equal(before.ResourceVersion), "the user's Secret is not ours to write")
		Expect(w.sim.TokenAlive(w.token("crm-reporting"))).To(BeTrue())
		Expect(w.sim.TokenAlive(makesim.RootToken)).To(BeTrue(), "another token of the account")
		Expect(w.ownTokens(root.Value)).To(Equal([]string{"root:1", "sa:reporting:1"}))
		Expect(w.events.take()).To(HaveExactElements(HavePrefix("Normal RootRotated")))
		w.quiet()
		w.start()
		w.quiet()
	})

	It("goes on minting and deleting by the successor", func() {
		w.connect(rotatingRoot)
		o := w.ready()
		old := w.token("crm-reporting")
		for range 6 {
			w.due(o)
			o = w.ready()
		}
		Expect(w.token("crm-reporting")).NotTo(Equal(old))
		Expect(w.sim.TokenAlive(old)).To(BeFalse())
		Expect(w.grant().Root.Sequence).To(BeNumerically(">", 1), "the root token is rotated like the others")
		Expect(len(w.ownTokens(w.grant().Root.Value))).To(BeNumerically("<=", 3))
	})

	It("replaces the root token too when rotation.generation grows", func() {
		w.connect(rotatingRoot)
		w.ready()
		first := w.tookOver(bootstrap)
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Rotation.Generation = 3 })
		w.ready()
		second := w.tookOver(bootstrap)
		Expect(second.Value).NotTo(Equal(first.Value))
		Expect(w.sim.TokenAlive(first.Value)).To(BeFalse())
		w.quiet()
	})

	It("can be wished for later", func() {
		w.connect()
		Expect(w.ready().conditions).NotTo(HaveKey("RootRotated"))
		token := w.token("crm-reporting")
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Auth.APIToken.RotateRoot = true })
		w.ready()
		w.tookOver(bootstrap)
		Expect(w.token("crm-reporting")).To(Equal(token))
		Expect(w.sim.TokenAlive(token)).To(BeTrue())
		w.quiet()
	})

	It("takes a new token in the Secret over again, and ends its own", func() {
		w.connect(rotatingRoot)
		w.ready()
		first := w.tookOver(bootstrap)
		fresh := w.anotherRoot()
		w.changeSecret("make-root", map[string]string{"token": fresh})
		w.ready()
		second := w.tookOver(fresh)
		Expect(second.Value).NotTo(Equal(first.Value))
		Expect(w.sim.TokenAlive(first.Value)).To(BeFalse())
		Expect(w.sim.TokenAlive(w.token("crm-reporting"))).To(BeTrue())
		w.quiet()
	})

	It("is not undone by a dead token that somebody puts into the Secret", func() {
		w.connect(rotatingRoot)
		w.ready()
		root := w.tookOver(bootstrap)
		w.changeSecret("make-root", map[string]string{"token": "11111111-2222-4333-8444-555555555555"})
		w.stalled(v1alpha1.ReasonCredentialRejected)
		Expect(w.sim.TokenAlive(root.Value)).To(BeTrue())
		w.changeSecret("make-root", map[string]string{"token": bootstrap})
		w.ready()
		w.quiet()
	})

	It("keeps the successor when the wish is withdrawn, until there is another token", func() {
		w.connect(rotatingRoot)
		w.ready()
		root := w.tookOver(bootstrap)
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Auth.APIToken.RotateRoot = false })
		Expect(w.ready().conditions).NotTo(HaveKey("RootRotated"))
		Expect(w.tookOver(bootstrap).Value).To(Equal(root.Value))
		w.quiet()
		fresh := w.anotherRoot()
		w.changeSecret("make-root", map[string]string{"token": fresh})
		w.ready()
		Expect(w.grant().Root.Value).To(Equal(fresh))
		Expect(w.sim.TokenAlive(fresh)).To(BeTrue())
		Expect(w.sim.TokenAlive(root.Value)).To(BeFalse(), "nobody could use it any more")
		w.quiet()
	})

	It("ends what the former account minted when another account's token comes", func() {
		w.connect(rotatingRoot)
		w.ready()
		root, token := w.tookOver(bootstrap), w.token("crm-reporting")
		stranger := strangersToken
		w.changeSecret("make-root", map[string]string{"token": stranger})
		w.ready()
		w.tookOver(stranger)
		Expect(w.sim.TokenAlive(root.Value)).To(BeFalse())
		Expect(w.sim.TokenAlive(token)).To(BeFalse())
		Expect(w.sim.TokenAlive(w.token("crm-reporting"))).To(BeTrue())
		w.quiet()
	})

	It("is refused while another connection uses the same Secret", func() {
		other := w.connect(rotatingRoot).DeepCopy()
		other.Name, other.UID, other.ResourceVersion = "erp", "", ""
		Expect(live.Create(w.ctx, other)).To(Succeed())
		o := w.ready()
		Expect(o.conditions).To(HaveKeyWithValue("RootRotated", "False/RootShared"))
		Expect(o.messages["RootRotated"]).To(And(ContainSubstring("erp"), ContainSubstring("make-root")))
		Expect(w.sim.TokenAlive(bootstrap)).To(BeTrue())
		w.quiet()
		Expect(live.Delete(w.ctx, other)).To(Succeed())
		w.ready()
		w.tookOver(bootstrap)
	})

	It("is refused where the token cannot mint", func() {
		w.canary.sharedRoot = true
		w.changeSecret("make-root", map[string]string{"token": makesim.ReaderToken})
		w.connect(rotatingRoot, func(c *v1alpha1.MakeConnection) { c.Spec.Scopes = []v1alpha1.Scope{read} })
		o := w.ready()
		Expect(o.conditions).To(HaveKeyWithValue("RootRotated", "False/ScopeMissing"))
		Expect(w.sim.TokenAlive(makesim.ReaderToken)).To(BeTrue())
		w.quiet()
	})

	It("does not happen while the connection is suspended", func() {
		w.connect()
		w.ready()
		w.change(func(s *v1alpha1.MakeConnectionSpec) {
			s.Auth.APIToken.RotateRoot, s.Suspend = true, v1alpha1.SuspendEnabled
		})
		calls := len(w.calls())
		Expect(w.ready().conditions).To(HaveKeyWithValue("RootRotated", "False/Suspended"))
		Expect(w.calls()).To(HaveLen(calls))
		Expect(w.sim.TokenAlive(bootstrap)).To(BeTrue())
	})

	It("asks once a day where Make refuses a successor, and takes nothing away", func() {
		w.connect()
		w.ready()
		w.knobs(func(k *makesim.Knobs) { k.APITokenLimit = 1 })
		w.change(func(s *v1alpha1.MakeConnectionSpec) {
			s.Auth.APIToken.RotateRoot, s.Rotation.EverySeconds = true, 31536000
		})
		o := w.ready()
		Expect(o.conditions).To(HaveKeyWithValue("RootRotated", "False/MakeRefused"))
		Expect(w.sim.TokenAlive(bootstrap)).To(BeTrue())
		w.quiet()
		w.clock.Step(23 * time.Hour)
		w.quiet()
		w.knobs(func(k *makesim.Knobs) { k.APITokenLimit = 0 })
		w.clock.Step(time.Hour)
		w.ready()
		w.tookOver(bootstrap)
		w.quiet()
	})

	It("says that a token is left where Make does not list it, and asks no more", func() {
		w.connect(rotatingRoot)
		w.ready()
		rec := w.grant()
		rec.Former = []grant.FormerRoot{{Value: makesim.ReaderToken, Created: "1970-01-01T00:00:00.000Z"}}
		Expect(w.reconciler.Grants.Write(w.ctx, w.id(), rec)).To(Succeed())
		o := w.ready()
		Expect(o.conditions).To(HaveKeyWithValue("RootRotated", "False/RootAlive"))
		w.quiet()

		By("asking anew, as the message says")
		w.sim.RevokeToken(makesim.ReaderToken)
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Rotation.Generation = 1 })
		Expect(w.ready().conditions).To(HaveKeyWithValue("RootRotated", "True/Succeeded"))
		w.quiet()
	})

	Context("when the connection is deleted", func() {
		for _, policy := range []v1alpha1.DeletionPolicy{v1alpha1.Revoke, v1alpha1.Retain} {
			It("ends the successor with "+string(policy), func() {
				w.connect(rotatingRoot, func(c *v1alpha1.MakeConnection) { c.Spec.OnDelete = policy })
				w.ready()
				root, token := w.tookOver(bootstrap), w.token("crm-reporting")
				w.events.take()
				Expect(live.Delete(w.ctx, w.crm())).To(Succeed())
				w.pass()
				w.gone()
				Expect(w.sim.TokenAlive(root.Value)).To(BeFalse())
				Expect(w.sim.TokenAlive(token)).To(Equal(policy == v1alpha1.Retain))
				Expect(w.events.take()).To(BeEmpty())
			})
		}

		It("ends the successor also after a crash between its end and the connection's", func() {
			w.connect(rotatingRoot)
			w.ready()
			root := w.tookOver(bootstrap)
			w.events.take()
			Expect(live.Delete(w.ctx, w.crm())).To(Succeed())
			refused := 0
			w.writes.refuse = func(write string, _ client.Object) error {
				if refused == 0 && write == "delete Secret" {
					refused++
					return errors.New("the process dies")
				}
				return nil
			}
			_, err := w.reconciler.Reconcile(w.ctx, w.crm())
			Expect(err).To(HaveOccurred())
			Expect(w.sim.TokenAlive(root.Value)).To(BeFalse())
			w.start()
			w.pass()
			w.gone()
			Expect(w.events.take()).To(BeEmpty(), "a false alarm")
		})
	})

	// Wherever the process dies, or an answer is lost, one root token is both known and alive, and the next process ends what is left.
	Context("with trouble at each step", func() {
		converges := func() {
			GinkgoHelper()
			w.start() // a new process
			Eventually(func() string {
				w.clock.Step(time.Second)
				return w.pass().conditions["RootRotated"]
			}).WithPolling(time.Millisecond).Should(Equal("True/Succeeded"))
			root := w.tookOver(bootstrap)
			Expect(w.ownTokens(root.Value)).To(ConsistOf(HavePrefix("root:"), HavePrefix("sa:reporting:")))
			Expect(w.sim.TokenAlive(w.token("crm-reporting"))).To(BeTrue())
			w.quiet()
		}
		// holdsARoot fails if no root token that the operator can find is alive.
		holdsARoot := func() {
			GinkgoHelper()
			rec := w.grant()
			secret := string(w.secretNamed("make-root").Data["token"])
			Expect(rec.Root != nil && w.sim.TokenAlive(rec.Root.Value) || w.sim.TokenAlive(secret)).To(BeTrue(), "both root tokens are lost")
		}
		for _, after := range []bool{false, true} {
			for n := 1; n <= 3; n++ {
				It(fmt.Sprintf("survives that write %d of the grant fails (after it took place: %t)", n, after), func() {
					w.connect(rotatingRoot)
					seen := 0
					name := "make-grant-" + string(w.crm().UID)
					w.writes.refuse = func(_ string, obj client.Object) error {
						if obj.GetName() != name {
							return nil
						}
						if seen++; seen != n {
							return nil
						}
						if after {
							w.writes.lost = true
							return nil
						}
						return errors.New("connection lost")
					}
					w.pass()
					Expect(seen).To(BeNumerically(">=", n), "there is no such write")
					holdsARoot()
					w.writes.refuse = nil
					converges()
				})
			}
		}
		for _, kind := range []makesim.FaultKind{makesim.FaultResetBefore, makesim.FaultResetAfter} {
			for n := range 12 {
				It(fmt.Sprintf("survives %s at call %d to Make", kind, n+1), func() {
					w.connect(rotatingRoot)
					w.knobs(func(k *makesim.Knobs) { k.Faults = append(skip(n), makesim.Fault{Kind: kind, Count: 1}) })
					w.pass()
					holdsARoot()
					w.up()
					converges()
				})
			}
		}
	})
})

// skip lets that many calls pass.
func skip(calls int) []makesim.Fault {
	if calls == 0 {
		return nil
	}
	return []makesim.Fault{{Kind: makesim.FaultDelay, DelayMilliseconds: 1, Count: calls}}
}
