package webhook

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/judge"
)

// +kubebuilder:webhook:path=/validate-makeops-dev-v1alpha1-makemcpserver,mutating=false,failurePolicy=fail,sideEffects=None,groups=makeops.dev,resources=makemcpservers,verbs=create;update,versions=v1alpha1,name=makemcpservers.makeops.dev,admissionReviewVersions=v1,timeoutSeconds=5,serviceName=make-operator-webhook,serviceNamespace=make-operator-system

// Servers judges MakeMCPServers. Its Reader may be a cache: the controller judges again.
type Servers struct {
	Reader   client.Reader
	Policies Policies
}

var _ admission.Validator[*v1alpha1.MakeMCPServer] = (*Servers)(nil)

// ValidateCreate refuses scopes that are not allowed or beyond the connection's, where the connection exists.
func (v *Servers) ValidateCreate(ctx context.Context, server *v1alpha1.MakeMCPServer) (admission.Warnings, error) {
	conn := &v1alpha1.MakeConnection{}
	err := v.Reader.Get(ctx, client.ObjectKey{Namespace: server.Namespace, Name: server.Spec.ConnectionRef.Name}, conn)
	if apierrors.IsNotFound(err) { // it may be applied next; the controller judges then
		conn, err = nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read MakeConnection %s: %w", server.Spec.ConnectionRef.Name, err)
	}
	rules, err := v.Policies.ForAdmission(ctx, server.Namespace)
	if err != nil {
		return nil, deferred("makemcpservers", server, err)
	}
	errs, warnings := refusals(judge.Server(server, conn, rules))
	if conn != nil && judge.RolloutRefused(server, conn) {
		errs = append(errs, field.Forbidden(field.NewPath("spec", "rollout"), judge.RolloutAdvice))
	}
	return answer("MakeMCPServer", server, errs, warnings)
}

// ValidateUpdate judges a spec that changed.
func (v *Servers) ValidateUpdate(ctx context.Context, before, server *v1alpha1.MakeMCPServer) (admission.Warnings, error) {
	if unchanged(before.Spec, server.Spec, server) {
		return nil, nil
	}
	return v.ValidateCreate(ctx, server)
}

// ValidateDelete allows everything.
func (v *Servers) ValidateDelete(ctx context.Context, _ *v1alpha1.MakeMCPServer) (admission.Warnings, error) {
	return anything(ctx)
}
