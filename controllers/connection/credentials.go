package connection

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/optin"
	"github.com/makeops/make-operator/internal/step"
)

// readCredentials reads the Secret that the spec refers to and opens the connection's grant.
func (p *pass) readCredentials(ctx context.Context) error {
	secret, err := p.readSecret(ctx)
	if err != nil {
		return err
	}
	wanted := optin.ClientIDKey
	if t := p.conn.Spec.Auth.APIToken; t != nil {
		wanted = t.SecretRef.Key
	}
	if optin.Value(secret, wanted) == "" {
		return step.Stallf(v1alpha1.ReasonSecretKeyMissing, "Secret %s has no key %q: add it", secret.Name, wanted)
	}
	p.credential = secret
	p.rec, err = p.Grants.Read(ctx, p.id)
	if err == nil {
		err = p.Grants.Keys.Ready(ctx) // before Make is asked for anything that is to be kept
	}
	switch {
	case errors.Is(err, grant.ErrSealed):
		problem := step.Stallf(v1alpha1.ReasonSealingKeyLost,
			"the stored grant does not open: restore Secret %s in the operator's namespace, or the key in Vault; where it is lost for good, "+
				"delete Secret %s there and authorize again",
			grant.KeySecretName, grant.SecretName(p.id))
		problem.After = keyPause
		return problem
	case errors.Is(err, grant.ErrUnavailable):
		return step.Retryf(v1alpha1.ReasonSealingKeyUnavailable, "the sealing keys are out of reach: %w", err)
	}
	return err
}

// keyPause is how often a lost sealing key is looked for: no event tells that it is back.
const keyPause = time.Minute

// readSecret reads the Secret that the spec refers to.
func (p *pass) readSecret(ctx context.Context) (*corev1.Secret, error) {
	name := credentialName(p.conn)
	secret, err := p.Secrets.Read(ctx, client.ObjectKey{Namespace: p.conn.Namespace, Name: name})
	switch {
	case errors.Is(err, optin.ErrNotFound):
		return nil, step.Stallf(v1alpha1.ReasonSecretNotFound,
			"Secret %s does not exist: create it with the label %s=true", name, v1alpha1.CredentialLabel)
	case errors.Is(err, optin.ErrNotLabelled):
		return nil, step.Stallf(v1alpha1.ReasonSecretNotLabelled,
			"Secret %s does not opt in: label it %s=true so that the operator may read it", name, v1alpha1.CredentialLabel)
	}
	return secret, err
}

// rootToken is the API token in the credential Secret.
func (p *pass) rootToken() string {
	return optin.Value(p.credential, p.conn.Spec.Auth.APIToken.SecretRef.Key)
}

// oauth speaks to the authorization server as the client in the credential Secret.
func (p *pass) oauth() *makeapi.OAuth {
	return p.Make.OAuth(p.conn.Spec.Zone, makeapi.OAuthClient{
		ID: p.clientID(), Secret: optin.Value(p.credential, optin.ClientSecretKey),
	})
}

func (p *pass) clientID() string { return optin.Value(p.credential, optin.ClientIDKey) }
