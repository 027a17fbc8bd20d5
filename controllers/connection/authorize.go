package connection

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/step"
)

// authorize makes sure that there is a consent by an account of the connection's organization, and that it stays good.
func (p *pass) authorize(ctx context.Context) error {
	if err := p.refreshGrant(ctx); err != nil {
		return err
	}
	o := p.rec.OAuth
	if o != nil && o.OrganizationID != 0 && o.OrganizationID != p.conn.Spec.OrganizationID {
		p.conn.Status.Authorization.URL = p.consentURL()
		return step.Stallf(v1alpha1.ReasonWrongOrganization,
			"the consent was checked against organization %d: open status.authorization.url in a browser and consent for organization %d, "+
				"or correct spec.organizationID", o.OrganizationID, p.conn.Spec.OrganizationID).Contained() // what worked goes on working
	}
	if asked := p.conn.Annotations[v1alpha1.ConsentAnnotation]; asked != "" && asked != p.rec.ConsentAsked {
		p.conn.Status.Authorization.URL = p.consentURL()
	}
	return nil
}

// concernsConnection lets pass a change of the spec, and a wish for another consent.
var concernsConnection = predicate.Or(predicate.GenerationChangedPredicate{}, predicate.Funcs{UpdateFunc: asksAgain})

// asksAgain reports whether somebody asked for another consent to a connection that may have one.
func asksAgain(e event.UpdateEvent) bool {
	asked := func(o client.Object) string { return o.GetAnnotations()[v1alpha1.ConsentAnnotation] }
	return asked(e.ObjectOld) != asked(e.ObjectNew)
}
