package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/testkit/agent"
	"github.com/makeops/make-operator/internal/testkit/stack"
)

// Where the test's objects are. Both namespaces take restricted pods only.
const (
	salesNamespace = "sales"
	agentAccount   = "sales-agent"
)

var (
	crmKey    = client.ObjectKey{Namespace: salesNamespace, Name: "crm"}
	serverKey = client.ObjectKey{Namespace: salesNamespace, Name: "crm-tools"}
	managers  = client.ObjectKey{Namespace: stack.Namespace, Name: "make-operator"}
)

// TestHelm lives a release's life on a real node, with the real Helm: install, use, upgrade, uninstall.
func TestHelm(t *testing.T) {
	if ok, why := stack.NodeAvailable(t.Context(), "../.."); !ok {
		t.Skipf("the chart was not installed, this machine runs no real node: %s", why)
	}
	r := newRelease(t)
	r.step("install", r.install)
	r.step("use", r.use)
	r.step("rotate", r.rotate)
	r.step("replace the server's pod", r.replacePod)
	r.step("upgrade to two replicas", r.upgrade)
	r.step("back to one replica", r.downgrade)
	r.step("delete what users made", r.deleteObjects)
	r.step("uninstall", r.uninstall)
}

// install installs the chart into a namespace that takes restricted pods only.
func (r *release) install() error {
	namespace, err := r.Render(r.t.Context(), "config/namespace")
	if err != nil {
		return err
	}
	if err := r.Apply(r.t.Context(), namespace[0]); err != nil {
		return err
	}
	if err := r.runHelm(append([]string{"install", "make-operator", "charts/make-operator"}, r.values(1)...)...); err != nil {
		return err
	}
	if err := r.expectAvailable(1); err != nil {
		return err
	}
	// Ready pods are a moment ahead of the node's routes to them.
	return r.eventually(30*time.Second, "the API server reaches the webhook", func(context.Context) (bool, error) {
		err := r.expectRefusal()
		return err == nil, ignoreUnreachable(err)
	})
}

// ignoreUnreachable drops the API server's error about a webhook that does not answer.
func ignoreUnreachable(err error) error {
	if apierrors.IsInternalError(err) {
		return nil
	}
	return err
}

func (r *release) expectAvailable(replicas int32) error {
	var d appsv1.Deployment
	if err := r.Client.Get(r.t.Context(), managers, &d); err != nil {
		return err
	}
	if d.Status.AvailableReplicas != replicas || d.Status.Replicas != replicas {
		return fmt.Errorf("helm was done with %d of %d replicas available, want %d", d.Status.AvailableReplicas, d.Status.Replicas, replicas)
	}
	return nil
}

// use applies the samples and calls the MCP server as two ServiceAccounts.
func (r *release) use() error {
	objects, err := r.Samples(r.t.Context())
	if err != nil {
		return err
	}
	for _, o := range objects {
		if err := r.Apply(r.t.Context(), o); err != nil {
			return err
		}
	}
	if err := r.expectRestricted(); err != nil {
		return err
	}
	if err := r.awaitReady(crmKey, &v1alpha1.MakeConnection{}); err != nil {
		return err
	}
	server := &v1alpha1.MakeMCPServer{}
	if err := r.awaitReady(serverKey, server); err != nil {
		return err
	}
	address, err := r.ServiceAddress(r.t.Context(), serverKey)
	if err != nil {
		return err
	}
	r.agent = agent.Agent{URL: server.Status.URL, Address: address}
	if r.agent.Token, err = r.tokenOf(agentAccount); err != nil {
		return err
	}
	// The pods are ready a moment before the node's routes to them.
	err = r.eventually(30*time.Second, "the server answers its agent", func(context.Context) (bool, error) {
		return r.call() == nil, nil
	})
	if err != nil {
		return errors.Join(err, r.call())
	}
	return r.expectStrangerRefused()
}

// expectStrangerRefused calls as a ServiceAccount that no rule names, while another is answered.
func (r *release) expectStrangerRefused() error {
	stranger := r.agent
	var err error
	if stranger.Token, err = r.tokenOf("default"); err != nil {
		return err
	}
	if _, err := stranger.Tools(r.t.Context()); err == nil {
		return errors.New("the server answers a ServiceAccount that no rule names")
	}
	return r.call()
}

// expectRestricted checks that the API server itself refuses looser pods where ours run.
func (r *release) expectRestricted() error {
	for _, name := range []string{stack.Namespace, salesNamespace} {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "loose"},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "any", Image: stack.MCPImage}}},
		}
		if err := r.Client.Create(r.t.Context(), pod, client.DryRunAll); !apierrors.IsForbidden(err) {
			return fmt.Errorf("namespace %s takes pods that are not restricted: %w", name, err)
		}
	}
	return nil
}

// expectRefusal checks that the webhook in the pod answers the API server.
func (r *release) expectRefusal() error {
	conn := &v1alpha1.MakeConnection{
		ObjectMeta: metav1.ObjectMeta{Namespace: stack.Namespace, Name: "too-broad"},
		Spec: v1alpha1.MakeConnectionSpec{
			Zone: r.Zone, OrganizationID: makesim.OrganizationID, Scopes: []v1alpha1.Scope{"admin:write"},
			Auth: v1alpha1.Auth{APIToken: &v1alpha1.APITokenAuth{
				SecretRef: v1alpha1.SecretKeyRef{LocalRef: v1alpha1.LocalRef{Name: "make-root"}, Key: "token"},
			}},
		},
	}
	err := r.Client.Create(r.t.Context(), conn, client.DryRunAll)
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "denied the request") {
		return fmt.Errorf("the webhook did not refuse admin:write: %w", err)
	}
	return nil
}

func (r *release) tokenOf(account string) (string, error) {
	return agent.TokenFor(r.t.Context(), r.Client, client.ObjectKey{Namespace: salesNamespace, Name: account}, r.agent.URL)
}

// call runs a scenario through the MCP server.
func (r *release) call() error {
	_, err := r.agent.Call(r.t.Context(), "scenarios_run", map[string]any{
		"scenarioId": makesim.LeadScenarioID, "data": map[string]any{"email": "ada@example.com", "name": "Ada Example"}, "responsive": true,
	})
	return err
}

// rotate bumps the generation and calls until the old token is dead; no call may fail.
func (r *release) rotate() error {
	old, err := r.serverToken()
	if err != nil {
		return err
	}
	conn := &v1alpha1.MakeConnection{}
	if err := r.Client.Get(r.t.Context(), crmKey, conn); err != nil {
		return err
	}
	before := conn.DeepCopy()
	conn.Spec.Rotation.Generation++
	if err := r.Client.Patch(r.t.Context(), conn, client.MergeFrom(before)); err != nil {
		return err
	}
	err = r.eventually(2*time.Minute, "the old token is dead at Make", func(ctx context.Context) (bool, error) {
		if err := r.call(); err != nil {
			return false, fmt.Errorf("call during the rotation: %w", err)
		}
		alive, err := r.TokenAlive(ctx, old)
		return !alive, err
	})
	if err != nil {
		return err
	}
	if r.mcpToken, err = r.serverToken(); err != nil {
		return err
	}
	if r.mcpToken == old {
		return errors.New("the server's Secret still holds the old token")
	}
	return r.call()
}

// replacePod changes what the MCP server's pod is made of and calls until it is replaced; no call may fail.
func (r *release) replacePod() error {
	server := &v1alpha1.MakeMCPServer{}
	if err := r.Client.Get(r.t.Context(), serverKey, server); err != nil {
		return err
	}
	before := server.DeepCopy()
	server.Spec.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("160Mi")}
	if err := r.Client.Patch(r.t.Context(), server, client.MergeFrom(before)); err != nil {
		return err
	}
	return r.eventually(2*time.Minute, "the pod is replaced", func(ctx context.Context) (bool, error) {
		if err := r.call(); err != nil {
			return false, fmt.Errorf("call while the pod is replaced: %w", err)
		}
		var pods corev1.PodList
		err := r.Client.List(ctx, &pods, client.InNamespace(salesNamespace), client.MatchingLabels{v1alpha1.ServerLabel: serverKey.Name})
		return len(pods.Items) == 1 && pods.Items[0].Spec.Containers[0].Resources.Limits.Memory().Equal(resource.MustParse("160Mi")), err
	})
}

func (r *release) serverToken() (string, error) {
	var secret corev1.Secret
	key := client.ObjectKey{Namespace: salesNamespace, Name: v1alpha1.ServerSecretName(crmKey.Name, serverKey.Name)}
	err := r.Client.Get(r.t.Context(), key, &secret)
	return string(secret.Data[v1alpha1.TokenKey]), err
}

// upgrade has two replicas take turns. The trust in the webhook's certificate, which the operator wrote, must survive.
func (r *release) upgrade() error {
	if err := r.runHelm(append([]string{"upgrade", "make-operator", "charts/make-operator"}, r.values(2)...)...); err != nil {
		return err
	}
	if err := r.expectAvailable(2); err != nil {
		return err
	}
	err := r.eventually(time.Minute, "a leader is elected", func(ctx context.Context) (bool, error) {
		var lease coordinationv1.Lease
		err := r.Client.Get(ctx, managers, &lease)
		return lease.Spec.HolderIdentity != nil, client.IgnoreNotFound(err)
	})
	if err != nil {
		return err
	}
	if err := r.expectRefusal(); err != nil {
		return err
	}
	return r.call()
}

// downgrade goes back to one replica, which comes with another strategy.
func (r *release) downgrade() error {
	if err := r.runHelm(append([]string{"upgrade", "make-operator", "charts/make-operator"}, r.values(1)...)...); err != nil {
		return err
	}
	return r.expectAvailable(1)
}

// deleteObjects deletes the server, and then a namespace with connections in it, as users do.
func (r *release) deleteObjects() error {
	server := &v1alpha1.MakeMCPServer{ObjectMeta: metav1.ObjectMeta{Namespace: serverKey.Namespace, Name: serverKey.Name}}
	if err := r.Client.Delete(r.t.Context(), server); err != nil {
		return err
	}
	if err := r.awaitNoPods(salesNamespace); err != nil { // else the namespace's controller waits for half of their grace period
		return err
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: salesNamespace}}
	if err := r.Client.Delete(r.t.Context(), namespace); err != nil {
		return err
	}
	if err := r.awaitGone(namespace); err != nil {
		return err
	}
	alive, err := r.TokenAlive(r.t.Context(), r.mcpToken)
	if alive {
		return errors.New("the server's token outlives its connection")
	}
	return err
}

// uninstall leaves the custom resources' definitions and the operator's own Secrets, and nothing that runs or permits.
func (r *release) uninstall() error {
	if err := r.runHelm("uninstall", "make-operator", "--wait", "--timeout=2m"); err != nil {
		return err
	}
	name := metav1.ObjectMeta{Name: managers.Name, Namespace: managers.Namespace}
	for _, gone := range []client.Object{
		&appsv1.Deployment{ObjectMeta: name}, &corev1.ServiceAccount{ObjectMeta: name}, &rbacv1.Role{ObjectMeta: name},
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name.Name}},
		&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name.Name}},
		&admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: name.Name}},
	} {
		if err := r.awaitGone(gone); err != nil {
			return err
		}
	}
	if err := r.awaitNoPods(stack.Namespace); err != nil {
		return err
	}
	if err := r.Client.List(r.t.Context(), &v1alpha1.MakeConnectionList{}); err != nil {
		return fmt.Errorf("the custom resources' definitions are gone too: %w", err)
	}
	return nil
}
