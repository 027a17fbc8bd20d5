package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	crwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/policy"
	"github.com/makeops/make-operator/internal/webhook"
)

// path is where the webhook judges connections.
const path = "/validate-makeops-dev-v1alpha1-makeconnection"

// concurrency is how many creates are under way at once.
const concurrency = 200

// anyZone lets connections name any zone.
type anyZone struct{}

func (anyZone) AllowsZone(string) bool { return true }

// BenchmarkWebhook creates connections, 200 at a time, first without the webhook and then with it, beside the same API server. It prints
// the median and the 99th percentile of the creates, and of the webhook's own handling.
func BenchmarkWebhook(b *testing.B) {
	env := &envtest.Environment{
		CRDDirectoryPaths: []string{"../../config/crd/bases"}, ErrorIfCRDPathMissing: true,
		WebhookInstallOptions: envtest.WebhookInstallOptions{ValidatingWebhooks: []*admissionv1.ValidatingWebhookConfiguration{configuration()}},
	}
	config, err := env.Start()
	if err != nil {
		b.Fatal(err)
	}
	defer env.Stop() //nolint:errcheck // the benchmark is over
	config.QPS = -1
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			b.Fatal(err)
		}
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		b.Fatal(err)
	}
	hooks := &admissionv1.ValidatingWebhookConfiguration{}
	if err := c.Get(b.Context(), client.ObjectKey{Name: webhook.ConfigurationName}, hooks); err != nil {
		b.Fatal(err)
	}
	if err := c.Delete(b.Context(), hooks); err != nil {
		b.Fatal(err)
	}
	if err := policies(b.Context(), c); err != nil {
		b.Fatal(err)
	}
	server := serve(b, config, scheme, &env.WebhookInstallOptions)

	b.Run("without", func(b *testing.B) { creates(b, c, "without") })
	hooks.ResourceVersion, hooks.UID = "", ""
	if err := c.Create(b.Context(), hooks); err != nil {
		b.Fatal(err)
	}
	awaitRefusal(b, c)
	server.took.take()
	b.Run("with", func(b *testing.B) {
		creates(b, c, "with")
		report(b, "handler", server.took.take())
	})
	b.Run("handler-alone", server.alone)
}

// configuration has the webhook of connections, as config/webhook has it.
func configuration() *admissionv1.ValidatingWebhookConfiguration {
	return &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: webhook.ConfigurationName},
		Webhooks: []admissionv1.ValidatingWebhook{{
			Name: "makeconnections.makeops.dev", AdmissionReviewVersions: []string{"v1"},
			FailurePolicy: new(admissionv1.Fail), SideEffects: new(admissionv1.SideEffectClassNone), TimeoutSeconds: new(int32(5)),
			ClientConfig: admissionv1.WebhookClientConfig{Service: &admissionv1.ServiceReference{
				Name: "make-operator-webhook", Namespace: "make-operator-system", Path: new(path),
			}},
			Rules: []admissionv1.RuleWithOperations{{
				Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
				Rule:       admissionv1.Rule{APIGroups: []string{"makeops.dev"}, APIVersions: []string{"v1alpha1"}, Resources: []string{"makeconnections"}},
			}},
		}},
	}
}

// policies are some that all govern the namespace, one of them by its labels.
func policies(ctx context.Context, c client.Client) error {
	for i := range 10 {
		p := &v1alpha1.MakeScopePolicy{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("policy-%d", i)}, Spec: v1alpha1.MakeScopePolicySpec{
			MaxRisk: "High", AllowedZones: []v1alpha1.ZonePattern{"*.make.com"},
			NamespaceSelector: v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{"kubernetes.io/metadata.name": "default"}},
			Exceptions: []v1alpha1.PolicyException{{
				Namespace: "default", Scopes: []v1alpha1.Scope{"keys:write"}, Reason: "bench", ExpiresAt: metav1.NewTime(time.Now().Add(time.Hour)),
			}},
		}}
		if err := c.Create(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// durations may be added to from several places at once.
type durations struct {
	mu  sync.Mutex
	all []time.Duration
}

func (d *durations) add(took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, took)
}

func (d *durations) take() []time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	taken := d.all
	d.all = nil
	return taken
}

// timed measures how long handlers take, and keeps the last request of each.
type timed struct {
	crwebhook.Server

	took *durations
	last *sync.Map // of recorded by path
}

// recorded is a request, and who handles it.
type recorded struct {
	hook http.Handler
	body []byte
}

func (s timed) Register(path string, hook http.Handler) {
	s.Server.Register(path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.last.Store(path, recorded{hook, body})
		r.Body = io.NopCloser(bytes.NewReader(body))
		began := time.Now()
		hook.ServeHTTP(w, r)
		s.took.add(time.Since(began))
	}))
}

// alone has the handler of connections handle its last request again and again, with nothing else going on.
func (s timed) alone(b *testing.B) {
	value, ok := s.last.Load(path)
	if !ok {
		b.Fatal("no request was seen")
	}
	last := value.(recorded)
	var took []time.Duration
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, path, bytes.NewReader(last.body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		began := time.Now()
		last.hook.ServeHTTP(w, r)
		took = append(took, time.Since(began))
		if w.Code != http.StatusOK {
			b.Fatalf("status %d: %s", w.Code, w.Body)
		}
	}
	report(b, "handler", took)
}

// serve runs a manager with the webhook, as main does, until the benchmark ends.
func serve(b *testing.B, config *rest.Config, scheme *runtime.Scheme, at *envtest.WebhookInstallOptions) timed {
	b.Helper()
	ctrl.SetLogger(logr.Discard())
	server := timed{took: &durations{}, last: &sync.Map{}, Server: crwebhook.NewServer(crwebhook.Options{
		Host: at.LocalServingHost, Port: at.LocalServingPort, CertDir: at.LocalServingCertDir,
		TLSOpts: []func(*tls.Config){func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }},
	})}
	mgr, err := ctrl.NewManager(config, ctrl.Options{Scheme: scheme, WebhookServer: server, Metrics: metricsserver.Options{BindAddress: "0"}})
	if err != nil {
		b.Fatal(err)
	}
	reader := &policy.Reader{Client: mgr.GetClient(), Clock: clock.RealClock{}}
	if err := webhook.Setup(mgr, anyZone{}, reader, clock.RealClock{}); err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	b.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	address := net.JoinHostPort(at.LocalServingHost, strconv.Itoa(at.LocalServingPort))
	err = wait.PollUntilContextTimeout(b.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil, nil
	})
	if err != nil {
		b.Fatalf("the webhook does not listen: %v", err)
	}
	return server
}

// awaitRefusal waits until the API server asks the webhook.
func awaitRefusal(b *testing.B, c client.Client) {
	b.Helper()
	bad := connection("refused")
	bad.Spec.Scopes = append(bad.Spec.Scopes, "keys:write", "user:write")
	err := wait.PollUntilContextTimeout(b.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		return c.Create(ctx, bad.DeepCopy(), client.DryRunAll) != nil, nil
	})
	if err != nil {
		b.Fatalf("the webhook is not asked: %v", err)
	}
}

func connection(name string) *v1alpha1.MakeConnection {
	conn := &v1alpha1.MakeConnection{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: v1alpha1.MakeConnectionSpec{
			Zone: "eu1.make.com", OrganizationID: 42, Scopes: []v1alpha1.Scope{"scenarios:read", "scenarios:run", "datastores:read", "teams:read"},
			Auth: v1alpha1.Auth{APIToken: &v1alpha1.APITokenAuth{SecretRef: v1alpha1.SecretKeyRef{
				LocalRef: v1alpha1.LocalRef{Name: "make-root"}, Key: "token",
			}}},
		},
	}
	for i := range 8 {
		conn.Spec.Consumers = append(conn.Spec.Consumers, v1alpha1.Consumer{
			ServiceAccountName: fmt.Sprintf("sa-%d", i), Scopes: []v1alpha1.Scope{"scenarios:read", "teams:read"},
		})
	}
	return conn
}

// creates creates b.N connections, and at least two rounds of the concurrency.
func creates(b *testing.B, c client.Client, prefix string) {
	total := max(b.N, 2*concurrency)
	var took durations
	names := make(chan string)
	var workers sync.WaitGroup
	for range concurrency {
		workers.Go(func() {
			for name := range names {
				began := time.Now()
				if err := c.Create(b.Context(), connection(name)); err != nil {
					b.Error(err)
				}
				took.add(time.Since(began))
			}
		})
	}
	b.ResetTimer()
	for i := range total {
		names <- fmt.Sprintf("%s-%d-%d", prefix, b.N, i)
	}
	close(names)
	workers.Wait()
	b.StopTimer()
	report(b, "create", took.take())
}

// report prints the percentiles of some durations.
func report(b *testing.B, what string, took []time.Duration) {
	b.Helper()
	if len(took) == 0 {
		b.Fatalf("no %s was measured", what)
	}
	slices.Sort(took)
	for _, p := range []int{50, 99} {
		at := took[min(len(took)-1, len(took)*p/100)]
		b.ReportMetric(float64(at.Microseconds())/1000, fmt.Sprintf("%s-p%d-ms", what, p))
	}
}
