package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/google/uuid"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/controllers/connection"
	"github.com/makeops/make-operator/controllers/mcpserver"
	"github.com/makeops/make-operator/controllers/scopepolicy"
	"github.com/makeops/make-operator/internal/child"
	"github.com/makeops/make-operator/internal/config"
	"github.com/makeops/make-operator/internal/consent"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/mcp"
	"github.com/makeops/make-operator/internal/mcp/probe"
	"github.com/makeops/make-operator/internal/metrics"
	"github.com/makeops/make-operator/internal/optin"
	"github.com/makeops/make-operator/internal/policy"
	"github.com/makeops/make-operator/internal/rotation"
	"github.com/makeops/make-operator/internal/step"
	"github.com/makeops/make-operator/internal/transit"
	"github.com/makeops/make-operator/internal/webhook"
	"github.com/makeops/make-operator/internal/webhook/cert"
)

// parts are what the manager is made of, and what exists before it.
type parts struct {
	cfg         *config.Config
	scheme      *runtime.Scheme
	live        client.Client // reads past every cache
	clock       clock.WithTicker
	make        *makeapi.Client
	makeCA      []byte
	grants      *grant.Store
	certificate *cert.Keeper
}

func newParts(ctx context.Context, cfg *config.Config, restConfig *rest.Config) (*parts, error) {
	p := &parts{cfg: cfg, scheme: runtime.NewScheme(), clock: clock.RealClock{}}
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(p.scheme); err != nil {
			return nil, err
		}
	}
	pool, pem, err := cfg.MakeCA()
	if err != nil {
		return nil, err
	}
	p.makeCA = pem
	p.make, err = makeapi.New(makeapi.Config{
		ExtraZones: cfg.AllowedZones, RootCAs: pool, UserAgent: "make-operator/" + version, Clock: p.clock,
	})
	if err != nil {
		return nil, err
	}
	if p.live, err = client.New(restConfig, client.Options{Scheme: p.scheme}); err != nil {
		return nil, err
	}
	if p.grants, err = grant.NewStore(ctx, p.live, cfg.Namespace); err != nil {
		return nil, err
	}
	if p.grants.Keys, err = p.sealer(); err != nil {
		return nil, err
	}
	p.certificate = &cert.Keeper{
		Client: p.live, Clock: p.clock, Namespace: cfg.Namespace, Host: cfg.WebhookName(), Configuration: webhook.ConfigurationName,
	}
	return p, nil
}

// setup registers controllers, webhook and pages with the manager.
func (p *parts) setup(ctx context.Context, mgr manager.Manager) error {
	steps := &step.Runner{
		Client: mgr.GetClient(), Events: mgr.GetEventRecorder("make-operator"), Clock: p.clock, Grace: step.DefaultGrace,
	}
	children := &child.Keeper{Client: mgr.GetClient(), Live: p.live}
	connections := &connection.Reconciler{
		Client: mgr.GetClient(), Secrets: optin.Reader{Live: p.live}, Cache: mgr.GetCache(), Steps: steps, Children: children,
		Grants: p.grants, Make: p.make, Policies: p.policies(mgr), Clock: p.clock, ConsentURL: p.cfg.ConsentURL, Workers: p.cfg.Workers,
		Refresher: &rotation.Refresher{
			Grants: p.grants, Liveness: grant.Pods{Live: p.live, Namespace: p.cfg.Namespace}, Holder: holder(), Clock: p.clock,
		},
	}
	if err := connections.SetupWithManager(ctx, mgr); err != nil {
		return err
	}
	if err := mgr.Add(&grant.Sweeper{
		Store: p.grants, Cache: mgr.GetCache(), Clock: p.clock, Elected: mgr.Elected(), Report: metrics.SealedByOlderKeys,
	}); err != nil {
		return err
	}
	if err := p.setupServers(mgr, steps, children); err != nil {
		return err
	}
	policies := &scopepolicy.Reconciler{Client: mgr.GetClient(), Policies: p.policies(mgr), Steps: steps, Clock: p.clock}
	if err := policies.SetupWithManager(mgr); err != nil {
		return err
	}
	if err := p.setupWebhook(ctx, mgr); err != nil {
		return err
	}
	return p.setupConsent(mgr)
}

// sealer seals by what the configuration says, and opens what the other one sealed.
func (p *parts) sealer() (grant.Sealer, error) {
	keys := &grant.SecretKeys{Client: p.live, Namespace: p.cfg.Namespace, OpenOnly: p.cfg.SealWith == config.SealWithVault}
	if p.cfg.Vault.Address == "" {
		return keys, nil
	}
	vault, err := transit.New(p.cfg.Vault, p.clock)
	if err != nil {
		return nil, err
	}
	envelope := &grant.Envelope{KMS: vault, Cluster: p.grants.Cluster}
	if keys.OpenOnly {
		return grant.Chain{envelope, keys}, nil
	}
	return grant.Chain{keys, envelope}, nil
}

func (p *parts) setupServers(mgr manager.Manager, steps *step.Runner, children *child.Keeper) error {
	discovery, err := kubernetes.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return err
	}
	issuers, err := p.issuers()
	if err != nil {
		return err
	}
	servers := &mcpserver.Reconciler{
		Client: mgr.GetClient(), Metadata: p.live, Steps: steps, Children: children, Policies: p.policies(mgr),
		Keys: &mcpserver.ClusterKeys{REST: discovery.RESTClient(), Clock: p.clock}, Prober: probe.Client{Version: version},
		Clock: p.clock, Identity: types.NamespacedName{Namespace: p.cfg.Namespace, Name: p.cfg.ServiceAccount},
		Image: p.cfg.MCPImage, MakeCA: p.makeCA, AllowedZones: p.cfg.AllowedZones, Issuers: issuers, Workers: p.cfg.Workers,
	}
	return servers.SetupWithManager(mgr)
}

// issuers are the token issuers that rules of MCP servers may name.
func (p *parts) issuers() (map[string]mcpserver.Issuer, error) {
	all := map[string]mcpserver.Issuer{}
	for _, is := range p.cfg.OIDCIssuers {
		issuer := mcpserver.Issuer{Config: mcp.Issuer{
			Issuer: is.Issuer, JWKSURL: is.JWKSURL, ScopeClaim: is.ScopeClaim, Audiences: is.Audiences,
		}}
		if is.CAFile != "" {
			var err error
			if issuer.CA, err = os.ReadFile(is.CAFile); err != nil {
				return nil, fmt.Errorf("read CA of --oidc-issuer %s: %w", is.Name, err)
			}
		}
		all[is.Name] = issuer
	}
	return all, nil
}

func (p *parts) setupWebhook(ctx context.Context, mgr manager.Manager) error {
	if p.cfg.WebhookPort == 0 {
		return nil
	}
	if err := p.certificate.Ensure(ctx); err != nil {
		return err
	}
	if err := mgr.Add(p.certificate); err != nil {
		return err
	}
	if err := mgr.AddReadyzCheck("webhook", mgr.GetWebhookServer().StartedChecker()); err != nil {
		return err
	}
	return webhook.Setup(mgr, p.make, p.policies(mgr), p.clock)
}

// policies reads what governs a namespace from the manager's cache.
func (p *parts) policies(mgr manager.Manager) *policy.Reader {
	return &policy.Reader{Client: mgr.GetClient(), Clock: p.clock}
}

func (p *parts) setupConsent(mgr manager.Manager) error {
	if p.cfg.ConsentAddress == "0" {
		return nil
	}
	pages := &consent.Server{
		Client: p.live, Secrets: optin.Reader{Live: p.live}, Grants: p.grants, Make: p.make, Clock: p.clock, PublicURL: p.cfg.ConsentURL,
	}
	if err := mgr.Add(manager.RunnableFunc(func(ctx context.Context) error { return p.sweepConsents(ctx, pages) })); err != nil {
		return err
	}
	return mgr.Add(&manager.Server{Name: "consent", Server: &http.Server{
		Addr: p.cfg.ConsentAddress, Handler: pages.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: time.Minute,
	}})
}

// sweepConsents looks after interrupted consents until the context ends; one replica does.
func (p *parts) sweepConsents(ctx context.Context, pages *consent.Server) error {
	ticker := p.clock.NewTicker(consent.SweepEvery)
	defer ticker.Stop()
	for {
		if err := pages.Sweep(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "sweep consents")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}

// holder is this process, as others see it in an announced refresh.
func holder() grant.Holder {
	return grant.Holder{PodName: os.Getenv("POD_NAME"), PodUID: os.Getenv("POD_UID"), Process: uuid.NewString()}
}

// liveReads are kinds that the manager's client never reads from a cache: a Secret's value is held by nobody longer than needed.
func liveReads() []client.Object { return []client.Object{&corev1.Secret{}} }

// cacheOptions let the caches hold our own objects only, and of Secrets those that take part, without their values.
func cacheOptions() cache.Options {
	ours := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy})}
	takesPart, err := labels.NewRequirement(v1alpha1.CredentialLabel, selection.Exists, nil)
	if err != nil {
		panic(err) // a constant
	}
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Secret{}:              {Label: labels.NewSelector().Add(*takesPart)},
			&corev1.ConfigMap{}:           ours,
			&corev1.Service{}:             ours,
			&corev1.ServiceAccount{}:      ours,
			&appsv1.Deployment{}:          ours,
			&networkingv1.NetworkPolicy{}: ours,
			&corev1.Pod{}:                 ours,
			&rbacv1.Role{}:                ours,
			&rbacv1.RoleBinding{}:         ours,
		},
	}
}
