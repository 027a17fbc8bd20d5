package webhook

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/policy"
	"github.com/makeops/make-operator/internal/scope"
)

// ConfigurationName is the ValidatingWebhookConfiguration's.
const ConfigurationName = "make-operator"

// Zones tells which zones connections may name; *makeapi.Client implements it.
type Zones interface{ AllowsZone(zone string) bool }

// Policies tells what counts in a namespace; *policy.Reader implements it.
type Policies interface {
	ForAdmission(ctx context.Context, namespace string) (scope.Rules, error)
}

// Setup registers the webhook with the manager's server. Every replica serves, leader or not.
func Setup(mgr ctrl.Manager, zones Zones, policies Policies, clock clock.PassiveClock) error {
	connections, servers := &Connections{Zones: zones, Policies: policies}, &Servers{Reader: mgr.GetClient(), Policies: policies}
	return errors.Join(
		ctrl.NewWebhookManagedBy(mgr, &v1alpha1.MakeConnection{}).WithValidator(connections).Complete(),
		ctrl.NewWebhookManagedBy(mgr, &v1alpha1.MakeMCPServer{}).WithValidator(servers).Complete(),
		ctrl.NewWebhookManagedBy(mgr, &v1alpha1.MakeScopePolicy{}).WithValidator(&ScopePolicies{Clock: clock}).Complete(),
	)
}

// refusals turns a verdict into field errors and warnings. What is only audited is told to nobody here.
func refusals(verdict scope.Verdict) (field.ErrorList, admission.Warnings) {
	var errs field.ErrorList
	for _, v := range verdict.Violations {
		errs = append(errs, field.Forbidden(field.NewPath(v.Field), v.Detail()))
	}
	var warnings admission.Warnings
	for _, v := range verdict.Warned {
		warnings = append(warnings, v.Field+": it would be refused if the policy denied: "+v.Detail())
	}
	for _, w := range verdict.Warnings {
		warnings = append(warnings, w.String())
	}
	return errs, warnings
}

// deferred refuses for now, because it is not known what is allowed.
func deferred(resource string, obj client.Object, err error) error {
	if !errors.Is(err, policy.ErrNotReady) {
		return err
	}
	gr := schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: resource}
	return apierrors.NewForbidden(gr, obj.GetName(), fmt.Errorf("it is not known what is allowed, have the policy mended and try again: %w", err))
}

// answer is what the API server tells the user.
func answer(kind string, obj client.Object, errs field.ErrorList, warnings admission.Warnings) (admission.Warnings, error) {
	if len(errs) == 0 {
		return warnings, nil
	}
	gk := schema.GroupKind{Group: v1alpha1.GroupVersion.Group, Kind: kind}
	return warnings, apierrors.NewInvalid(gk, obj.GetName(), errs)
}

// unchanged reports whether there is nothing to judge: the spec stayed as it was, or the object is going.
func unchanged(before, after any, obj client.Object) bool {
	return !obj.GetDeletionTimestamp().IsZero() || equality.Semantic.DeepEqual(before, after)
}

// anything is the ValidateDelete of all kinds: deleting is always allowed.
func anything(context.Context) (admission.Warnings, error) { return nil, nil }
