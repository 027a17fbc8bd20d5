package connection

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/child"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/optin"
	"github.com/makeops/make-operator/internal/policy"
	"github.com/makeops/make-operator/internal/rotation"
	"github.com/makeops/make-operator/internal/step"
)

// +kubebuilder:rbac:groups=makeops.dev,resources=makeconnections,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=makeops.dev,resources=makeconnections/status,verbs=patch
// +kubebuilder:rbac:groups=makeops.dev,resources=makeconnections/finalizers,verbs=update
// +kubebuilder:rbac:groups=makeops.dev,resources=makemcpservers,verbs=get;list;watch
// +kubebuilder:rbac:groups=makeops.dev,resources=makescopepolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=roles;rolebindings,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups="",resources=namespaces,resourceNames=kube-system,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconciler reconciles MakeConnections. Its zero value is not usable.
type Reconciler struct {
	// Client reads Secrets past its cache: their values are never cached.
	Client client.Client
	// Cache holds what Secrets are called and labelled.
	Cache client.Reader
	// Secrets reads the users' Secrets.
	Secrets   optin.Reader
	Steps     *step.Runner
	Children  *child.Keeper
	Grants    *grant.Store
	Refresher *rotation.Refresher
	Make      *makeapi.Client
	// Policies tells what counts in a namespace; nil means the built-in policy everywhere.
	Policies *policy.Reader
	Clock    clock.Clock
	// ConsentURL is where browsers reach the operator, without a slash at the end.
	ConsentURL string
	// Workers is how many connections are reconciled at once.
	Workers int
}

// Reconcile moves one MakeConnection one pass closer to its spec.
func (r *Reconciler) Reconcile(ctx context.Context, conn *v1alpha1.MakeConnection) (reconcile.Result, error) {
	if !conn.DeletionTimestamp.IsZero() {
		return r.delete(ctx, conn)
	}
	if err := r.ensureFinalizer(ctx, conn); err != nil {
		return reconcile.Result{}, err
	}
	p := r.newPass(conn)
	result, err := r.Steps.Run(ctx, conn, p.steps()...)
	result, err = p.keepSchedule(result, err)
	result.Priority = new(priority(p.deadline()))
	return result, err
}

// ensureFinalizer comes before the first call to Make: what is minted there must be revocable.
func (r *Reconciler) ensureFinalizer(ctx context.Context, conn *v1alpha1.MakeConnection) error {
	before := conn.DeepCopy()
	if !controllerutil.AddFinalizer(conn, v1alpha1.ConnectionFinalizer) {
		return nil
	}
	return r.Client.Patch(ctx, conn, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// serverIndex finds the MakeMCPServers of a connection.
const serverIndex = "spec.connectionRef.name"

// SetupWithManager registers the controller, and what it watches.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.MakeMCPServer{}, serverIndex, func(o client.Object) []string {
		return []string{o.(*v1alpha1.MakeMCPServer).Spec.ConnectionRef.Name}
	})
	if err != nil {
		return err
	}
	b := ctrl.NewControllerManagedBy(mgr).
		Named("makeconnection").
		Watches(&v1alpha1.MakeConnection{}, byDeadline{&handler.EnqueueRequestForObject{}, r.Clock, connectionDeadline},
			builder.WithPredicates(predicate.Or(concernsConnection, predicate.Predicate(predicate.Funcs{UpdateFunc: connectionChanged})))).
		Watches(&rbacv1.Role{}, ownerOf(mgr)).
		Watches(&rbacv1.RoleBinding{}, ownerOf(mgr)).
		WatchesMetadata(&corev1.Secret{}, byDeadline{handler.EnqueueRequestsFromMapFunc(r.connectionsOfSecret), r.Clock, secretDeadline},
			builder.WithPredicates(predicate.Funcs{UpdateFunc: secretChanged})).
		Watches(&v1alpha1.MakeMCPServer{}, handler.EnqueueRequestsFromMapFunc(connectionOfServer),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Workers})
	if r.Policies != nil {
		b = r.Policies.Watch(b, &v1alpha1.MakeConnectionList{})
	}
	return b.Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// ownerOf maps an object to the connection that controls it.
func ownerOf(mgr ctrl.Manager) handler.EventHandler {
	return handler.EnqueueRequestForOwner(mgr.GetScheme(), mgr.GetRESTMapper(), &v1alpha1.MakeConnection{}, handler.OnlyControllerOwner())
}

// connectionChanged lets pass changes of the spec, a deletion, and what an owner says about a rolled-back grant.
func connectionChanged(e event.UpdateEvent) bool {
	return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() ||
		e.ObjectOld.GetAnnotations()[v1alpha1.AcceptRollbackAnnotation] != e.ObjectNew.GetAnnotations()[v1alpha1.AcceptRollbackAnnotation]
}

// connectionsOfSecret maps a Secret to the connections that it concerns: the owner of a consumer's Secret, the subject of a grant,
// and every connection of the namespace that refers to it.
func (r *Reconciler) connectionsOfSecret(ctx context.Context, secret client.Object) []reconcile.Request {
	if key, ok := grant.ConnectionOf(secret); ok && secret.GetNamespace() == r.Grants.Namespace {
		return []reconcile.Request{{NamespacedName: key}}
	}
	if name := secret.GetLabels()[v1alpha1.ConnectionLabel]; name != "" {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: secret.GetNamespace(), Name: name}}}
	}
	var list v1alpha1.MakeConnectionList
	if err := r.Client.List(ctx, &list, client.InNamespace(secret.GetNamespace())); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "list connections of a changed Secret", "namespace", secret.GetNamespace())
		return nil
	}
	var requests []reconcile.Request
	for i := range list.Items {
		if credentialName(&list.Items[i]) == secret.GetName() {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
	return requests
}

// secretChanged lets pass what concerns a connection: of a grant only new consents, of other Secrets everything.
func secretChanged(e event.UpdateEvent) bool {
	if _, ok := grant.ConnectionOf(e.ObjectNew); ok {
		return grant.Consented(e.ObjectOld, e.ObjectNew)
	}
	return e.ObjectOld.GetResourceVersion() != e.ObjectNew.GetResourceVersion()
}

func connectionOfServer(_ context.Context, o client.Object) []reconcile.Request {
	server := o.(*v1alpha1.MakeMCPServer)
	return []reconcile.Request{{NamespacedName: types.NamespacedName{
		Namespace: server.Namespace, Name: server.Spec.ConnectionRef.Name,
	}}}
}

// credentialName is the Secret that a connection refers to.
func credentialName(conn *v1alpha1.MakeConnection) string {
	if t := conn.Spec.Auth.APIToken; t != nil {
		return t.SecretRef.Name
	}
	if o := conn.Spec.Auth.OAuth; o != nil {
		return o.ClientRef.Name
	}
	return ""
}

// identityOf is what a connection's grant is bound to.
func identityOf(conn *v1alpha1.MakeConnection) grant.Identity {
	return grant.Identity{Namespace: conn.Namespace, Name: conn.Name, UID: conn.UID}
}

// consentPending is how often an awaited consent is looked for; the consent itself wakes the connection at once.
const consentPending = time.Hour
