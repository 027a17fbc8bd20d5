package connection_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/makesim"
)

var _ = Describe("A connection with an API token", func() {
	var w *world
	BeforeEach(func() { w = newWorld() })

	It("gives its consumer a Secret with a token of its own", func() {
		conn := w.connectByToken()

		secret := w.secretNamed("crm-reporting")
		token := w.token("crm-reporting")
		Expect(secret.Type).To(Equal(corev1.SecretTypeOpaque))
		Expect(secret.Data).To(Equal(map[string][]byte{
			"token": []byte(token), "authorization": []byte("Token " + token), "zone": []byte(w.sim.Zone),
			"base-url":     []byte("https://" + w.sim.Zone + "/api/v2"),
			"MAKE_API_KEY": []byte(token), "MAKE_ZONE": []byte(w.sim.Zone), "MAKE_TEAM": []byte("7"),
		}))
		Expect(w.sim.TokenAlive(token)).To(BeTrue())
		Expect(w.minted()).To(HaveExactElements(And(
			HaveField("Scopes", []string{"scenarios:read"}),
			HaveField("Token", makesim.Fingerprint(token)),
			HaveField("Label", "make-operator:"+string(conn.UID)+":sa:reporting:1"),
		)))
		Expect(w.crm().Status).To(And(
			HaveField("Account", v1alpha1.Account{ID: makesim.UserID, Name: "Ada Example"}),
			HaveField("GrantedScopes", ContainElements("scenarios:read", "user:write")),
			HaveField("Secrets", []v1alpha1.ConsumerSecret{
				{Name: "crm-reporting", ServiceAccountName: "reporting", Scopes: []string{"scenarios:read"}},
			}),
		))
	})

	It("leaves MAKE_TEAM out where the spec names no team", func() {
		w.connectByToken(func(c *v1alpha1.MakeConnection) { c.Spec.TeamID = 0 })
		Expect(w.secretNamed("crm-reporting").Data).NotTo(HaveKey("MAKE_TEAM"))
	})

	It("lets that ServiceAccount get and watch that Secret, and nothing else", func() {
		w.connectByToken()
		key := client.ObjectKey{Namespace: w.namespace, Name: "crm-reporting"}
		role, binding := &rbacv1.Role{}, &rbacv1.RoleBinding{}
		Expect(live.Get(w.ctx, key, role)).To(Succeed())
		Expect(live.Get(w.ctx, key, binding)).To(Succeed())
		Expect(role.Rules).To(Equal([]rbacv1.PolicyRule{{
			APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"crm-reporting"}, Verbs: []string{"get", "watch"},
		}}))
		Expect(binding.RoleRef).To(Equal(rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: "crm-reporting"}))
		Expect(binding.Subjects).To(Equal([]rbacv1.Subject{{Kind: "ServiceAccount", Namespace: w.namespace, Name: "reporting"}}))
	})

	It("owns its children, but does not copy its labels and annotations to them", func() {
		conn := w.connectByToken()
		Expect(w.crm().Finalizers).To(Equal([]string{v1alpha1.ConnectionFinalizer}))
		for _, child := range []client.Object{&corev1.Secret{}, &rbacv1.Role{}, &rbacv1.RoleBinding{}} {
			Expect(live.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "crm-reporting"}, child)).To(Succeed())
			Expect(child.GetOwnerReferences()).To(HaveExactElements(And(
				HaveField("Kind", "MakeConnection"), HaveField("UID", conn.UID), HaveField("Controller", new(true)),
			)))
			Expect(child.GetLabels()).To(And(
				HaveKeyWithValue("app.kubernetes.io/managed-by", "make-operator"),
				HaveKeyWithValue("makeops.dev/connection", "crm"),
				HaveKeyWithValue("makeops.dev/consumer", "reporting"),
				Not(HaveKey("app.kubernetes.io/instance")),
			))
			Expect(child.GetAnnotations()).NotTo(HaveKey("example.com/owner"))
		}
	})

	It("says that all is well and each consumer has the least privilege", func() {
		w.root(makesim.RootToken)
		w.connect()
		Expect(w.ready().conditions).To(Equal(map[string]string{
			"ScopesAllowed": "True/Succeeded", "CredentialsAvailable": "True/Succeeded", "Authorized": "True/Succeeded",
			"ScopesGranted": "True/Succeeded", "Synced": "True/Succeeded", "LeastPrivilege": "True/Succeeded", "WithinPolicy": "True/Succeeded",
			"Ready": "True/Succeeded",
		}))
		Expect(w.events.all()).To(BeEmpty())
	})

	It("costs six writes and five calls to Make", func() {
		w.root(makesim.RootToken)
		w.connect()
		w.ready()
		Expect(w.writes.take()).To(Equal([]string{
			"patch MakeConnection", "create Secret", // the finalizer, and the sealed grant
			"create Role", "create RoleBinding", "create Secret", "patch status of MakeConnection",
		}))
		Expect(w.calls()).To(Equal([]string{
			"GET /api/v2/users/me/current-authorization", "GET /api/v2/users/me", // the root token
			"GET /api/v2/users/me/api-tokens", "POST /api/v2/users/me/api-tokens", "GET /api/v2/users/me/current-authorization",
		}))
		AddReportEntry("writes of a new connection with one ServiceAccount", 6)
	})

	It("writes nothing and calls nobody in a second pass", func() {
		w.connectByToken()
		Expect(w.quiet().status).To(BeEquivalentTo("Current"))
	})

	It("writes nothing and calls nobody after a restart", func() {
		w.connectByToken()
		w.start()
		w.quiet()
	})

	It("seals its grant in the operator's namespace", func() {
		conn := w.connectByToken()
		sealed := &corev1.Secret{}
		Expect(live.Get(w.ctx, client.ObjectKey{Namespace: w.operator, Name: "make-grant-" + string(conn.UID)}, sealed)).To(Succeed())
		Expect(sealed.Labels[v1alpha1.CredentialLabel]).NotTo(Equal("true"), "a grant that a connection could name as its root token")
		Expect(string(sealed.Data["sealed"])).NotTo(ContainSubstring("scenarios:read"))
		Expect(w.grant().Tokens["sa:reporting"].Value).To(Equal(w.token("crm-reporting")))
	})

	It("restores a consumer's Secret, Role and RoleBinding without a call to Make", func() {
		w.connectByToken()
		before, calls := w.secretNamed("crm-reporting"), len(w.calls())

		By("editing them")
		edited := before.DeepCopy()
		edited.Data["token"], edited.Data["more"] = []byte("edited"), []byte("added")
		edited.Labels[v1alpha1.ConnectionLabel] = "another"
		Expect(live.Update(w.ctx, edited)).To(Succeed())
		role := &rbacv1.Role{}
		Expect(live.Get(w.ctx, client.ObjectKeyFromObject(before), role)).To(Succeed())
		role.Rules[0].ResourceNames = nil
		Expect(live.Update(w.ctx, role)).To(Succeed())
		w.ready()
		Expect(w.secretNamed("crm-reporting").Data).To(Equal(before.Data))
		Expect(w.secretNamed("crm-reporting").Labels).To(Equal(before.Labels))
		Expect(live.Get(w.ctx, client.ObjectKeyFromObject(before), role)).To(Succeed())
		Expect(role.Rules[0].ResourceNames).To(Equal([]string{"crm-reporting"}))

		By("deleting them")
		for _, child := range []client.Object{&corev1.Secret{}, &rbacv1.Role{}, &rbacv1.RoleBinding{}} {
			child.SetNamespace(w.namespace)
			child.SetName("crm-reporting")
			Expect(live.Delete(w.ctx, child)).To(Succeed())
		}
		w.ready()
		Expect(w.secretNamed("crm-reporting").Data).To(Equal(before.Data))
		Expect(w.calls()).To(HaveLen(calls))
		w.quiet()
	})

	It("leaves a Secret alone that is not its own, and serves its other consumers", func() {
		foreign := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "crm-billing"}, StringData: map[string]string{"a": "b"},
		}
		Expect(live.Create(w.ctx, foreign)).To(Succeed())
		w.root(makesim.RootToken)
		w.connect(func(c *v1alpha1.MakeConnection) {
			c.Spec.Consumers = append(c.Spec.Consumers, v1alpha1.Consumer{ServiceAccountName: "billing"})
		})
		o := w.stalled(v1alpha1.ReasonSecretConflict)
		Expect(o.messages["Synced"]).To(ContainSubstring("crm-billing"))
		Expect(o.queue).To(Equal("timer"))
		Expect(o.next).To(Equal(5*time.Minute), "no event tells when a Secret that is not ours has gone")
		Expect(w.secretNamed("crm-billing").Data).To(Equal(map[string][]byte{"a": []byte("b")}))
		Expect(w.secretNamed("crm-billing").ResourceVersion).To(Equal(foreign.ResourceVersion))
		Expect(w.sim.TokenAlive(w.token("crm-reporting"))).To(BeTrue())
		Expect(w.crm().Status.Secrets).To(HaveExactElements(HaveField("Name", "crm-reporting")))
		w.quiet()

		Expect(live.Delete(w.ctx, foreign)).To(Succeed())
		w.ready()
		Expect(w.crm().Status.Secrets).To(HaveLen(2))
	})

	It("hands the root token on where that one cannot mint, and says so", func() {
		w.canary.sharedRoot = true
		w.root(makesim.ReaderToken)
		w.connect(func(c *v1alpha1.MakeConnection) { c.Spec.Scopes = []v1alpha1.Scope{read} })
		o := w.ready()
		Expect(o.conditions).To(HaveKeyWithValue("LeastPrivilege", "False/SharedToken"))
		Expect(o.messages["LeastPrivilege"]).To(And(ContainSubstring("make-root"), ContainSubstring("user:write")))
		Expect(w.token("crm-reporting")).To(Equal(makesim.ReaderToken))
		Expect(w.minted()).To(BeEmpty())
		w.quiet()
		w.start()
		w.quiet()
	})

	It("takes a token with the line end that editors leave", func() {
		w.root(makesim.RootToken + "\n")
		w.connect()
		w.ready()
	})

	It("writes no more than a status when there are no consumers", func() {
		w.connectByToken(func(c *v1alpha1.MakeConnection) { c.Spec.Consumers = nil })
		Expect(strings.Join(w.writes.take(), ", ")).To(Equal("patch MakeConnection, create Secret, patch status of MakeConnection"))
		w.quiet()
	})
})
