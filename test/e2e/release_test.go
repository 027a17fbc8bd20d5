package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/testkit/agent"
	"github.com/makeops/make-operator/internal/testkit/stack"
)

// release is a Helm release in a cluster of its own.
type release struct {
	*stack.Stack
	t    *testing.T
	helm string
	// agent may call the MCP server.
	agent agent.Agent
	// mcpToken is the server's token at Make.
	mcpToken string
}

func newRelease(t *testing.T) *release {
	t.Helper()
	r := &release{t: t}
	tool := exec.CommandContext(t.Context(), "go", "tool", "-modfile=hack/tools/helm/go.mod", "-n", "helm")
	tool.Dir = "../.."
	path, err := tool.Output()
	if err != nil {
		t.Fatalf("build helm: %v", err)
	}
	r.helm = strings.TrimSpace(string(path))
	started := time.Now()
	// Not a folder of the test: the logs are for whoever looks into a failure.
	dir := filepath.Join("..", "..", "bin", "e2e-helm")
	r.Stack, err = stack.Start(t.Context(), stack.Options{Root: "../..", Dir: dir, Node: true, WithoutManager: true, Say: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Logf("the node was ready after %s", time.Since(started).Round(100*time.Millisecond))
	return r
}

// step runs one part of the story; the parts after it need it.
func (r *release) step(name string, do func() error) {
	r.t.Helper()
	started := time.Now()
	if err := do(); err != nil {
		r.dump()
		r.t.Fatalf("%s: %v", name, err)
	}
	r.t.Logf("%s: %s", name, time.Since(started).Round(100*time.Millisecond))
}

// runHelm runs Helm against the release's cluster, with nothing of the user's configuration.
func (r *release) runHelm(args ...string) error {
	ctx, cancel := context.WithTimeout(r.t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.helm, append(args, "--namespace="+stack.Namespace)...)
	home := filepath.Join(r.Dir, "helm")
	cmd.Dir, cmd.Env = r.Root, append(cmd.Environ(), "KUBECONFIG="+r.AdminKubeconfig,
		"HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("helm %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// values are how the release differs from the chart's defaults.
func (r *release) values(replicas int) []string {
	operator, tag, _ := strings.Cut(stack.ManagerImage, ":")
	mcp, mcpTag, _ := strings.Cut(stack.MCPImage, ":")
	return []string{
		"--set=image.repository=" + operator + ",image.tag=" + tag,
		"--set=mcp.image.repository=" + mcp + ",mcp.image.tag=" + mcpTag,
		"--set=allowedZones={" + r.Zone + "}", "--set-file=make.extraCA=" + r.SimCA,
		fmt.Sprintf("--set=replicas=%d", replicas), "--wait", "--timeout=2m",
	}
}

// statusObject is a MakeConnection or MakeMCPServer.
type statusObject interface {
	client.Object
	BaseStatus() *v1alpha1.BaseStatus
}

// awaitReady waits until an object's Ready condition is True for its current generation.
func (r *release) awaitReady(key client.ObjectKey, obj statusObject) error {
	return r.eventually(2*time.Minute, key.String()+" is Ready", func(ctx context.Context) (bool, error) {
		if err := r.Client.Get(ctx, key, obj); err != nil {
			return false, err
		}
		ready := apimeta.FindStatusCondition(obj.BaseStatus().Conditions, v1alpha1.Ready)
		return ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == obj.GetGeneration(), nil
	})
}

func (r *release) awaitGone(obj client.Object) error {
	what := fmt.Sprintf("%T %s is gone", obj, obj.GetName())
	return r.eventually(2*time.Minute, what, func(ctx context.Context) (bool, error) {
		err := r.Client.Get(ctx, client.ObjectKeyFromObject(obj), obj)
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
}

func (r *release) awaitNoPods(namespace string) error {
	return r.eventually(time.Minute, "no pod is left in namespace "+namespace, func(ctx context.Context) (bool, error) {
		var pods corev1.PodList
		err := r.Client.List(ctx, &pods, client.InNamespace(namespace))
		return len(pods.Items) == 0, err
	})
}

func (r *release) eventually(patience time.Duration, what string, done func(context.Context) (bool, error)) error {
	if err := wait.PollUntilContextTimeout(r.t.Context(), 200*time.Millisecond, patience, true, done); err != nil {
		return fmt.Errorf("wait until %s: %w", what, err)
	}
	return nil
}

// dump shows what the cluster looks like after a failure. Conditions and events hold no secret.
func (r *release) dump() {
	kubectl := r.Program("kubectl")
	for _, args := range [][]string{
		{"get", "pods", "--all-namespaces", "--output=wide"},
		{"get", "make", "--all-namespaces", "--output=wide"},
		{"get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"},
		{"logs", "--namespace=" + stack.Namespace, "--selector=app.kubernetes.io/name=make-operator", "--tail=40"},
	} {
		cmd := exec.CommandContext(r.t.Context(), kubectl, append(args, "--kubeconfig="+r.AdminKubeconfig)...)
		out, err := cmd.CombinedOutput()
		r.t.Logf("kubectl %s (%v):\n%s", strings.Join(args, " "), err, out)
	}
}
