package connection_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/makesim"
)

var _ = Describe("Consumers of a connection", func() {
	var w *world
	BeforeEach(func() { w = newWorld() })

	gone := func(name string, kinds ...client.Object) {
		GinkgoHelper()
		for _, o := range kinds {
			err := live.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: name}, o)
			Expect(apierrors.IsNotFound(err)).To(BeTrue(), "%T %s still exists", o, name)
		}
	}

	It("hold narrower tokens each, exactly as the spec says", func() {
		w.connectByToken(func(c *v1alpha1.MakeConnection) {
			c.Spec.Consumers = append(c.Spec.Consumers, v1alpha1.Consumer{ServiceAccountName: "all"})
		})
		Expect(w.minted()).To(ConsistOf(
			And(HaveField("Token", makesim.Fingerprint(w.token("crm-reporting"))), HaveField("Scopes", []string{"scenarios:read"})),
			And(HaveField("Token", makesim.Fingerprint(w.token("crm-all"))), HaveField("Scopes", []string{"scenarios:read", "scenarios:run"})),
		))
	})

	It("are added and removed without touching the others", func() {
		w.connectByToken()
		kept := w.secretNamed("crm-reporting")

		By("adding one")
		w.change(func(s *v1alpha1.MakeConnectionSpec) {
			s.Consumers = append(s.Consumers, v1alpha1.Consumer{ServiceAccountName: "billing"})
		})
		w.writes.take()
		w.ready()
		Expect(w.writes.take()).To(Equal([]string{
			"update Secret", "create Role", "create RoleBinding", "create Secret", "patch status of MakeConnection",
		}))
		billing := w.token("crm-billing")
		Expect(w.sim.TokenAlive(billing)).To(BeTrue())
		Expect(w.secretNamed("crm-reporting").ResourceVersion).To(Equal(kept.ResourceVersion))

		By("removing it")
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Consumers = s.Consumers[:1] })
		w.ready()
		gone("crm-billing", &corev1.Secret{}, &rbacv1.Role{}, &rbacv1.RoleBinding{})
		Expect(w.sim.TokenAlive(billing)).To(BeFalse(), "the token of a removed consumer is of no more use")
		Expect(w.secretNamed("crm-reporting").ResourceVersion).To(Equal(kept.ResourceVersion))
		Expect(w.crm().Status.Secrets).To(HaveLen(1))
		w.quiet()
	})

	It("get another token when their scopes change", func() {
		w.connectByToken(func(c *v1alpha1.MakeConnection) { c.Spec.Consumers[0].Scopes = []v1alpha1.Scope{read, run} })
		old := w.token("crm-reporting")
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Consumers[0].Scopes = []v1alpha1.Scope{read} })
		o := w.ready()
		Expect(w.minted()[1].Scopes).To(Equal([]string{"scenarios:read"}))
		Expect(w.crm().Status.Secrets[0].Scopes).To(Equal([]string{"scenarios:read"}))
		Expect(w.sim.TokenAlive(old)).To(BeTrue())
		w.due(o)
		w.ready()
		Expect(w.sim.TokenAlive(old)).To(BeFalse())
	})

	It("do not get another token when their scopes are only ordered differently", func() {
		w.connectByToken(func(c *v1alpha1.MakeConnection) { c.Spec.Consumers[0].Scopes = []v1alpha1.Scope{run, read} })
		token := w.token("crm-reporting")
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Consumers[0].Scopes = []v1alpha1.Scope{read, run} })
		w.ready()
		Expect(w.token("crm-reporting")).To(Equal(token))
	})

	Describe("that are MakeMCPServers", func() {
		It("get a Secret, and no right to read it through the API server", func() {
			w.root(makesim.RootToken)
			w.connect(func(c *v1alpha1.MakeConnection) { c.Spec.Consumers = nil })
			w.server("tools", read, run)
			w.ready()
			Expect(w.writes.take()).To(Equal([]string{
				"patch MakeConnection", "create Secret", "create Secret", "patch status of MakeConnection",
			}))
			AddReportEntry("writes of a new connection with one MakeMCPServer", 4)
			Expect(w.secretNamed("crm-mcp-tools").Labels).To(HaveKeyWithValue(v1alpha1.ServerLabel, "tools"))
			Expect(w.sim.TokenAlive(w.token("crm-mcp-tools"))).To(BeTrue())
			gone("crm-mcp-tools", &rbacv1.Role{}, &rbacv1.RoleBinding{})
			Expect(w.crm().Status.Secrets).To(Equal([]v1alpha1.ConsumerSecret{
				{Name: "crm-mcp-tools", ServerName: "tools", Scopes: []string{"scenarios:read", "scenarios:run"}},
			}))
			w.quiet()
		})

		It("lose their Secret and token when they are deleted", func() {
			w.connectByToken()
			server := w.server("tools", read)
			w.ready()
			token := w.token("crm-mcp-tools")
			Expect(live.Delete(w.ctx, server)).To(Succeed())
			w.ready()
			gone("crm-mcp-tools", &corev1.Secret{})
			Expect(w.sim.TokenAlive(token)).To(BeFalse())
		})

		It("get nothing beyond the connection's scopes, and do not stop the others", func() {
			w.connectByToken()
			w.server("tools", "teams:read")
			w.ready()
			gone("crm-mcp-tools", &corev1.Secret{})
			Expect(w.minted()).To(HaveLen(1))
		})

		It("keep the token that they have when they ask for too much", func() {
			w.connectByToken()
			server := w.server("tools", read)
			w.ready()
			token := w.token("crm-mcp-tools")

			Expect(live.Get(w.ctx, client.ObjectKeyFromObject(server), server)).To(Succeed())
			server.Spec.Scopes = []v1alpha1.Scope{read, "teams:read"}
			Expect(live.Update(w.ctx, server)).To(Succeed())
			w.ready()
			Expect(w.token("crm-mcp-tools")).To(Equal(token))
			w.quiet()

			By("unless the connection does not allow that either any more")
			w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Scopes, s.Consumers = []v1alpha1.Scope{run}, nil })
			w.ready()
			gone("crm-mcp-tools", &corev1.Secret{})
			Expect(w.sim.TokenAlive(token)).To(BeFalse())
		})

		It("do not share a Secret with a ServiceAccount whose name makes the same", func() {
			w.connectByToken(func(c *v1alpha1.MakeConnection) {
				c.Spec.Consumers = append(c.Spec.Consumers, v1alpha1.Consumer{ServiceAccountName: "mcp-tools"})
			})
			w.server("tools", read)
			token := w.token("crm-mcp-tools")
			o := w.stalled(v1alpha1.ReasonSecretConflict)
			Expect(o.messages["Synced"]).To(And(ContainSubstring("MakeMCPServer tools"), ContainSubstring("crm-mcp-tools")))
			Expect(w.token("crm-mcp-tools")).To(Equal(token))
			Expect(w.quiet().status).To(BeEquivalentTo("Failed"))
		})
	})
})
