package webhook

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/scope"
)

// ConfigurationName is the ValidatingWebhookConfiguration's.
const ConfigurationName = "make-operator"

// Zones tells which zones connections may name; *makeapi.Client implements it.
type Zones interface{ AllowsZone(zone string) bool }

// Setup registers the webhook with the manager's server.
func Setup(mgr ctrl.Manager, zones Zones) error {
	err := ctrl.NewWebhookManagedBy(mgr, &v1alpha1.MakeConnection{}).WithValidator(&Connections{Zones: zones}).Complete()
	if err != nil {
		return err
	}
	return ctrl.NewWebhookManagedBy(mgr, &v1alpha1.MakeMCPServer{}).WithValidator(&Servers{Reader: mgr.GetClient()}).Complete()
}

// refusals turns a verdict into field errors and warnings.
func refusals(verdict scope.Verdict) (field.ErrorList, admission.Warnings) {
	var errs field.ErrorList
	for _, v := range verdict.Violations {
		errs = append(errs, field.Forbidden(field.NewPath(v.Field), strings.TrimPrefix(v.String(), v.Field+": ")))
	}
	var warnings admission.Warnings
	for _, w := range verdict.Warnings {
		warnings = append(warnings, w.String())
	}
	return errs, warnings
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

// anything is the ValidateDelete of both kinds: deleting is always allowed.
func anything(context.Context) (admission.Warnings, error) { return nil, nil }
