package cert_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	certutil "k8s.io/client-go/util/cert"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/makeops/make-operator/internal/webhook/cert"
)

const host = "make-operator-webhook.make-operator-system.svc"

// world is an API server that counts writes, and what keepers share.
type world struct {
	t      *testing.T
	client client.Client
	clock  *clocktesting.FakeClock
	writes int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: clocktesting.NewFakeClock(time.Now())} // client-go's generator uses the real clock
	w.client = fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).
		WithObjects(&admissionv1.ValidatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: "make-operator"}, Webhooks: []admissionv1.ValidatingWebhook{{Name: "a"}, {Name: "b"}},
		}).
		WithInterceptorFuncs(interceptor.Funcs{
			Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
				w.writes++
				return c.Create(ctx, o, opts...)
			},
			Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
				w.writes++
				return c.Update(ctx, o, opts...)
			},
		}).Build()
	return w
}

func (w *world) keeper() *cert.Keeper {
	return &cert.Keeper{
		Client: w.client, Clock: w.clock, Namespace: "make-operator-system", Host: host, Configuration: "make-operator",
	}
}

// ensure ensures, and returns the served certificate's bytes.
func (w *world) ensure(k *cert.Keeper) []byte {
	w.t.Helper()
	if err := k.Ensure(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	pair, err := k.Certificate(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return pair.Certificate[0]
}

// bundles are what the API server trusts, one a webhook.
func (w *world) bundles() [][]byte {
	w.t.Helper()
	c := &admissionv1.ValidatingWebhookConfiguration{}
	if err := w.client.Get(w.t.Context(), client.ObjectKey{Name: "make-operator"}, c); err != nil {
		w.t.Fatal(err)
	}
	return [][]byte{c.Webhooks[0].ClientConfig.CABundle, c.Webhooks[1].ClientConfig.CABundle}
}

func TestFirstStartMakesWhatAllReplicasShare(t *testing.T) {
	w := newWorld(t)
	first := w.keeper()
	if first.Check(nil) == nil {
		t.Error("ready before there is a certificate")
	}
	served := w.ensure(first)
	if !bytes.Equal(served, w.ensure(w.keeper())) {
		t.Error("a second replica serves another certificate")
	}
	for _, bundle := range w.bundles() {
		certificates, err := certutil.ParseCertsPEM(bundle)
		if err != nil || certificates[0].VerifyHostname(host) != nil || !bytes.Equal(certificates[0].Raw, served) {
			t.Errorf("the bundle does not trust what is served: %v", err)
		}
	}
}

func TestSecondPassWritesNothing(t *testing.T) {
	w := newWorld(t)
	k := w.keeper()
	w.ensure(k)
	w.writes = 0
	w.ensure(k)
	if w.writes != 0 {
		t.Errorf("%d writes", w.writes)
	}
}

func TestRenewalTrustsBothUntilTheOldOneExpires(t *testing.T) {
	w := newWorld(t)
	k := w.keeper()
	old := w.ensure(k)
	w.clock.Step(340 * 24 * time.Hour)
	renewed := w.ensure(k)
	if bytes.Equal(old, renewed) {
		t.Fatal("not renewed 25 days before its end")
	}
	certificates, err := certutil.ParseCertsPEM(w.bundles()[0])
	if err != nil {
		t.Fatal(err)
	}
	trusted := map[string]bool{}
	for _, c := range certificates {
		trusted[string(c.Raw)] = true
	}
	if !trusted[string(old)] || !trusted[string(renewed)] {
		t.Error("the bundle does not trust both")
	}
}

func TestAnotherHostGetsAnotherCertificate(t *testing.T) {
	w := newWorld(t)
	old := w.ensure(w.keeper())
	moved := w.keeper()
	moved.Host = "127.0.0.1"
	if bytes.Equal(old, w.ensure(moved)) {
		t.Error("serves a certificate for another host")
	}
}

func TestBrokenSecretIsReplaced(t *testing.T) {
	w := newWorld(t)
	broken := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "make-operator-system", Name: cert.SecretName}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: []byte("x"), corev1.TLSPrivateKeyKey: []byte("y")},
	}
	if err := w.client.Create(t.Context(), broken); err != nil {
		t.Fatal(err)
	}
	w.ensure(w.keeper())
}
