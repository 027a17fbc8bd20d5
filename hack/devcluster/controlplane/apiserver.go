package controlplane

import (
	"context"
	"fmt"
	"net"
	"os"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	"github.com/makeops/make-operator/hack/devcluster/pki"
)

// auditPolicy records who did what to which object, never a body.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
`

func apiServerArgs(o Options, authority *pki.Authority, etcdURL string, port int) ([]string, error) {
	args := []string{
		"--etcd-servers=" + etcdURL,
		"--etcd-cafile=" + authority.Path("ca.crt"),
		"--etcd-certfile=" + authority.Path("etcd.crt"),
		"--etcd-keyfile=" + authority.Path("etcd.key"),
		"--bind-address=" + o.Address,
		"--advertise-address=" + o.Address,
		fmt.Sprintf("--secure-port=%d", port),
		"--tls-cert-file=" + authority.Path("apiserver.crt"),
		"--tls-private-key-file=" + authority.Path("apiserver.key"),
		"--client-ca-file=" + authority.Path("ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + authority.Path("sa.pub"),
		"--service-account-signing-key-file=" + authority.Path("sa.key"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction", // in addition to the default ones, PodSecurity among them
		"--service-cluster-ip-range=" + serviceCIDR,
		"--kubelet-client-certificate=" + authority.Path("kubelet-client.crt"),
		"--kubelet-client-key=" + authority.Path("kubelet-client.key"),
		"--kubelet-certificate-authority=" + authority.Path("ca.crt"),
		"--kubelet-preferred-address-types=InternalIP",
	}
	if isLoopback(o.Address) {
		args = append(args, "--endpoint-reconciler-type=none") // a loopback address is no valid endpoint
	}
	if o.AuditLog == "" {
		return args, nil
	}
	policy := o.Dir.Path("audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return nil, fmt.Errorf("write audit policy: %w", err)
	}
	return append(args, "--audit-policy-file="+policy, "--audit-log-path="+o.AuditLog), nil
}

// runAPIServer does what the kube-apiserver command does, except for taking over the signals. The
// listener is already open, so the port cannot be lost to another process.
func runAPIServer(ctx context.Context, args []string, listener net.Listener) error {
	o := options.NewServerRunOptions()
	if err := parseFlags("kube-apiserver", o.Flags(), args); err != nil {
		return err
	}
	if err := o.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return fmt.Errorf("set feature gates: %w", err)
	}
	o.SecureServing.Listener = listener
	completed, err := o.Complete(ctx)
	if err != nil {
		return fmt.Errorf("complete options: %w", err)
	}
	if errs := completed.Validate(); len(errs) != 0 {
		return utilerrors.NewAggregate(errs)
	}
	return apiserver.Run(ctx, completed)
}
