package controlplane

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/makeops/make-operator/hack/devcluster/pki"
	"github.com/makeops/make-operator/hack/devcluster/state"
)

// serviceCIDR is where Services get their addresses; its first address is the API server's Service.
const (
	serviceCIDR = "10.96.0.0/16"
	apiService  = "10.96.0.1"
)

// PodCIDR is where a real node's Pods get their addresses.
const PodCIDR = "10.244.0.0/16"

// Options say where a control plane lives.
type Options struct {
	Dir state.Dir
	// Address is the IP to listen on.
	Address string
	// Port of the API server; 0 chooses a free one.
	Port int
	// HostServer is the API server's URL in admin.kubeconfig when it differs from the address it listens on.
	HostServer string
	// AuditLog is the file for the audit log; empty for none.
	AuditLog string
	// NodeName and NodeAddress are what the node's certificate is made out to.
	NodeName, NodeAddress string
	// Progress prints one line for the person who waits.
	Progress func(format string, args ...any)
}

// ControlPlane is a running one.
type ControlPlane struct {
	// Server is the URL the API server listens on.
	Server string

	authority *pki.Authority
	etcd      *etcdServer
	apiServer *component
	others    []*component
	failed    chan error
}

// Start brings everything up and returns when Pods could be created: the API server is ready and
// kube-controller-manager has made the default ServiceAccount. On an error nothing is left running.
func Start(ctx context.Context, o Options) (*ControlPlane, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(o.Address, fmt.Sprint(o.Port)))
	if err != nil {
		return nil, fmt.Errorf("listen for the API server: %w", err)
	}
	c := &ControlPlane{Server: "https://" + listener.Addr().String(), failed: make(chan error, 3)}
	if err := c.start(ctx, o, listener); err != nil {
		c.Stop()
		listener.Close()
		return nil, err
	}
	return c, nil
}

func (c *ControlPlane) start(ctx context.Context, o Options, listener net.Listener) error {
	begin := time.Now()
	since := func() time.Duration { return time.Since(begin).Round(100 * time.Millisecond) }
	var err error
	if c.authority, err = issueAll(o, c.Server); err != nil {
		return err
	}
	if c.etcd, err = startEtcd(ctx, o.Dir, c.authority); err != nil {
		return err
	}
	o.Progress("etcd is ready (%s)", since())
	if err := applyLogging(); err != nil {
		return err
	}
	args, err := apiServerArgs(o, c.authority, c.etcd.url, listener.Addr().(*net.TCPAddr).Port)
	if err != nil {
		return err
	}
	c.apiServer = c.launch("kube-apiserver", func(ctx context.Context) error { return runAPIServer(ctx, args, listener) })
	client, err := newProbe(o.Dir.Path("admin.kubeconfig"), c.Server)
	if err != nil {
		return err
	}
	if err := c.await(ctx, "API server", client.ready); err != nil {
		return err
	}
	o.Progress("kube-apiserver is ready at %s (%s)", c.Server, since())
	c.others = append(c.others,
		c.launch("kube-controller-manager", func(ctx context.Context) error {
			return runControllerManager(ctx, controllerManagerArgs(o, c.authority))
		}),
		c.launch("kube-scheduler", func(ctx context.Context) error { return runScheduler(ctx, schedulerArgs(o)) }))
	if err := c.await(ctx, "default ServiceAccount", client.serviceAccount); err != nil {
		return err
	}
	o.Progress("kube-controller-manager and kube-scheduler are ready (%s)", since())
	return nil
}

// Failed delivers the error of a component that ended by itself.
func (c *ControlPlane) Failed() <-chan error { return c.failed }

// Stop ends the components in the order that loses nothing: the clients, the API server, then etcd.
// The API server waits for its watches, which do not end by themselves; hence the short patience.
func (c *ControlPlane) Stop() {
	const patience = 1500 * time.Millisecond
	for _, o := range c.others {
		o.cancel()
	}
	for _, o := range c.others {
		o.wait(patience)
	}
	if c.apiServer != nil {
		c.apiServer.cancel()
		c.apiServer.wait(patience)
	}
	if c.etcd != nil {
		c.etcd.stop()
	}
}

// await polls until check passes, a component fails or ctx ends.
func (c *ControlPlane) await(ctx context.Context, what string, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case failure := <-c.failed:
			return failure
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w (last answer: %w)", what, context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}
