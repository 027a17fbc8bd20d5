package controlplane

import (
	"context"
	"fmt"
	"net"

	logsapi "k8s.io/component-base/logs/api/v1"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	controllermanageroptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	scheduleroptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"

	"github.com/makeops/make-operator/hack/devcluster/pki"
)

// applyLogging sets up klog once for all components of this process.
func applyLogging() error {
	if err := logsapi.ValidateAndApply(logsapi.NewLoggingConfiguration(), nil); err != nil {
		return fmt.Errorf("set up logging: %w", err)
	}
	return nil
}

// controllerManagerArgs have no port: nobody scrapes it, and two clusters must not collide.
func controllerManagerArgs(o Options, authority *pki.Authority) []string {
	kubeconfig := o.Dir.Path("controller-manager.kubeconfig")
	controllers := "*"
	if isLoopback(o.Address) {
		// Local processes have loopback addresses, which endpoints may not have: every Service would
		// collect warnings and nothing else.
		controllers = "*,-endpoints-controller,-endpointslice-controller,-endpointslice-mirroring-controller"
	}
	return []string{
		"--controllers=" + controllers,
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--secure-port=0",
		"--leader-elect=false",
		"--use-service-account-credentials=true",
		"--root-ca-file=" + authority.Path("ca.crt"),
		"--service-account-private-key-file=" + authority.Path("sa.key"),
		"--cluster-signing-cert-file=" + authority.Path("ca.crt"),
		"--cluster-signing-key-file=" + authority.Path("ca.key"),
		"--allocate-node-cidrs=true",
		"--cluster-cidr=" + PodCIDR,
		"--service-cluster-ip-range=" + serviceCIDR,
		"--node-monitor-period=1s", // lifts a new node's not-ready taint within a second instead of five
		"--controller-shutdown-timeout=1s",
		"--kube-api-qps=1000", "--kube-api-burst=1000", // the default 20 a second makes the start five seconds longer
	}
}

func schedulerArgs(o Options) []string {
	kubeconfig := o.Dir.Path("scheduler.kubeconfig")
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--secure-port=0",
		"--leader-elect=false",
	}
}

// The commands of both components take over the signals, which a process may do only once; hence
// their parts.

func runControllerManager(ctx context.Context, args []string) error {
	o, err := controllermanageroptions.NewKubeControllerManagerOptions()
	if err != nil {
		return fmt.Errorf("create options: %w", err)
	}
	known, disabled, aliases := controllermanager.KnownControllers(), controllermanager.ControllersDisabledByDefault(), controllermanager.ControllerAliases()
	sets := o.Flags(known, disabled, aliases)
	o.ParsedFlags = &sets
	if err := parseFlags("kube-controller-manager", sets, args); err != nil {
		return err
	}
	config, err := o.Config(ctx, known, disabled, aliases)
	if err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	return controllermanager.Run(ctx, config.Complete())
}

func runScheduler(ctx context.Context, args []string) error {
	o := scheduleroptions.NewOptions()
	if err := parseFlags("kube-scheduler", *o.Flags, args); err != nil {
		return err
	}
	config, s, err := scheduler.Setup(ctx, o)
	if err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	return scheduler.Run(ctx, config, s)
}

func isLoopback(address string) bool {
	ip := net.ParseIP(address)
	return ip != nil && ip.IsLoopback()
}
