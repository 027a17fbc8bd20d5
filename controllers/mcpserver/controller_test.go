package mcpserver_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/controllers/mcpserver"
)

var _ = Describe("A server", func() {
	var w *world

	BeforeEach(func(ctx context.Context) { w = newWorld(ctx) })

	It("is built, awaited and verified", func(ctx context.Context) {
		publish(ctx, w.createConnection(ctx, nil))
		w.createServer(ctx, nil)

		o := w.pass(ctx)
		Expect(w.writes).To(Equal([]string{
			"create ServiceAccount", "create ConfigMap", "create NetworkPolicy", "create Service", "create Deployment",
			"patch status of MakeMCPServer",
		}))
		Expect(o.conditions()).To(Equal(map[string]string{
			"ScopesAllowed": "True/Succeeded", "ConnectionReady": "True/Succeeded", "Available": "False/PodsNotReady",
			"Verified": "Unknown/Blocked", "WithinPolicy": "True/Succeeded", "Ready": "False/PodsNotReady", "Reconciling": "True/PodsNotReady",
		}))
		Expect(o.health).To(Equal(status.InProgressStatus))
		Expect(o.server.Status.URL).To(Equal("http://crm-tools." + w.namespace + ".svc/mcp"))

		w.rollOut(ctx)
		o = w.pass(ctx)
		Expect(o.conditions()).To(HaveKeyWithValue("Verified", "False/PodsNotReady"))
		Expect(o.health).To(Equal(status.InProgressStatus))
		Expect(w.prober.calls).To(BeZero())

		w.startPod(ctx, "10.1.2.3")
		o = w.pass(ctx)
		Expect(o.conditions()).To(Equal(map[string]string{
			"ScopesAllowed": "True/Succeeded", "ConnectionReady": "True/Succeeded", "Available": "True/Succeeded",
			"Verified": "True/Succeeded", "WithinPolicy": "True/Succeeded", "Ready": "True/Succeeded",
		}))
		Expect(o.health).To(Equal(status.CurrentStatus))
		Expect(o.server.Status.ServerInfo).To(Equal(v1alpha1.ServerInfo{Name: "make-mcp", Version: "1"}))
		Expect(o.server.Status.ProtocolVersions).To(Equal([]string{"2026-07-28"}))
		Expect(*o.server.Status.ToolCount).To(BeEquivalentTo(5))
		for _, child := range children(ctx, w) {
			Expect(metav1.IsControlledBy(child, o.server)).To(BeTrue(), "%T", child)
		}
	})

	It("is called as the operator, with a token that is good for it alone", func(ctx context.Context) {
		w.ready(ctx, nil)
		Expect(w.prober.endpoint).To(Equal("10.1.2.3:8080"))
		Expect(w.prober.url).To(Equal(w.server(ctx).Status.URL))
		claims := claimsOf(w.prober.token)
		Expect(claims["aud"]).To(ConsistOf(w.prober.url))
		Expect(claims["sub"]).To(Equal("system:serviceaccount:make-operator-system:make-operator"))
		Expect(configOf(ctx, w)).To(ContainSubstring("system:serviceaccount:make-operator-system:make-operator"))
	})

	It("costs nothing while nothing changes, also after a restart of the operator", func(ctx context.Context) {
		w.ready(ctx, func(spec *v1alpha1.MakeMCPServerSpec) { // quantities that the API server writes in another way
			spec.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("0.05"), corev1.ResourceMemory: resource.MustParse("1024Mi")}
		})
		before := w.server(ctx).ResourceVersion
		calls := w.prober.calls
		for range 3 {
			o := w.pass(ctx)
			Expect(w.writes).To(BeEmpty())
			Expect(o.after).To(BeNumerically(">=", time.Minute))
			w.restart()
			w.clock.Step(time.Hour)
		}
		Expect(w.prober.calls).To(Equal(calls))
		Expect(w.server(ctx).ResourceVersion).To(Equal(before))
	})

	It("follows a narrower access rule, and is verified again", func(ctx context.Context) {
		w.ready(ctx, nil)
		generation, calls := w.deployment(ctx).Generation, w.prober.calls
		w.change(ctx, func(spec *v1alpha1.MakeMCPServerSpec) {
			spec.Access.Rules[0].Scopes = []v1alpha1.Scope{"scenarios:read"}
			spec.Access.Rules[0].ServiceAccounts[0].Namespace = "agents"
		})

		o := w.pass(ctx)
		Expect(w.writes).To(Equal([]string{"update ConfigMap", "update NetworkPolicy", "update Deployment", "patch status of MakeMCPServer"}))
		Expect(o.health).To(Equal(status.InProgressStatus))
		Expect(w.deployment(ctx).Generation).To(Equal(generation + 1))
		Expect(configOf(ctx, w)).To(ContainSubstring("system:serviceaccount:agents:agent"))
		Expect(w.prober.calls).To(Equal(calls))

		w.rollOut(ctx)
		Expect(w.pass(ctx).health).To(Equal(status.InProgressStatus))
		Expect(w.prober.calls).To(Equal(calls), "a pod with the old rules is of no interest")

		w.startPod(ctx, "fd00::1")
		Expect(w.pass(ctx).health).To(Equal(status.CurrentStatus))
		Expect(w.prober.calls).To(Equal(calls + 1))
		Expect(w.prober.endpoint).To(Equal("[fd00::1]:8080"))
	})

	It("is verified again when its pods were replaced, although its spec is the same", func(ctx context.Context) {
		w.ready(ctx, nil)
		calls := w.prober.calls
		w.reconciler.Image = "make-mcp:next"
		Expect(w.pass(ctx).conditions()).To(HaveKeyWithValue("Verified", "Unknown/Blocked"))
		w.rollOut(ctx)
		Expect(w.pass(ctx).health).To(Equal(status.CurrentStatus))
		Expect(w.prober.calls).To(Equal(calls + 1))
	})

	It("has its objects put right when somebody changes or deletes them", func(ctx context.Context) {
		w.ready(ctx, nil)
		policy := &networkingv1.NetworkPolicy{}
		w.read(ctx, serverName, policy)
		policy.Spec.Ingress = append(policy.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{})
		Expect(live.Update(ctx, policy)).To(Succeed())
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: serverName}}
		Expect(live.Delete(ctx, account)).To(Succeed())

		o := w.pass(ctx)
		Expect(w.writes).To(Equal([]string{"create ServiceAccount", "update NetworkPolicy"}))
		Expect(o.health).To(Equal(status.CurrentStatus))
		w.read(ctx, serverName, policy)
		Expect(policy.Spec.Ingress).To(HaveLen(1))
	})

	It("learns new signing keys without a restart of its pods", func(ctx context.Context) {
		w.ready(ctx, nil)
		w.keys.jwks = `{"keys":[{"kid":"b"}]}`
		o := w.pass(ctx)
		Expect(w.writes).To(Equal([]string{"update ConfigMap"}))
		Expect(o.health).To(Equal(status.CurrentStatus))
	})

	It("stays as it is through a short outage of what it needs", func(ctx context.Context) {
		w.ready(ctx, nil)
		w.keys.err = errors.New("read keys: down")
		o := w.pass(ctx)
		Expect(o.failed).To(BeTrue())
		Expect(o.conditions()).To(HaveKeyWithValue("Ready", "True/Succeeded"))
		Expect(o.health).To(Equal(status.InProgressStatus))
		w.keys.err = nil
		Expect(w.pass(ctx).health).To(Equal(status.CurrentStatus))
	})

	It("restarts its pods with the token where the token is in their environment", func(ctx context.Context) {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
			Namespace: w.namespace, Name: secretName, Annotations: map[string]string{v1alpha1.TokenSequenceAnnotation: "1"},
		}}
		Expect(live.Create(ctx, secret)).To(Succeed())
		w.ready(ctx, func(spec *v1alpha1.MakeMCPServerSpec) { spec.Rollout = v1alpha1.RolloutRestart })
		w.pass(ctx)
		Expect(w.writes).To(BeEmpty())
		secret.Annotations[v1alpha1.TokenSequenceAnnotation] = "2"
		Expect(live.Update(ctx, secret)).To(Succeed())
		Expect(w.pass(ctx).health).To(Equal(status.InProgressStatus))
		Expect(w.deployment(ctx).Spec.Template.Annotations).To(HaveKeyWithValue(v1alpha1.TokenSequenceAnnotation, "2"))
	})

	It("does nothing while it is being deleted", func(ctx context.Context) {
		w.ready(ctx, nil)
		server := w.server(ctx)
		server.Finalizers = []string{"test.makeops.dev/hold"}
		Expect(live.Update(ctx, server)).To(Succeed())
		Expect(live.Delete(ctx, server)).To(Succeed())
		Expect(live.Delete(ctx, w.deployment(ctx))).To(Succeed())
		w.writes = nil
		_, err := w.reconciler.Reconcile(ctx, w.server(ctx))
		Expect(err).NotTo(HaveOccurred())
		Expect(w.writes).To(BeEmpty())
		server = w.server(ctx)
		server.Finalizers = nil
		Expect(live.Update(ctx, server)).To(Succeed())
	})
})

var _ = Describe("A server that does not answer", func() {
	It("is asked again in growing intervals, and says what is wrong", func(ctx context.Context) {
		w := newWorld(ctx)
		publish(ctx, w.createConnection(ctx, nil))
		w.createServer(ctx, nil)
		w.pass(ctx)
		w.rollOut(ctx)
		w.startPod(ctx, "10.1.2.3")
		w.prober.err = errors.New("the server answered 403 Forbidden")
		var pauses []time.Duration
		for range 6 {
			o := w.pass(ctx)
			Expect(o.conditions()).To(HaveKeyWithValue("Verified", "False/HandshakeFailed"))
			Expect(o.health).To(Equal(status.InProgressStatus))
			Expect(o.message()).To(Equal("the server answered 403 Forbidden: see the logs of Deployment crm-tools"))
			pauses = append(pauses, o.after)
			w.clock.Step(o.after)
		}
		Expect(pauses).To(Equal([]time.Duration{
			10 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 2 * time.Minute,
		}))
		Expect(w.writes).To(BeEmpty(), "the same failure is written once")
		w.prober.err = nil
		Expect(w.pass(ctx).health).To(Equal(status.CurrentStatus))
	})
})

var _ = Describe("The cluster's keys", func() {
	It("are those of the API server", func(ctx context.Context) {
		client, err := discovery.NewDiscoveryClientForConfig(restConfig)
		Expect(err).NotTo(HaveOccurred())
		keys := &mcpserver.ClusterKeys{REST: client.RESTClient(), Clock: newWorld(ctx).clock}
		issuer, jwks, err := keys.Keys(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(issuer).To(HavePrefix("https://"))
		Expect(string(jwks)).To(ContainSubstring(`"kid"`))
	})
})

// children are the objects of a server.
func children(ctx context.Context, w *world) []metav1.Object {
	GinkgoHelper()
	account, config, service, policy := &corev1.ServiceAccount{}, &corev1.ConfigMap{}, &corev1.Service{}, &networkingv1.NetworkPolicy{}
	w.read(ctx, serverName, account)
	w.read(ctx, serverName, config)
	w.read(ctx, serverName, service)
	w.read(ctx, serverName, policy)
	return []metav1.Object{account, config, service, policy, w.deployment(ctx)}
}

// configOf is what make-mcp would read.
func configOf(ctx context.Context, w *world) string {
	GinkgoHelper()
	config := &corev1.ConfigMap{}
	w.read(ctx, serverName, config)
	return config.Data["config.yaml"]
}

// claimsOf reads a JWT without judging it.
func claimsOf(token string) map[string]any {
	GinkgoHelper()
	parts := strings.Split(token, ".")
	Expect(parts).To(HaveLen(3))
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	Expect(err).NotTo(HaveOccurred())
	claims := map[string]any{}
	Expect(json.Unmarshal(raw, &claims)).To(Succeed())
	return claims
}
