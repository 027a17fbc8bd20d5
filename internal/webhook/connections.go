package webhook

import (
	"context"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/judge"
)

// +kubebuilder:webhook:path=/validate-makeops-dev-v1alpha1-makeconnection,mutating=false,failurePolicy=fail,sideEffects=None,groups=makeops.dev,resources=makeconnections,verbs=create;update,versions=v1alpha1,name=makeconnections.makeops.dev,admissionReviewVersions=v1,timeoutSeconds=5,serviceName=make-operator-webhook,serviceNamespace=make-operator-system

// Connections judges MakeConnections.
type Connections struct {
	Zones    Zones
	Policies Policies
}

var _ admission.Validator[*v1alpha1.MakeConnection] = (*Connections)(nil)

// ValidateCreate refuses zones and scopes that are not allowed.
func (v *Connections) ValidateCreate(ctx context.Context, conn *v1alpha1.MakeConnection) (admission.Warnings, error) {
	rules, err := v.Policies.ForAdmission(ctx, conn.Namespace)
	if err != nil {
		return nil, deferred("makeconnections", conn, err)
	}
	errs, warnings := refusals(judge.Connection(conn, rules))
	if !v.Zones.AllowsZone(conn.Spec.Zone) {
		errs = append(errs, field.Forbidden(field.NewPath("spec", "zone"),
			conn.Spec.Zone+" is no host of Make: correct it, or have the operator started with --allowed-zones="+conn.Spec.Zone))
	}
	return answer("MakeConnection", conn, errs, warnings)
}

// ValidateUpdate judges a spec that changed.
func (v *Connections) ValidateUpdate(ctx context.Context, before, conn *v1alpha1.MakeConnection) (admission.Warnings, error) {
	if unchanged(before.Spec, conn.Spec, conn) {
		return nil, nil
	}
	return v.ValidateCreate(ctx, conn)
}

// ValidateDelete allows everything.
func (v *Connections) ValidateDelete(ctx context.Context, _ *v1alpha1.MakeConnection) (admission.Warnings, error) {
	return anything(ctx)
}
