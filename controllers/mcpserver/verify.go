package mcpserver

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/mcp/probe"
	"github.com/makeops/make-operator/internal/step"
)

// verify calls the server through MCP, unless it was verified since its pods were last replaced: each time that they are, Available
// is not True for a while, which blocks this step's condition. So the condition alone tells, also after a restart of the operator.
func (p *pass) verify(ctx context.Context) error {
	if c := meta.FindStatusCondition(p.server.Status.Conditions, v1alpha1.Verified); c != nil &&
		c.Status == metav1.ConditionTrue && c.ObservedGeneration == p.server.Generation {
		return nil
	}
	endpoint, err := p.readEndpoint(ctx)
	if err != nil {
		return err
	}
	if endpoint == "" {
		return step.Waitf(p.pause(v1alpha1.Verified), v1alpha1.ReasonPodsNotReady, "no pod of Deployment %s is ready", p.server.Name)
	}
	token, err := p.createToken(ctx)
	if err != nil {
		return err
	}
	found, err := p.Prober.Probe(ctx, endpoint, urlOf(p.server), token)
	if err != nil {
		return step.Waitf(p.pause(v1alpha1.Verified), v1alpha1.ReasonHandshakeFailed, "%w: see the logs of Deployment %s", err, p.server.Name)
	}
	p.show(found)
	return nil
}

// readEndpoint is where the newest ready pod listens, "address:port"; empty where there is none. The pod's own address works with and
// without anything that serves the Service's.
func (p *pass) readEndpoint(ctx context.Context) (string, error) {
	var list corev1.PodList
	err := p.Client.List(ctx, &list, client.InNamespace(p.server.Namespace), client.MatchingLabels{
		v1alpha1.ServerLabel: p.server.Name, v1alpha1.ManagedByLabel: v1alpha1.ManagedBy,
	})
	if err != nil {
		return "", fmt.Errorf("list pods: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b corev1.Pod) int {
		return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	for i := range list.Items {
		if pod := &list.Items[i]; ready(pod) && madeFrom(pod, p.template) {
			return net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(mcpPort)), nil
		}
	}
	return "", nil
}

// madeFrom reports whether a pod has the configuration and token of a template: pods of the one before may still seem to be there.
func madeFrom(pod *corev1.Pod, template *corev1.PodTemplateSpec) bool {
	return pod.Annotations[v1alpha1.ConfigAnnotation] == template.Annotations[v1alpha1.ConfigAnnotation] &&
		pod.Annotations[v1alpha1.TokenSequenceAnnotation] == template.Annotations[v1alpha1.TokenSequenceAnnotation]
}

// ready reports whether a pod takes calls.
func ready(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp.IsZero() && pod.Status.PodIP != "" && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// tokenSeconds is the life of the token for one handshake, the shortest that Kubernetes gives.
const tokenSeconds = 600

// createToken is a token of the operator's own ServiceAccount that is good for this server alone.
func (p *pass) createToken(ctx context.Context) (string, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: p.Identity.Namespace, Name: p.Identity.Name}}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: []string{urlOf(p.server)}, ExpirationSeconds: new(int64(tokenSeconds)),
	}}
	if err := p.Client.SubResource("token").Create(ctx, account, request); err != nil {
		return "", fmt.Errorf("create token of ServiceAccount %s: %w", p.Identity, err)
	}
	return request.Status.Token, nil
}

// Bounds of what a server says of itself. Source: the API's own.
const (
	maxName     = 128
	maxVersions = 16
	maxVersion  = 32
)

// show puts what a server told of itself into the status, within the bounds of the API.
func (p *pass) show(found probe.Handshake) {
	versions := slices.DeleteFunc(slices.Clone(found.ProtocolVersions), func(v string) bool { return len(v) > maxVersion })
	p.server.Status.ServerInfo = v1alpha1.ServerInfo{Name: truncated(found.Name, maxName), Version: truncated(found.Version, maxName)}
	p.server.Status.ProtocolVersions = versions[:min(len(versions), maxVersions)]
	p.server.Status.ToolCount = new(found.Tools)
}

func truncated(s string, length int) string {
	if r := []rune(s); len(r) > length {
		return string(r[:length])
	}
	return s
}
