package mcpserver

import (
	"context"
	"errors"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/child"
	"github.com/makeops/make-operator/internal/step"
)

// ensureWorkload makes sure that the server's objects are as they have to be and that a pod of the newest generation is ready. The
// NetworkPolicy comes before the pods that it protects.
func (p *pass) ensureWorkload(ctx context.Context) error {
	in, err := p.readInputs(ctx)
	if err != nil {
		return err
	}
	config, err := buildConfigMap(in)
	if err != nil {
		return err
	}
	deployment := buildDeployment(in, config)
	p.template = deployment.Spec.Template.DeepCopy()
	for _, o := range []client.Object{buildServiceAccount(in), config, buildNetworkPolicy(in), buildService(in), deployment} {
		if err := p.Children.Ensure(ctx, p.server, o); err != nil {
			return p.classify(err)
		}
	}
	p.server.Status.URL = urlOf(p.server)
	if deployment.UID == "" { // it was not written, so what the API server says of it is still to be read
		if err := p.Client.Get(ctx, client.ObjectKeyFromObject(deployment), deployment); err != nil {
			return fmt.Errorf("read Deployment %s: %w", deployment.Name, err)
		}
	}
	if !rolledOut(deployment) {
		return step.Waitf(keysAge, v1alpha1.ReasonPodsNotReady,
			"no pod of the newest version is ready: see Deployment %s and its pods", deployment.Name)
	}
	return nil
}

// readInputs reads what the children are built from.
func (p *pass) readInputs(ctx context.Context) (inputs, error) {
	in := inputs{server: p.wanted, conn: p.conn, operator: p.Identity, image: p.Image, makeCA: p.MakeCA, issuers: p.Issuers}
	in.extraZone = slices.Contains(p.AllowedZones, p.conn.Spec.Zone)
	var err error
	if in.issuer, in.jwks, err = p.Keys.Keys(ctx); err != nil {
		return inputs{}, err
	}
	if p.server.Spec.Rollout != v1alpha1.RolloutRestart {
		return in, nil
	}
	about := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
	key := client.ObjectKey{Namespace: p.server.Namespace, Name: in.secretName()}
	if err := p.Metadata.Get(ctx, key, about); err != nil {
		return inputs{}, fmt.Errorf("look at Secret %s: %w", key.Name, err)
	}
	in.tokenSequence = about.Annotations[v1alpha1.TokenSequenceAnnotation]
	return in, nil
}

// rolledOut reports whether the pods of the newest generation are the only ones, and at least one is ready.
func rolledOut(d *appsv1.Deployment) bool {
	s := d.Status
	return s.ObservedGeneration >= d.Generation && s.UpdatedReplicas > 0 && s.UpdatedReplicas == s.Replicas && s.AvailableReplicas > 0
}

// classify says who has to act on an object that could not be ensured. Other errors pass through, so they are tried again.
func (p *pass) classify(err error) error {
	switch {
	case errors.Is(err, child.ErrForeign):
		problem := step.Stallf(v1alpha1.ReasonWorkloadConflict, "%w: rename or delete it, or rename the MakeMCPServer", err)
		problem.After = p.pause(v1alpha1.Available) // nobody watches what is not ours
		return problem
	case apierrors.IsInvalid(err):
		return step.Stallf(v1alpha1.ReasonWorkloadInvalid, "the API server does not accept what the spec asks for, correct spec.resources: %w", err)
	default:
		return err
	}
}
