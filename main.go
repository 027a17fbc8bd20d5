// Command manager runs the controllers, the admission webhook and the consent pages of make-operator.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"os"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/makeops/make-operator/internal/config"
)

// version is set by the build.
var version = "dev"

func main() {
	var cfg config.Config
	var logging zap.Options
	cfg.Bind(flag.CommandLine)
	logging.BindFlags(flag.CommandLine)
	flag.Parse()
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(bounded(logging))))
	if err := cfg.Validate(); err != nil {
		fmt.Fprintf(os.Stderr, "manager: %v\n", err)
		os.Exit(2)
	}
	if err := run(ctrl.SetupSignalHandler(), &cfg); err != nil {
		fmt.Fprintf(os.Stderr, "manager: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, cfg *config.Config) error {
	restConfig, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	restConfig.UserAgent = "make-operator/" + version
	p, err := newParts(ctx, cfg, restConfig)
	if err != nil {
		return err
	}
	mgr, err := newManager(cfg, restConfig, p)
	if err != nil {
		return err
	}
	if err := p.setup(ctx, mgr); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

func newManager(cfg *config.Config, restConfig *rest.Config, p *parts) (manager.Manager, error) {
	options := ctrl.Options{
		Scheme: p.scheme, Cache: cacheOptions(), Client: client.Options{Cache: &client.CacheOptions{DisableFor: liveReads()}},
		Metrics:                metricsserver.Options{BindAddress: cfg.MetricsAddress},
		HealthProbeBindAddress: cfg.ProbeAddress,
		LeaderElection:         cfg.LeaderElect, LeaderElectionID: "make-operator", LeaderElectionNamespace: cfg.Namespace,
		LeaderElectionReleaseOnCancel: true,
	}
	if cfg.WebhookPort != 0 {
		options.WebhookServer = webhook.NewServer(webhook.Options{
			Port: cfg.WebhookPort,
			TLSOpts: []func(*tls.Config){func(c *tls.Config) {
				c.MinVersion = tls.VersionTLS13
				c.GetCertificate = p.certificate.Certificate
			}},
		})
	}
	mgr, err := ctrl.NewManager(restConfig, options)
	if err != nil {
		return nil, err
	}
	return mgr, errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ping", healthz.Ping))
}
