package grant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// ErrConflict means that somebody else wrote the grant after it was read: read it again.
var ErrConflict = errors.New("grant was written by somebody else")

// Labels and annotations of a grant's Secret.
const (
	// Label marks a grant's Secret; its value is the connection's UID.
	Label = "makeops.dev/grant"
	// connectionAnnotation names the connection for people: NAMESPACE/NAME.
	connectionAnnotation = "makeops.dev/connection"
	writeAnnotation      = "makeops.dev/write"
	keyAnnotation        = "makeops.dev/sealing-key"
	consentsAnnotation   = "makeops.dev/consents"
	sealedKey            = "sealed"
	// watched is the value of the credential label: the operator's cache shows only Secrets that have that label.
	watched = "grant"
)

// Store reads and writes grants. Its zero value is not usable.
type Store struct {
	// Client must not read from a cache: a stale grant is a replayed token.
	Client client.Client
	// Namespace is the operator's own.
	Namespace string
	// Cluster is the UID of the namespace kube-system, which identifies a cluster.
	Cluster string
	Keys    Sealer
}

// NewStore reads what identifies the cluster; the keys are those of the Secret KeySecretName, which is read at the first use. The
// client must not read from a cache.
func NewStore(ctx context.Context, c client.Client, namespace string) (*Store, error) {
	system := &corev1.Namespace{}
	if err := c.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, system); err != nil {
		return nil, fmt.Errorf("identify cluster: %w", err)
	}
	return &Store{
		Client: c, Namespace: namespace, Cluster: string(system.UID), Keys: &SecretKeys{Client: c, Namespace: namespace},
	}, nil
}

// Record is a grant as it was read: the grant and what a compare-and-swap needs.
type Record struct {
	Grant

	write           int64
	resourceVersion string
}

// Stored reports whether there is such a grant in the store.
func (r *Record) Stored() bool { return r.resourceVersion != "" }

// Read returns the stored grant, or an empty record if there is none. Errors: ErrSealed, ErrUnavailable, and those of the API
// server.
func (s *Store) Read(ctx context.Context, id Identity) (*Record, error) {
	secret := &corev1.Secret{}
	err := s.Client.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: SecretName(id)}, secret)
	if apierrors.IsNotFound(err) {
		return &Record{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read grant: %w", err)
	}
	write, err := strconv.ParseInt(secret.Annotations[writeAnnotation], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("read grant: %w: annotation %s is not a number", ErrSealed, writeAnnotation)
	}
	plain, err := s.Keys.Open(ctx, secret.Data[sealedKey], secret.Annotations[keyAnnotation], s.additional(id, write))
	if err != nil {
		return nil, fmt.Errorf("read grant: %w", err)
	}
	r := &Record{write: write, resourceVersion: secret.ResourceVersion}
	if err := json.Unmarshal(plain, &r.Grant); err != nil {
		return nil, fmt.Errorf("read grant: %w: content is not a grant", ErrSealed)
	}
	return r, nil
}

// Write stores the record if nobody wrote the grant since it was read, and brings the record up to date for the next write.
// Errors: ErrConflict, ErrSealed and ErrUnavailable (nothing was written), and those of the API server, after which it is not known whether the write took place.
func (s *Store) Write(ctx context.Context, id Identity, r *Record) error {
	plain, err := json.Marshal(r.Grant)
	if err != nil {
		return fmt.Errorf("write grant: %w", err)
	}
	next := r.write + 1
	sealed, keyID, err := s.Keys.Seal(ctx, plain, s.additional(id, next))
	if err != nil {
		return fmt.Errorf("write grant: %w", err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Namespace, Name: SecretName(id), ResourceVersion: r.resourceVersion,
			Labels: map[string]string{
				v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.CredentialLabel: watched, Label: string(id.UID),
			},
			Annotations: map[string]string{
				connectionAnnotation: id.Namespace + "/" + id.Name,
				writeAnnotation:      strconv.FormatInt(next, 10),
				keyAnnotation:        keyID,
				consentsAnnotation:   strconv.FormatInt(r.Consents, 10),
			},
		},
		Data: map[string][]byte{sealedKey: sealed},
	}
	if r.resourceVersion == "" {
		err = s.Client.Create(ctx, secret)
	} else {
		err = s.Client.Update(ctx, secret)
	}
	switch {
	case apierrors.IsAlreadyExists(err), apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return ErrConflict
	case err != nil:
		return fmt.Errorf("write grant: %w", err)
	}
	r.write, r.resourceVersion = next, secret.ResourceVersion
	return nil
}

// Delete removes the grant; none is fine.
func (s *Store) Delete(ctx context.Context, id Identity) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: SecretName(id)}}
	if err := client.IgnoreNotFound(s.Client.Delete(ctx, secret)); err != nil {
		return fmt.Errorf("delete grant: %w", err)
	}
	return nil
}

// SecretName is the name of the Secret that holds a connection's grant.
func SecretName(id Identity) string { return "make-grant-" + string(id.UID) }

// ConnectionOf returns the connection whose grant a Secret holds, or false if it is not a grant's Secret.
func ConnectionOf(secret client.Object) (client.ObjectKey, bool) {
	if secret.GetLabels()[Label] == "" {
		return client.ObjectKey{}, false
	}
	namespace, name, ok := strings.Cut(secret.GetAnnotations()[connectionAnnotation], "/")
	return client.ObjectKey{Namespace: namespace, Name: name}, ok
}

// Consented reports whether a grant's Secret changed by a new consent. The operator's own writes are no news to it: were they, a
// failing refresh would wake itself for ever.
func Consented(before, after client.Object) bool {
	return before.GetUID() != after.GetUID() ||
		before.GetAnnotations()[consentsAnnotation] != after.GetAnnotations()[consentsAnnotation]
}

// additional is what the seal binds a grant to. Its parts cannot run into each other: none of them holds a slash.
func (s *Store) additional(id Identity, write int64) []byte {
	return fmt.Appendf(nil, "makeops.dev/grant/v1/%s/%s/%s/%s/%d", s.Cluster, id.Namespace, id.Name, id.UID, write)
}
