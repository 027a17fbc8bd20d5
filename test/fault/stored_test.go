package fault

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makesim"
)

// grants opens what the operator sealed.
func (w *world) grants(ctx context.Context) (*grant.Store, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.store != nil {
		return w.store, nil
	}
	store, err := grant.NewStore(ctx, cluster.Client, w.operator)
	w.store = store
	return store, err
}

// readGrant is what the operator stores for a connection.
func (w *world) readGrant(ctx context.Context, name string, uid types.UID) (*grant.Record, error) {
	store, err := w.grants(ctx)
	if err != nil {
		return nil, err
	}
	return store.Read(ctx, grant.Identity{Namespace: w.user, Name: name, UID: uid})
}

// noteStored remembers what a grant holds, from the API server's answer to whoever wrote it.
func (w *world) noteStored(ctx context.Context, answer []byte) {
	at := time.Now()
	object, _, err := decoder.Decode(answer, nil, nil)
	if err != nil {
		w.problem("read the answer to a write: %v", err)
		return
	}
	secret, ok := object.(*corev1.Secret)
	if !ok {
		return
	}
	key, ok := grant.ConnectionOf(secret)
	if !ok {
		return // keys, or a consent under way
	}
	store, err := w.grants(ctx)
	if err != nil {
		w.problem("open grants: %v", err)
		return
	}
	uid, opened := types.UID(secret.Labels[grant.Label]), *store
	opened.Client = held{store.Client, secret}
	rec, err := opened.Read(ctx, grant.Identity{Namespace: key.Namespace, Name: key.Name, UID: uid})
	if err != nil {
		w.problem("open a stored grant: %v", err)
		return
	}
	if rec.OAuth == nil {
		return
	}
	now := stored{
		uid: uid, at: at, generation: rec.OAuth.Generation, token: makesim.Fingerprint(rec.OAuth.RefreshToken), dead: rec.OAuth.Dead,
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, before := range slices.Backward(w.stored) {
		if before.uid != uid {
			continue
		}
		if before.at = now.at; before == now {
			return
		}
		break
	}
	w.stored = append(w.stored, now)
}

// decoder reads what the API server answers, in each encoding that a client may ask for.
var decoder = serializer.NewCodecFactory(clientgoscheme.Scheme).UniversalDeserializer()

// held is a client that knows one Secret.
type held struct {
	client.Client

	secret *corev1.Secret
}

func (h held) Get(_ context.Context, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	h.secret.DeepCopyInto(into.(*corev1.Secret))
	return nil
}

// history is what was stored since a moment, with what was stored at that moment.
func (w *world) history() []stored {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]stored(nil), w.stored...)
}

// consumerSecrets are those that the operator published.
func (w *world) consumerSecrets(ctx context.Context) ([]corev1.Secret, error) {
	var list corev1.SecretList
	err := cluster.Client.List(ctx, &list, client.InNamespace(w.user), client.HasLabels{connectionLabel})
	return list.Items, err
}

// checkUnpublished notes it if an API token is about to die that a consumer's Secret still holds.
func (w *world) checkUnpublished(stamp string) {
	value := w.make.mintedValue(stamp)
	if value == "" || w.ending.Load() {
		return
	}
	secrets, err := w.consumerSecrets(context.Background())
	if err != nil {
		w.problem("list consumers' Secrets: %v", err)
	}
	for _, s := range secrets {
		if string(s.Data["token"]) == value && metav1.GetControllerOf(&s) != nil {
			w.problem("the token in Secret %s was deleted at Make while it was published", s.Name)
		}
	}
}
