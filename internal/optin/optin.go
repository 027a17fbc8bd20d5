// Package optin reads those Secrets of users that opted in by the label makeops.dev/credential=true, and no others.
package optin

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// Errors of Read.
var (
	ErrNotFound    = errors.New("no such Secret")
	ErrNotLabelled = errors.New("not labelled " + v1alpha1.CredentialLabel + "=true")
)

// Keys of an OAuth client's Secret.
const (
	// ClientIDKey holds the client's ID.
	ClientIDKey = "client-id"
	// ClientSecretKey holds its secret; absent for a public client.
	ClientSecretKey = "client-secret"
)

// Reader reads Secrets. Its zero value is not usable.
type Reader struct {
	// Live reads past every cache.
	Live client.Reader
}

// Read returns the Secret. Whether it opted in is asked without reading its content. Errors: ErrNotFound, ErrNotLabelled, and those
// of the API server.
func (r Reader) Read(ctx context.Context, key client.ObjectKey) (*corev1.Secret, error) {
	about := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
	if err := r.get(ctx, key, about); err != nil {
		return nil, err
	}
	if !optedIn(about) {
		return nil, ErrNotLabelled
	}
	secret := &corev1.Secret{}
	if err := r.get(ctx, key, secret); err != nil {
		return nil, err
	}
	if !optedIn(secret) { // it changed in between
		return nil, ErrNotLabelled
	}
	return secret, nil
}

func (r Reader) get(ctx context.Context, key client.ObjectKey, into client.Object) error {
	err := r.Live.Get(ctx, key, into)
	if apierrors.IsNotFound(err) {
		return ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("read Secret %s: %w", key.Name, err)
	}
	return nil
}

func optedIn(o client.Object) bool { return o.GetLabels()[v1alpha1.CredentialLabel] == "true" }

// Value is one value of a Secret, without the line end that editors and echo leave; empty if there is none.
func Value(secret *corev1.Secret, key string) string {
	return strings.TrimSpace(string(secret.Data[key]))
}
