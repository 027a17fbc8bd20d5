// Package policy finds the MakeScopePolicies that govern a namespace. It reads and selects; what they mean is for internal/judge and
// internal/scope to say.
package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/judge"
	"github.com/makeops/make-operator/internal/scope"
)

// Reader reads policies and the labels of namespaces. Its zero value is not usable.
type Reader struct {
	// Client may be a cache.
	Client client.Reader
	// Clock says when exceptions end.
	Clock clock.PassiveClock
}

// ErrNotReady is wrapped by what For returns where a policy may govern the namespace and is not Ready.
var ErrNotReady = errors.New("policy is not Ready")

// For are the rules that count in a namespace, for somebody who is about to issue something. A policy that is not Ready defers: the
// error wraps ErrNotReady and names it.
func (r *Reader) For(ctx context.Context, namespace string) (scope.Rules, error) {
	return r.read(ctx, namespace, judge.Ready)
}

// ForAdmission are the rules that count in a namespace by the policies as they are written, whether the operator has said that they
// are Ready or not: what is admitted is judged again before anything is issued. A policy that cannot be understood defers.
func (r *Reader) ForAdmission(ctx context.Context, namespace string) (scope.Rules, error) {
	return r.read(ctx, namespace, func(*v1alpha1.MakeScopePolicy) bool { return true })
}

func (r *Reader) read(ctx context.Context, namespace string, ready func(*v1alpha1.MakeScopePolicy) bool) (scope.Rules, error) {
	rules := scope.Rules{Now: r.Clock.Now()}
	var list v1alpha1.MakeScopePolicyList
	if err := r.Client.List(ctx, &list); err != nil {
		return rules, fmt.Errorf("list MakeScopePolicies: %w", err)
	}
	if len(list.Items) == 0 {
		return rules, nil
	}
	labelled, err := r.labelsOf(ctx, namespace, list.Items)
	if err != nil {
		return rules, err
	}
	slices.SortFunc(list.Items, func(a, b v1alpha1.MakeScopePolicy) int { return strings.Compare(a.Name, b.Name) })
	for i := range list.Items {
		policy := &list.Items[i]
		if !policy.DeletionTimestamp.IsZero() || !judge.Selects(policy, labelled) {
			continue
		}
		compiled, err := judge.Policy(policy)
		if err != nil || !ready(policy) {
			return rules, fmt.Errorf("MakeScopePolicy %s: %w", policy.Name, ErrNotReady)
		}
		rules.Policies = append(rules.Policies, compiled)
	}
	return rules, nil
}

// labelsOf are the labels of a namespace; it is not read where no policy looks at them.
func (r *Reader) labelsOf(ctx context.Context, namespace string, policies []v1alpha1.MakeScopePolicy) (labels.Set, error) {
	if !slices.ContainsFunc(policies, func(p v1alpha1.MakeScopePolicy) bool { return !judge.SelectsAll(&p) }) {
		return nil, nil
	}
	about := NamespaceMetadata()
	err := r.Client.Get(ctx, client.ObjectKey{Name: namespace}, about)
	if err != nil && !apierrors.IsNotFound(err) { // what is in a namespace that is gone is going, too
		return nil, fmt.Errorf("read labels of namespace %s: %w", namespace, err)
	}
	return about.Labels, nil
}

// NamespaceMetadata is what is read of namespaces: their metadata alone.
func NamespaceMetadata() *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Namespace"}}
}

// RetryAfter is when to look again at a policy that was not Ready; its event comes sooner, as a rule.
const RetryAfter = 10 * time.Second
