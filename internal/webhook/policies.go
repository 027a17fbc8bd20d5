package webhook

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/judge"
)

// +kubebuilder:webhook:path=/validate-makeops-dev-v1alpha1-makescopepolicy,mutating=false,failurePolicy=fail,sideEffects=None,groups=makeops.dev,resources=makescopepolicies,verbs=create;update,versions=v1alpha1,name=makescopepolicies.makeops.dev,admissionReviewVersions=v1,timeoutSeconds=5,serviceName=make-operator-webhook,serviceNamespace=make-operator-system

// ScopePolicies judges MakeScopePolicies.
type ScopePolicies struct{ Clock clock.PassiveClock }

var _ admission.Validator[*v1alpha1.MakeScopePolicy] = (*ScopePolicies)(nil)

// ValidateCreate refuses what the evaluator does not understand.
func (v *ScopePolicies) ValidateCreate(_ context.Context, policy *v1alpha1.MakeScopePolicy) (admission.Warnings, error) {
	_, err := judge.Policy(policy)
	return answer("MakeScopePolicy", policy, fieldErrors(err), judge.PolicyWarnings(policy, v.Clock.Now()))
}

// ValidateUpdate judges a spec that changed.
func (v *ScopePolicies) ValidateUpdate(ctx context.Context, before, policy *v1alpha1.MakeScopePolicy) (admission.Warnings, error) {
	if unchanged(before.Spec, policy.Spec, policy) {
		return nil, nil
	}
	return v.ValidateCreate(ctx, policy)
}

// ValidateDelete allows everything.
func (v *ScopePolicies) ValidateDelete(ctx context.Context, _ *v1alpha1.MakeScopePolicy) (admission.Warnings, error) {
	return anything(ctx)
}

// fieldErrors are the joined field errors of judge.Policy.
func fieldErrors(err error) field.ErrorList {
	var errs field.ErrorList
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	for _, e := range joined.Unwrap() {
		if f, ok := errors.AsType[*judge.FieldError](e); ok {
			errs = append(errs, field.Forbidden(field.NewPath(f.Field), f.Err.Error()))
		}
	}
	return errs
}
