package consent

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/oauth2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// sessionLife is how long a person has for Make's page. Source: Make's codes live five minutes; twice that for signing in.
const sessionLife = 10 * time.Minute

// errSession means that a state names no session that is open now.
var errSession = errors.New("no open session for this state")

// session is one consent under way. A new start of the same connection replaces it.
type session struct {
	Namespace  string    `json:"namespace"`
	Name       string    `json:"name"`
	UID        types.UID `json:"uid"`
	Generation int64     `json:"generation"`
	Nonce      string    `json:"nonce"`
	Verifier   string    `json:"verifier"`
	Ends       time.Time `json:"ends"`
}

func newSession(conn *v1alpha1.MakeConnection, now time.Time) *session {
	return &session{
		Namespace: conn.Namespace, Name: conn.Name, UID: conn.UID, Generation: conn.Generation,
		Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Ends: now.Add(sessionLife),
	}
}

// state is what Make sends back: it names the session, and only its holder knows the nonce.
func (s *session) state() string { return string(s.UID) + "." + s.Nonce }

// Keys and names of a session's Secret.
const (
	sessionKey    = "sealed"
	sealingKeyKey = "sealing-key"
	sessionLabel  = "makeops.dev/consent"
)

func sessionName(uid types.UID) string { return "make-consent-" + string(uid) }

func sessionAdditional(cluster string, uid types.UID) []byte {
	return fmt.Appendf(nil, "makeops.dev/consent/v1/%s/%s", cluster, uid)
}

// saveSession stores a session, sealed.
func (s *Server) saveSession(ctx context.Context, made *session) error {
	plain, err := json.Marshal(made)
	if err != nil {
		return err
	}
	sealed, keyID, err := s.Grants.Keys.Seal(ctx, plain, sessionAdditional(s.Grants.Cluster, made.UID))
	if err != nil {
		return err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Grants.Namespace, Name: sessionName(made.UID),
			Labels: map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, sessionLabel: string(made.UID)},
		},
		Data: map[string][]byte{sessionKey: sealed, sealingKeyKey: []byte(keyID)},
	}
	err = s.Client.Create(ctx, secret)
	if apierrors.IsAlreadyExists(err) {
		err = s.Client.Update(ctx, secret)
	}
	return err
}

// takeSession returns the session of a state and ends it: of two callbacks with the same state only one gets it. The error is
// errSession, or one of the API server.
func (s *Server) takeSession(ctx context.Context, state string) (*session, error) {
	uid, nonce, ok := strings.Cut(state, ".")
	if !ok || len(validation.IsDNS1123Subdomain(sessionName(types.UID(uid)))) > 0 { // anybody can send anything
		return nil, errSession
	}
	secret := &corev1.Secret{}
	err := s.Client.Get(ctx, client.ObjectKey{Namespace: s.Grants.Namespace, Name: sessionName(types.UID(uid))}, secret)
	if apierrors.IsNotFound(err) {
		return nil, errSession
	}
	if err != nil {
		return nil, err
	}
	plain, err := s.Grants.Keys.Open(ctx, secret.Data[sessionKey], string(secret.Data[sealingKeyKey]),
		sessionAdditional(s.Grants.Cluster, types.UID(uid)))
	if err != nil {
		return nil, errSession
	}
	taken := &session{}
	if err := json.Unmarshal(plain, taken); err != nil {
		return nil, errSession
	}
	if subtle.ConstantTimeCompare([]byte(taken.Nonce), []byte(nonce)) != 1 {
		return nil, errSession
	}
	err = s.Client.Delete(ctx, secret, client.Preconditions{UID: &secret.UID, ResourceVersion: &secret.ResourceVersion})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil, errSession
	}
	if err == nil && s.Clock.Now().After(taken.Ends) {
		return nil, errSession
	}
	return taken, err
}
