package connection

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/step"
)

// hasOlderTwin reports whether another connection, made earlier, holds the same refresh token. Some servers give one person and one
// client the same token twice. Were both connections to present it, each would use up the other's.
func (p *pass) hasOlderTwin(ctx context.Context) (bool, error) {
	list := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "SecretList"}}
	err := p.Cache.List(ctx, list, client.InNamespace(p.Grants.Namespace), client.MatchingLabels{grant.FamilyLabel: p.Grants.Family(&p.rec.Grant)})
	if err != nil {
		return false, fmt.Errorf("list grants of the same refresh token: %w", err)
	}
	var own *metav1.PartialObjectMetadata
	for i := range list.Items {
		if list.Items[i].Name == grant.SecretName(p.id) {
			own = &list.Items[i]
		}
	}
	for i := range list.Items {
		if own != nil && older(&list.Items[i], own) {
			return true, nil
		}
	}
	return false, nil
}

// older orders grants by their age, and those of the same second by their names.
func older(a, b *metav1.PartialObjectMetadata) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Name < b.Name
}

// errShared names no other connection: that one may be another tenant's.
func errShared() *step.Problem {
	return step.Stallf(v1alpha1.ReasonCredentialShared,
		"another connection holds the same refresh token, and only one of them may use it: use one connection with two consumers, or another "+
			"OAuth client, and consent again")
}
