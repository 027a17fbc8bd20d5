package consent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
)

// errSession means that there is no such session now, or that somebody else has it.
var errSession = errors.New("no such session")

// Names and keys of the Secret that holds a connection's sessions.
const (
	sessionKey     = "sealed"
	sealingKeyKey  = "sealing-key"
	sessionLabel   = "makeops.dev/consent"
	endsAnnotation = "makeops.dev/ends"
)

// writeAttempts is how often a write is tried anew because somebody else wrote in between.
const writeAttempts = 5

func sessionName(uid types.UID) string { return "make-consent-" + string(uid) }

func (s *Server) additional(uid types.UID) []byte {
	return fmt.Appendf(nil, "makeops.dev/consent/v2/%s/%s", s.Grants.Cluster, uid)
}

// readSessions returns the sessions of a connection and the version to write over. One that does not open reads as none: its key is
// lost, or it was moved.
func (s *Server) readSessions(ctx context.Context, uid types.UID) (sessions, string, error) {
	secret := &corev1.Secret{}
	err := s.Client.Get(ctx, client.ObjectKey{Namespace: s.Grants.Namespace, Name: sessionName(uid)}, secret)
	if apierrors.IsNotFound(err) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read consent sessions: %w", err)
	}
	var all sessions
	plain, err := s.Grants.Keys.Open(ctx, secret.Data[sessionKey], string(secret.Data[sealingKeyKey]), s.additional(uid))
	if errors.Is(err, grant.ErrUnavailable) {
		return nil, "", fmt.Errorf("read consent sessions: %w", err)
	}
	if err != nil || json.Unmarshal(plain, &all) != nil {
		return nil, secret.ResourceVersion, nil //nolint:nilerr // see above
	}
	return all, secret.ResourceVersion, nil
}

// writeSessions stores the sessions of a connection over a version; "" means that there is no Secret yet. A version that was
// overtaken is a conflict.
func (s *Server) writeSessions(ctx context.Context, uid types.UID, all sessions, version string) error {
	plain, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("write consent sessions: %w", err)
	}
	sealed, keyID, err := s.Grants.Keys.Seal(ctx, plain, s.additional(uid))
	if err != nil {
		return fmt.Errorf("write consent sessions: %w", err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Grants.Namespace, Name: sessionName(uid), ResourceVersion: version,
			Labels:      map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, sessionLabel: string(uid)},
			Annotations: map[string]string{endsAnnotation: all.ends().UTC().Format(time.RFC3339)},
		},
		Data: map[string][]byte{sessionKey: sealed, sealingKeyKey: []byte(keyID)},
	}
	if version == "" {
		err = s.Client.Create(ctx, secret)
	} else {
		err = s.Client.Update(ctx, secret)
	}
	if err != nil {
		return fmt.Errorf("write consent sessions: %w", err)
	}
	return nil
}

func overtaken(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err)
}

// addSession stores a new session beside those that the connection has.
func (s *Server) addSession(ctx context.Context, made *session) error {
	for range writeAttempts {
		all, version, err := s.readSessions(ctx, made.UID)
		if err != nil {
			return err
		}
		if err = s.writeSessions(ctx, made.UID, all.with(made, s.Clock.Now()), version); !overtaken(err) {
			return err
		}
	}
	return errors.New("write consent sessions: others always won")
}

// change changes a stored session if it still is at the stage of mine, that is taken at the same time and without an outcome, and
// brings mine up to date. The error is errSession where it is not: somebody else has it.
func (s *Server) change(ctx context.Context, mine *session, change func(*session)) error {
	for range writeAttempts {
		all, version, err := s.readSessions(ctx, mine.UID)
		if err != nil {
			return err
		}
		stored := all.byNonce(mine.Nonce)
		if stored == nil || !stored.Taken.Equal(mine.Taken) || stored.Outcome != mine.Outcome {
			return errSession
		}
		change(stored)
		if err = s.writeSessions(ctx, mine.UID, all, version); overtaken(err) {
			continue
		}
		if err == nil {
			*mine = *stored
		}
		return err
	}
	return errors.New("write consent sessions: others always won")
}
