package consent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/makeops/make-operator/internal/metrics"
)

const (
	// SweepEvery is how often Sweep is to be called. It is shorter than an access token lives, so that a consent that a restart
	// interrupted can still be finished.
	SweepEvery = time.Minute
	// revocationLife is for how long tokens that nobody wants are tried to be revoked after their session's end.
	revocationLife = 24 * time.Hour
)

// Sweep finishes the consents whose process has stopped, revokes what is left to revoke, and deletes sessions that are over. One
// connection's trouble does not keep it from the others. With no consent under way it reads one list and writes nothing.
func (s *Server) Sweep(ctx context.Context) error {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	err := s.Client.List(ctx, list, client.InNamespace(s.Grants.Namespace), client.HasLabels{sessionLabel})
	if err != nil {
		return fmt.Errorf("list consent sessions: %w", err)
	}
	for i := range list.Items {
		about := &list.Items[i]
		uid := types.UID(about.Labels[sessionLabel])
		if about.Name != sessionName(uid) {
			continue
		}
		if err := s.sweep(ctx, uid, about); err != nil {
			logf.FromContext(ctx).Error(err, "sweep consent sessions", "secret", about.Name)
		}
	}
	return nil
}

// sweep looks after the sessions of one connection, and deletes them when all are over.
func (s *Server) sweep(ctx context.Context, uid types.UID, about *metav1.PartialObjectMetadata) error {
	all, _, err := s.readSessions(ctx, uid)
	if err != nil {
		return err
	}
	var failed error
	for _, one := range all {
		if err := s.sweepOne(ctx, one); err != nil && !errors.Is(err, errSession) {
			failed = errors.Join(failed, err)
		}
	}
	all, version, err := s.readSessions(ctx, uid)
	if err != nil || slices.ContainsFunc(all, func(one *session) bool { return !s.over(one) }) || len(all) == 0 && !s.ended(about) {
		return errors.Join(failed, err)
	}
	for _, one := range all {
		if one.Answer != nil {
			metrics.RevocationAbandoned()
		}
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.Grants.Namespace, Name: about.Name}}
	err = s.Client.Delete(ctx, secret, client.Preconditions{UID: &about.UID, ResourceVersion: &version})
	if overtaken(err) { // somebody begins anew
		err = nil
	}
	return errors.Join(failed, err)
}

// sweepOne does what the holder of a session left undone.
func (s *Server) sweepOne(ctx context.Context, one *session) error {
	switch {
	case one.Outcome == "" && !one.Taken.IsZero() && s.past(one.Taken.Add(lease)):
		return s.resume(ctx, one)
	case one.Outcome != "" && one.Answer != nil:
		return s.revokeAnswer(ctx, one)
	default:
		return nil
	}
}

// over reports whether nobody needs a session any more.
func (s *Server) over(one *session) bool {
	settled := one.Answer == nil && (one.Outcome != "" || one.Taken.IsZero())
	return s.past(one.Ends) && settled || s.past(one.Ends.Add(revocationLife))
}

// ended reports whether sessions that do not open are past their end.
func (s *Server) ended(about *metav1.PartialObjectMetadata) bool {
	ends, err := time.Parse(time.RFC3339, about.Annotations[endsAnnotation])
	return err != nil || s.past(ends)
}
