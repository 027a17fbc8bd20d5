package mcpserver_test

import (
	"context"
	"errors"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/controllers/mcpserver"
	"github.com/makeops/make-operator/internal/child"
	"github.com/makeops/make-operator/internal/mcp/probe"
	"github.com/makeops/make-operator/internal/policy"
	"github.com/makeops/make-operator/internal/step"
)

// Names of the objects that most tests use.
const (
	serverName     = "crm-tools"
	connectionName = "crm"
	secretName     = "crm-mcp-crm-tools"
)

// world is a namespace, the reconciler, and what it talks to.
type world struct {
	namespace  string
	clock      *clocktesting.FakeClock
	keys       *fixedKeys
	prober     *recordingProber
	events     *events.FakeRecorder
	reconciler *mcpserver.Reconciler
	// writes are the verbs and kinds that the reconciler wrote, tokens excepted, since the last look.
	writes []string
}

// fixedKeys is a KeySource.
type fixedKeys struct {
	jwks string
	err  error
}

func (k *fixedKeys) Keys(context.Context) (string, []byte, error) {
	return "https://kubernetes.default.svc", []byte(k.jwks), k.err
}

// recordingProber answers with what it is told and keeps what it was asked.
type recordingProber struct {
	answer               probe.Handshake
	err                  error
	calls                int
	endpoint, url, token string
}

func (p *recordingProber) Probe(_ context.Context, endpoint, serverURL, token string) (probe.Handshake, error) {
	p.calls++
	p.endpoint, p.url, p.token = endpoint, serverURL, token
	return p.answer, p.err
}

// newWorld makes a namespace with nothing in it.
func newWorld(ctx context.Context) *world {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "sales-"}}
	Expect(live.Create(ctx, namespace)).To(Succeed())
	w := &world{
		namespace: namespace.Name,
		clock:     clocktesting.NewFakeClock(time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)),
		keys:      &fixedKeys{jwks: `{"keys":[{"kid":"a"}]}`},
		prober:    &recordingProber{answer: probe.Handshake{Name: "make-mcp", Version: "1", ProtocolVersions: []string{"2026-07-28"}, Tools: 5}},
		events:    events.NewFakeRecorder(100),
	}
	w.restart()
	return w
}

// restart replaces the reconciler, as a restart of the operator does.
func (w *world) restart() {
	counted := interceptor.NewClient(live, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			w.wrote("create", o)
			return c.Create(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			w.wrote("update", o)
			return c.Update(ctx, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
			w.wrote("patch", o)
			return c.Patch(ctx, o, patch, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			w.wrote("delete", o)
			return c.Delete(ctx, o, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, name string, o client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			w.wrote("patch "+name+" of", o)
			return c.SubResource(name).Patch(ctx, o, patch, opts...)
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, name string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			w.wrote("update "+name+" of", o)
			return c.SubResource(name).Update(ctx, o, opts...)
		},
	})
	w.reconciler = &mcpserver.Reconciler{
		Client: counted, Metadata: live, Keys: w.keys, Prober: w.prober, Clock: w.clock,
		Steps:    &step.Runner{Client: counted, Events: w.events, Clock: w.clock, Grace: step.DefaultGrace},
		Children: &child.Keeper{Client: counted, Live: live},
		Identity: operator, Image: "make-mcp:test", Policies: &policy.Reader{Client: live, Clock: w.clock},
	}
}

func (w *world) wrote(verb string, o client.Object) {
	kinds, _, err := scheme.ObjectKinds(o)
	Expect(err).NotTo(HaveOccurred())
	w.writes = append(w.writes, verb+" "+kinds[0].Kind)
}

// outcome is what one pass came to.
type outcome struct {
	after    time.Duration
	terminal bool
	failed   bool // an error that is tried again
	health   status.Status
	server   *v1alpha1.MakeMCPServer
}

// pass reconciles the server once and checks what holds after every pass.
func (w *world) pass(ctx context.Context) outcome {
	GinkgoHelper()
	w.writes = nil
	key := client.ObjectKey{Namespace: w.namespace, Name: serverName}
	result, err := reconcile.AsReconciler(w.reconciler.Client, w.reconciler).Reconcile(ctx, reconcile.Request{NamespacedName: key})
	o := outcome{after: result.RequeueAfter, terminal: errors.Is(err, reconcile.TerminalError(nil)), server: w.server(ctx)}
	o.failed = err != nil && !o.terminal
	o.health = healthOf(o.server)
	conditions := o.conditions()
	Expect(conditions).To(HaveKey(v1alpha1.Ready))
	Expect(o.server.Status.ObservedGeneration).To(Equal(o.server.Generation))
	Expect([]bool{conditions[v1alpha1.Reconciling] != "", conditions[v1alpha1.Stalled] != ""}).NotTo(Equal([]bool{true, true}))
	for _, c := range o.server.Status.Conditions {
		Expect(c.Message).NotTo(ContainSubstring("eyJ"), "a token in a message")
	}
	return o
}

func healthOf(server *v1alpha1.MakeMCPServer) status.Status {
	GinkgoHelper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(server)
	Expect(err).NotTo(HaveOccurred())
	result, err := status.Compute(&unstructured.Unstructured{Object: content})
	Expect(err).NotTo(HaveOccurred())
	return result.Status
}

// conditions are the server's, as "Status/Reason" by type.
func (o outcome) conditions() map[string]string {
	all := map[string]string{}
	for _, c := range o.server.Status.Conditions {
		all[c.Type] = string(c.Status) + "/" + c.Reason
	}
	return all
}

// message is the Ready condition's.
func (o outcome) message() string {
	for _, c := range o.server.Status.Conditions {
		if c.Type == v1alpha1.Ready {
			return c.Message
		}
	}
	return ""
}

func (w *world) server(ctx context.Context) *v1alpha1.MakeMCPServer {
	GinkgoHelper()
	server := &v1alpha1.MakeMCPServer{}
	w.read(ctx, serverName, server)
	return server
}

func (w *world) read(ctx context.Context, name string, o client.Object) {
	GinkgoHelper()
	Expect(live.Get(ctx, client.ObjectKey{Namespace: w.namespace, Name: name}, o)).To(Succeed())
}

// deployment is the server's.
func (w *world) deployment(ctx context.Context) *appsv1.Deployment {
	GinkgoHelper()
	d := &appsv1.Deployment{}
	w.read(ctx, serverName, d)
	return d
}

// change alters the server's spec.
func (w *world) change(ctx context.Context, f func(*v1alpha1.MakeMCPServerSpec)) {
	GinkgoHelper()
	server := w.server(ctx)
	f(&server.Spec)
	Expect(live.Update(ctx, server)).To(Succeed())
}

// createServer creates a server that agents of the same namespace may read and run through.
func (w *world) createServer(ctx context.Context, change func(*v1alpha1.MakeMCPServerSpec)) {
	GinkgoHelper()
	server := &v1alpha1.MakeMCPServer{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: serverName},
		Spec: v1alpha1.MakeMCPServerSpec{
			ConnectionRef: v1alpha1.ConnectionRef{Name: connectionName},
			Scopes:        []v1alpha1.Scope{"scenarios:read", "scenarios:run"},
			Access: v1alpha1.Access{Rules: []v1alpha1.AccessRule{{
				ServiceAccounts: []v1alpha1.ServiceAccountSubject{{Name: "agent"}},
				Scopes:          []v1alpha1.Scope{"scenarios:read", "scenarios:run"},
			}}},
		},
	}
	if change != nil {
		change(&server.Spec)
	}
	Expect(live.Create(ctx, server)).To(Succeed())
}

// createConnection creates a connection that has not done anything yet.
func (w *world) createConnection(ctx context.Context, change func(*v1alpha1.MakeConnectionSpec)) *v1alpha1.MakeConnection {
	GinkgoHelper()
	conn := &v1alpha1.MakeConnection{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: connectionName},
		Spec: v1alpha1.MakeConnectionSpec{
			Zone: "eu1.make.com", OrganizationID: 42, Scopes: []v1alpha1.Scope{"scenarios:read", "scenarios:run"},
			Auth: v1alpha1.Auth{APIToken: &v1alpha1.APITokenAuth{SecretRef: v1alpha1.SecretKeyRef{
				LocalRef: v1alpha1.LocalRef{Name: "make-root"}, Key: "token",
			}}},
		},
	}
	if change != nil {
		change(&conn.Spec)
	}
	Expect(live.Create(ctx, conn)).To(Succeed())
	return conn
}

// publish says in the connection's status that it has written the server's Secret.
func publish(ctx context.Context, conn *v1alpha1.MakeConnection) {
	GinkgoHelper()
	conn.Status.Secrets = []v1alpha1.ConsumerSecret{{
		Name: secretName, ServerName: serverName, Scopes: []string{"scenarios:read", "scenarios:run"},
	}}
	Expect(live.Status().Update(ctx, conn)).To(Succeed())
}

// stall says in the connection's status that somebody has to act.
func stall(ctx context.Context, conn *v1alpha1.MakeConnection) {
	GinkgoHelper()
	conn.Status.Conditions = []metav1.Condition{{
		Type: v1alpha1.Stalled, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonCredentialRejected, LastTransitionTime: metav1.Now(),
	}}
	Expect(live.Status().Update(ctx, conn)).To(Succeed())
}

// rollOut says in the Deployment's status that its newest version is there.
func (w *world) rollOut(ctx context.Context) {
	GinkgoHelper()
	d := w.deployment(ctx)
	d.Status = appsv1.DeploymentStatus{
		ObservedGeneration: d.Generation, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1,
	}
	Expect(live.Status().Update(ctx, d)).To(Succeed())
}

// startPod adds a ready pod of the Deployment's newest version. Older ones stay: a cache may still show them.
func (w *world) startPod(ctx context.Context, address string) {
	GinkgoHelper()
	template := w.deployment(ctx).Spec.Template
	pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	pod.Namespace, pod.GenerateName = w.namespace, serverName+"-"
	Expect(live.Create(ctx, pod)).To(Succeed())
	pod.Status.PodIP, pod.Status.PodIPs = address, []corev1.PodIP{{IP: address}}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	Expect(live.Status().Update(ctx, pod)).To(Succeed())
}

// ready brings up a server, and everything that it needs.
func (w *world) ready(ctx context.Context, change func(*v1alpha1.MakeMCPServerSpec)) *v1alpha1.MakeConnection {
	GinkgoHelper()
	conn := w.createConnection(ctx, nil)
	publish(ctx, conn)
	w.createServer(ctx, change)
	w.pass(ctx)
	w.rollOut(ctx)
	w.startPod(ctx, "10.1.2.3")
	Expect(w.pass(ctx).health).To(Equal(status.CurrentStatus))
	return conn
}
