package optin_test

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/optin"
)

// wary is a live reader that counts what was read of Secrets.
type wary struct {
	client.Client
	// contents counts reads of content; metadata those of metadata only.
	contents, metadata int
	// between runs after each read of metadata.
	between func()
	// broken is what a read of content answers, unless nil.
	broken error
}

func (w *wary) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	if _, about := into.(*metav1.PartialObjectMetadata); about {
		w.metadata++
		defer w.between()
	} else {
		w.contents++
		if w.broken != nil {
			return w.broken
		}
	}
	return w.Client.Get(ctx, key, into, opts...)
}

var key = client.ObjectKey{Namespace: "sales", Name: "make-token"}

func newReader(t *testing.T, labels map[string]string) *wary {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Labels: labels}, Data: map[string][]byte{"token": []byte("t")},
	}
	return &wary{Client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(secret).Build(), between: func() {}}
}

func TestRead(t *testing.T) {
	r := newReader(t, map[string]string{v1alpha1.CredentialLabel: "true"})
	secret, err := optin.Reader{Live: r}.Read(t.Context(), key)
	if err != nil || optin.Value(secret, "token") != "t" {
		t.Errorf("got %v", err)
	}
}

// The content of a Secret that did not opt in is never asked for.
func TestUnlabelledSecretIsNotRead(t *testing.T) {
	for name, labels := range map[string]map[string]string{
		"no label":              nil,
		"another label":         {"makeops.dev/other": "true"},
		"false":                 {v1alpha1.CredentialLabel: "false"},
		"empty":                 {v1alpha1.CredentialLabel: ""},
		"in capitals":           {v1alpha1.CredentialLabel: "True"},
		"what we issue":         {v1alpha1.CredentialLabel: "issued"},
		"what we keep as grant": {v1alpha1.CredentialLabel: "grant"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReader(t, labels)
			if secret, err := (optin.Reader{Live: r}).Read(t.Context(), key); !errors.Is(err, optin.ErrNotLabelled) || secret != nil {
				t.Errorf("got a Secret: %t, error %v", secret != nil, err)
			}
			if r.contents != 0 || r.metadata != 1 {
				t.Errorf("content read %d times, metadata %d times", r.contents, r.metadata)
			}
		})
	}
}

func TestAbsentSecret(t *testing.T) {
	r := newReader(t, nil)
	if _, err := (optin.Reader{Live: r}).Read(t.Context(), client.ObjectKey{Namespace: "sales", Name: "other"}); !errors.Is(err, optin.ErrNotFound) {
		t.Errorf("error %v, want %v", err, optin.ErrNotFound)
	}
}

// A Secret that opts out, or goes, between the question and the reading is not handed out.
func TestChangedInBetween(t *testing.T) {
	for name, test := range map[string]struct {
		change func(t *testing.T, r *wary)
		want   error
	}{
		"opted out": {func(t *testing.T, r *wary) {
			secret := &corev1.Secret{}
			if err := r.Client.Get(t.Context(), key, secret); err != nil {
				t.Fatal(err)
			}
			secret.Labels = nil
			if err := r.Update(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
		}, optin.ErrNotLabelled},
		"deleted": {func(t *testing.T, r *wary) {
			if err := r.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}); err != nil {
				t.Fatal(err)
			}
		}, optin.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReader(t, map[string]string{v1alpha1.CredentialLabel: "true"})
			r.between = func() { test.change(t, r) }
			if secret, err := (optin.Reader{Live: r}).Read(t.Context(), key); !errors.Is(err, test.want) || secret != nil {
				t.Errorf("got a Secret: %t, error %v, want %v", secret != nil, err, test.want)
			}
		})
	}
}

// An API server that fails does not make a Secret absent or opted out.
func TestErrorsPassOn(t *testing.T) {
	r := newReader(t, map[string]string{v1alpha1.CredentialLabel: "true"})
	r.broken = apierrors.NewServiceUnavailable("down")
	_, err := optin.Reader{Live: r}.Read(t.Context(), key)
	if !errors.Is(err, r.broken) || errors.Is(err, optin.ErrNotFound) || errors.Is(err, optin.ErrNotLabelled) {
		t.Errorf("error %v, want %v", err, r.broken)
	}
}

func TestValue(t *testing.T) {
	secret := &corev1.Secret{Data: map[string][]byte{"plain": []byte("t"), "newline": []byte(" t\r\n"), "blank": []byte(" \n")}}
	for key, want := range map[string]string{"plain": "t", "newline": "t", "blank": "", "absent": ""} {
		if got := optin.Value(secret, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}
