package policy

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/judge"
)

// Watch has a controller judge its objects again when a policy that governs them changes, and when their namespace's labels do.
// list is an empty list of the controller's kind.
func (r *Reader) Watch(b *builder.Builder, list client.ObjectList) *builder.Builder {
	return b.
		Watches(&v1alpha1.MakeScopePolicy{}, handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
			return r.governed(ctx, o.(*v1alpha1.MakeScopePolicy), list)
		}), builder.WithPredicates(predicate.Funcs{UpdateFunc: policyChanged})).
		WatchesMetadata(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
			return r.requests(ctx, list, func(namespace string) bool { return namespace == o.GetName() }, client.InNamespace(o.GetName()))
		}), builder.WithPredicates(predicate.Funcs{
			CreateFunc: func(event.CreateEvent) bool { return false }, // it is empty, or its objects have events of their own
			DeleteFunc: func(event.DeleteEvent) bool { return false },
			UpdateFunc: func(e event.UpdateEvent) bool { return !maps.Equal(e.ObjectOld.GetLabels(), e.ObjectNew.GetLabels()) },
		}))
}

// policyChanged lets pass what changes a judgement: a policy that became Ready for another generation, or is not Ready any more. One
// that was just written waits for the first of these.
func policyChanged(e event.UpdateEvent) bool {
	before, after := e.ObjectOld.(*v1alpha1.MakeScopePolicy), e.ObjectNew.(*v1alpha1.MakeScopePolicy)
	was, is := judge.Ready(before), judge.Ready(after)
	return is && !was || was && !is && before.Generation == after.Generation || !after.DeletionTimestamp.IsZero()
}

// Selected returns what tells whether a policy governs a namespace, by its name.
func (r *Reader) Selected(ctx context.Context, policy *v1alpha1.MakeScopePolicy) (func(namespace string) bool, error) {
	if judge.SelectsAll(policy) {
		return func(string) bool { return true }, nil
	}
	list := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "NamespaceList"}}
	if err := r.Client.List(ctx, list); err != nil {
		return nil, fmt.Errorf("list namespaces: %w", err)
	}
	selected := map[string]bool{}
	for i := range list.Items {
		selected[list.Items[i].Name] = judge.Selects(policy, labels.Set(list.Items[i].Labels))
	}
	return func(namespace string) bool { return selected[namespace] }, nil
}

func (r *Reader) governed(ctx context.Context, policy *v1alpha1.MakeScopePolicy, list client.ObjectList) []reconcile.Request {
	selected, err := r.Selected(ctx, policy)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "find what a changed policy governs", "policy", policy.Name)
		return nil
	}
	return r.requests(ctx, list, selected)
}

func (r *Reader) requests(ctx context.Context, like client.ObjectList, selected func(string) bool, opts ...client.ListOption) []reconcile.Request {
	list := like.DeepCopyObject().(client.ObjectList)
	if err := r.Client.List(ctx, list, opts...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "list what policy governs")
		return nil
	}
	var requests []reconcile.Request
	_ = meta.EachListItem(list, func(item runtime.Object) error {
		if o := item.(client.Object); selected(o.GetNamespace()) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(o)})
		}
		return nil
	})
	return requests
}
