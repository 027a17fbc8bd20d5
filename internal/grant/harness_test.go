package grant_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/makeops/make-operator/internal/grant"
)

const (
	namespace = "make-operator-system"
	cluster   = "0d5f3f8e-7f0e-4a8b-9c39-5d6f1f8f7a01"
)

var id = grant.Identity{Namespace: "sales", Name: "crm", UID: "5f0c1a52-1111-4b8a-9f36-2e8b1c4d6a01"}

// newClient is an API server that compares resource versions, as the real one does.
func newClient(t *testing.T, funcs interceptor.Funcs, objects ...client.Object) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(funcs).Build()
}

func newStore(t *testing.T, c client.Client) *grant.Store {
	t.Helper()
	return &grant.Store{Client: c, Namespace: namespace, Cluster: cluster, Keys: grant.Keyring{"key-0001": grant.NewKey()}}
}

// sample is a grant in which every field is set.
func sample() grant.Grant {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return grant.Grant{
		Root:      &grant.Root{Value: "root-secret", Scopes: []string{"user:write"}, AccountID: 1, AccountName: "Ada", OrganizationID: 42},
		Bootstrap: "bootstrap-secret", Former: []grant.FormerRoot{{Value: "former-secret", Created: "2026-01-01T12:00:00.000Z"}},
		Tokens: map[string]grant.Token{"sa:agent": {
			Value: "minted-secret", Created: "2026-03-01T12:00:00.000Z", Asked: []string{"a:read"}, Scopes: []string{"a:read"}, Minted: at, Sequence: 3,
		}},
		Retired: []grant.Retired{{Consumer: "sa:agent", Created: "2026-02-01T12:00:00.000Z", NotBefore: at}},
		OAuth: &grant.OAuth{
			Generation: 7, AccessToken: "access-secret", RefreshToken: "refresh-secret", Issued: at, Expiry: at.Add(time.Hour),
			Scopes: []string{"a:read"}, ClientID: "client", ClientSecret: "client-secret", AccountID: 1, AccountName: "Ada", Unparsed: []byte("unparsed-secret"),
			Intent: &grant.Intent{Attempt: "attempt", Presentations: 2, Holder: grant.Holder{Process: "p"}, Budget: time.Minute},
		},
		RotationGeneration: 4,
	}
}

// settled is a sample without a refresh that is under way.
func settled() grant.Grant {
	g := sample()
	g.OAuth.Intent = nil
	return g
}

// write stores a grant for id and returns its record.
func write(t *testing.T, s *grant.Store, id grant.Identity, g grant.Grant) *grant.Record {
	t.Helper()
	rec := read(t, s, id)
	rec.Grant = g
	if err := s.Write(t.Context(), id, rec); err != nil {
		t.Fatal(err)
	}
	return rec
}

func read(t *testing.T, s *grant.Store, id grant.Identity) *grant.Record {
	t.Helper()
	rec, err := s.Read(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// secretOf is a grant's Secret as it is stored.
func secretOf(t *testing.T, s *grant.Store, id grant.Identity) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{}
	if err := s.Client.Get(t.Context(), client.ObjectKey{Namespace: s.Namespace, Name: grant.SecretName(id)}, secret); err != nil {
		t.Fatal(err)
	}
	return secret
}
