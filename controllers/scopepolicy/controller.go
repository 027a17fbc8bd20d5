package scopepolicy

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/policy"
	"github.com/makeops/make-operator/internal/step"
)

// +kubebuilder:rbac:groups=makeops.dev,resources=makescopepolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups=makeops.dev,resources=makescopepolicies/status,verbs=patch
// +kubebuilder:rbac:groups=makeops.dev,resources=makeconnections;makemcpservers,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconciler reconciles MakeScopePolicies. Its zero value is not usable.
type Reconciler struct {
	// Client may read from a cache.
	Client client.Client
	// Policies finds the namespaces that a policy governs.
	Policies *policy.Reader
	Steps    *step.Runner
	Clock    clock.PassiveClock
}

// Reconcile brings the status of one MakeScopePolicy up to date.
func (r *Reconciler) Reconcile(ctx context.Context, policy *v1alpha1.MakeScopePolicy) (reconcile.Result, error) {
	if !policy.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil
	}
	p := &pass{Reconciler: r, policy: policy, now: r.Clock.Now()}
	result, err := r.Steps.Run(ctx, policy,
		step.Step{Condition: v1alpha1.Valid, Do: p.compile},
		step.Step{Condition: v1alpha1.Judged, Do: p.count},
	)
	if err == nil && result.RequeueAfter == 0 && !p.again.IsZero() {
		result.RequeueAfter = max(p.again.Sub(p.now), time.Second)
	}
	return result, err
}

// SetupWithManager registers the controller, and what it watches.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	all := r.everyPolicy()
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.MakeScopePolicy{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.MakeConnection{}, all, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.MakeMCPServer{}, all, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WatchesMetadata(&corev1.Namespace{}, all, builder.WithPredicates(predicate.LabelChangedPredicate{})).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// countPause is how long the count of a policy may lag: many objects that change together are counted once.
const countPause = 2 * time.Second

// everyPolicy has all policies counted anew, a little later.
func (r *Reconciler) everyPolicy() handler.EventHandler {
	later := func(ctx context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
		var list v1alpha1.MakeScopePolicyList
		if err := r.Client.List(ctx, &list); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "list policies")
			return
		}
		for i := range list.Items {
			q.AddAfter(reconcile.Request{NamespacedName: types.NamespacedName{Name: list.Items[i].Name}}, countPause)
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, _ event.CreateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			later(ctx, q)
		},
		UpdateFunc: func(ctx context.Context, _ event.UpdateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			later(ctx, q)
		},
		DeleteFunc: func(ctx context.Context, _ event.DeleteEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			later(ctx, q)
		},
	}
}
