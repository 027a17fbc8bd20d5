package mcpserver

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/child"
	"github.com/makeops/make-operator/internal/mcp/probe"
	"github.com/makeops/make-operator/internal/policy"
	"github.com/makeops/make-operator/internal/step"
)

// +kubebuilder:rbac:groups=makeops.dev,resources=makemcpservers,verbs=get;list;watch
// +kubebuilder:rbac:groups=makeops.dev,resources=makemcpservers/status,verbs=patch
// +kubebuilder:rbac:groups=makeops.dev,resources=makemcpservers/finalizers,verbs=update
// +kubebuilder:rbac:groups=makeops.dev,resources=makeconnections,verbs=get;list;watch
// +kubebuilder:rbac:groups=makeops.dev,resources=makescopepolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=serviceaccounts;services;configmaps,verbs=get;list;watch;create;update
// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=get;list;watch;create;update
// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies,verbs=get;list;watch;create;update
// +kubebuilder:rbac:groups="",resources=pods,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch
// +kubebuilder:rbac:groups="",namespace=make-operator-system,resources=serviceaccounts/token,resourceNames=make-operator,verbs=create
// +kubebuilder:rbac:urls=/.well-known/openid-configuration;/openid/v1/jwks,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// KeySource tells by which keys the cluster signs the tokens of its ServiceAccounts.
type KeySource interface {
	// Keys returns the tokens' issuer and a JSON Web Key Set that stays the same, byte for byte, while the keys do.
	Keys(ctx context.Context) (issuer string, jwks []byte, err error)
}

// Prober calls an MCP server as an agent would.
type Prober interface {
	// Probe connects to endpoint ("address:port") as a caller of serverURL. Its errors are one sentence without secrets or addresses.
	Probe(ctx context.Context, endpoint, serverURL, token string) (probe.Handshake, error)
}

// Reconciler reconciles MakeMCPServers. Its zero value is not usable.
type Reconciler struct {
	Client client.Client
	// Metadata reads what Secrets are annotated with, past every cache. Their values are never read here.
	Metadata client.Reader
	Steps    *step.Runner
	Children *child.Keeper
	Keys     KeySource
	Prober   Prober
	Clock    clock.PassiveClock
	// Identity is the operator's own ServiceAccount, as which it calls the servers.
	Identity types.NamespacedName
	// Image is the image of make-mcp.
	Image string
	// MakeCA holds PEM certificates that servers trust for Make, beside the system's; empty means none.
	MakeCA []byte
	// AllowedZones are zones beyond Make's own: hosts, with port where it is not 443.
	AllowedZones []string
	// Issuers are the token issuers outside the cluster that rules may name, by name.
	Issuers map[string]Issuer
	// Policies tells what counts in a namespace; nil means the built-in policy everywhere.
	Policies *policy.Reader
	// Workers is how many servers are reconciled at once.
	Workers int
}

// Reconcile moves one MakeMCPServer one pass closer to its spec. A deleted server needs nothing: its children are garbage, and its
// token is revoked by its connection.
func (r *Reconciler) Reconcile(ctx context.Context, server *v1alpha1.MakeMCPServer) (reconcile.Result, error) {
	if !server.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil
	}
	p := &pass{Reconciler: r, server: server}
	result, err := r.Steps.Run(ctx, server, p.steps()...)
	if err == nil && result.RequeueAfter == 0 {
		result.RequeueAfter = keysAge
	}
	return p.judgeAgain(result, err)
}

// SetupWithManager registers the controller, and what it watches.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	b := ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.MakeMCPServer{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&corev1.ServiceAccount{}).
		Owns(&corev1.ConfigMap{}).
		Owns(&corev1.Service{}).
		Owns(&networkingv1.NetworkPolicy{}).
		Owns(&appsv1.Deployment{}).
		Watches(&v1alpha1.MakeConnection{}, handler.EnqueueRequestsFromMapFunc(r.serversOfConnection)).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(serverOfPod)).
		WatchesMetadata(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.serverOfSecret)).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Workers})
	if r.Policies != nil {
		b = r.Policies.Watch(b, &v1alpha1.MakeMCPServerList{})
	}
	return b.Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// serversOfConnection maps a connection to the servers that refer to it.
func (r *Reconciler) serversOfConnection(ctx context.Context, conn client.Object) []reconcile.Request {
	var list v1alpha1.MakeMCPServerList
	if err := r.Client.List(ctx, &list, client.InNamespace(conn.GetNamespace())); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "list servers of a changed connection", "namespace", conn.GetNamespace())
		return nil
	}
	var requests []reconcile.Request
	for i := range list.Items {
		if list.Items[i].Spec.ConnectionRef.Name == conn.GetName() {
			requests = append(requests, request(conn.GetNamespace(), list.Items[i].Name))
		}
	}
	return requests
}

// serverOfPod maps a pod to the server that it belongs to.
func serverOfPod(_ context.Context, pod client.Object) []reconcile.Request {
	return named(pod.GetNamespace(), pod.GetLabels()[v1alpha1.ServerLabel])
}

// serverOfSecret maps a server's Secret to the server, if its pods have to restart when the Secret changes.
func (r *Reconciler) serverOfSecret(ctx context.Context, secret client.Object) []reconcile.Request {
	requests := named(secret.GetNamespace(), secret.GetLabels()[v1alpha1.ServerLabel])
	for _, request := range requests {
		var server v1alpha1.MakeMCPServer
		if err := r.Client.Get(ctx, request.NamespacedName, &server); err != nil || server.Spec.Rollout != v1alpha1.RolloutRestart {
			return nil // a server that is not known yet has its own event
		}
	}
	return requests
}

// named requests one server; none where the name is empty.
func named(namespace, name string) []reconcile.Request {
	if name == "" {
		return nil
	}
	return []reconcile.Request{request(namespace, name)}
}

func request(namespace, name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}
}
