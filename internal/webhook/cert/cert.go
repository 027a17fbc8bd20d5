// Package cert gives the admission webhook its serving certificate: made by the manager itself, kept in a Secret that all replicas
// share, renewed before it expires, and written as the trusted bundle into the webhook's configuration.
//
// The certificate is served from memory, so no Secret has to be mounted and no pod waits for a kubelet. While a new one is being
// taken up by other replicas the bundle trusts both.
package cert

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingwebhookconfigurations,resourceNames=make-operator,verbs=get;update

// SecretName is the Secret in the operator's namespace that holds the certificate and its key.
const SecretName = "make-operator-webhook-cert"

const (
	// renewBefore is how long before its end a certificate is replaced; client-go's certificates live a year.
	renewBefore = 30 * 24 * time.Hour
	// checkEvery is how soon another replica's new certificate is taken up.
	checkEvery = 10 * time.Minute
)

// Keeper keeps the certificate. It is a manager's Runnable on every replica. Its zero value is not usable.
type Keeper struct {
	// Client must not read from a cache.
	Client client.Client
	Clock  clock.WithTicker
	// Namespace is the operator's.
	Namespace string
	// Host is the DNS name or IP address by which the API server calls the webhook.
	Host string
	// Configuration is the ValidatingWebhookConfiguration that is to trust the certificate.
	Configuration string

	current atomic.Pointer[tls.Certificate]
}

// NeedLeaderElection is false: every replica serves.
func (k *Keeper) NeedLeaderElection() bool { return false }

// Start keeps the certificate until ctx ends.
func (k *Keeper) Start(ctx context.Context) error {
	ticker := k.Clock.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
			if err := k.Ensure(ctx); err != nil {
				logf.FromContext(ctx).Error(err, "keep webhook certificate")
			}
		}
	}
}

// Certificate is for tls.Config.GetCertificate.
func (k *Keeper) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := k.current.Load(); c != nil {
		return c, nil
	}
	return nil, errors.New("webhook certificate is not loaded yet")
}

// Check is a readiness check.
func (k *Keeper) Check(*http.Request) error {
	_, err := k.Certificate(nil)
	return err
}

// Ensure loads the certificate, renews it where needed, and makes the API server trust it.
func (k *Keeper) Ensure(ctx context.Context) error {
	secret, err := k.ensureSecret(ctx)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return fmt.Errorf("load webhook certificate: Secret %s: %w", SecretName, err)
	}
	if err := k.trust(ctx, secret.Data[corev1.TLSCertKey]); err != nil {
		return err
	}
	k.current.Store(&pair)
	return nil
}

// ensureSecret returns the Secret with a certificate that is good for a while.
func (k *Keeper) ensureSecret(ctx context.Context) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: k.Namespace, Name: SecretName}
	err := retry.OnError(retry.DefaultRetry, raced, func() error {
		err := k.Client.Get(ctx, key, secret)
		missing := apierrors.IsNotFound(err)
		if err != nil && !missing {
			return err
		}
		if !missing && k.good(secret.Data[corev1.TLSCertKey]) {
			return nil
		}
		certificate, private, err := certutil.GenerateSelfSignedCertKey(k.Host, nil, nil)
		if err != nil {
			return err
		}
		secret.Namespace, secret.Name, secret.Type = key.Namespace, key.Name, corev1.SecretTypeTLS
		secret.Labels = map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy}
		secret.Data = map[string][]byte{corev1.TLSCertKey: certificate, corev1.TLSPrivateKeyKey: private}
		if missing {
			secret.ObjectMeta = metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Labels: secret.Labels}
			return k.Client.Create(ctx, secret)
		}
		return k.Client.Update(ctx, secret)
	})
	if err != nil {
		return nil, fmt.Errorf("keep webhook certificate: %w", err)
	}
	return secret, nil
}

// raced reports whether another replica wrote at the same moment.
func raced(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }

// good reports whether a PEM chain is for Host and lives on for a while.
func (k *Keeper) good(chain []byte) bool {
	certificates, err := certutil.ParseCertsPEM(chain)
	if err != nil {
		return false
	}
	return certificates[0].VerifyHostname(k.Host) == nil && k.Clock.Now().Add(renewBefore).Before(certificates[0].NotAfter)
}

// trust puts the chain into the webhook configuration's bundle, beside those there that are still valid.
func (k *Keeper) trust(ctx context.Context, chain []byte) error {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		configuration := &admissionv1.ValidatingWebhookConfiguration{}
		if err := k.Client.Get(ctx, client.ObjectKey{Name: k.Configuration}, configuration); err != nil {
			return err
		}
		changed := false
		for i := range configuration.Webhooks {
			c := &configuration.Webhooks[i].ClientConfig
			if !bytes.Contains(c.CABundle, chain) {
				c.CABundle = append(k.stillValid(c.CABundle), chain...)
				changed = true
			}
		}
		if !changed {
			return nil
		}
		return k.Client.Update(ctx, configuration)
	})
	if err != nil {
		return fmt.Errorf("trust webhook certificate in ValidatingWebhookConfiguration %s: %w", k.Configuration, err)
	}
	return nil
}

// stillValid drops what has expired from a bundle.
func (k *Keeper) stillValid(bundle []byte) []byte {
	certificates, err := certutil.ParseCertsPEM(bundle)
	if err != nil {
		return nil
	}
	var kept []*x509.Certificate
	for _, c := range certificates {
		if k.Clock.Now().Before(c.NotAfter) {
			kept = append(kept, c)
		}
	}
	pem, err := certutil.EncodeCertificates(kept...)
	if err != nil {
		return nil
	}
	return pem
}
