package controlplane

import (
	"github.com/makeops/make-operator/hack/devcluster/pki"
)

// issueAll makes every certificate and kubeconfig of the cluster.
func issueAll(o Options, server string) (*pki.Authority, error) {
	authority, err := pki.New(o.Dir.Path("pki"))
	if err != nil {
		return nil, err
	}
	for _, s := range []pki.Subject{
		{File: "apiserver", User: "kube-apiserver", Hosts: []string{
			"localhost", "kubernetes", "kubernetes.default",
			"kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "127.0.0.1", apiService, o.Address,
		}},
		{File: "etcd", User: "etcd", Hosts: []string{"localhost", "127.0.0.1"}},
		{File: "admin", User: "admin", Groups: []string{"system:masters"}},
		{File: "controller-manager", User: "system:kube-controller-manager"},
		{File: "scheduler", User: "system:kube-scheduler"},
		{File: "kubelet-client", User: "kube-apiserver-kubelet-client", Groups: []string{"system:masters"}},
		{
			File: "node", User: "system:node:" + o.NodeName, Groups: []string{"system:nodes"},
			Hosts: []string{o.NodeName, "localhost", "127.0.0.1", o.NodeAddress},
		},
	} {
		if err := authority.Issue(s); err != nil {
			return nil, err
		}
	}
	host := server
	if o.HostServer != "" {
		host = o.HostServer
		if err := authority.WriteKubeconfig(o.Dir.Path("inside.kubeconfig"), "admin", server); err != nil {
			return nil, err
		}
	}
	for file, url := range map[string]string{"admin": host, "controller-manager": server, "scheduler": server, "node": server} {
		if err := authority.WriteKubeconfig(o.Dir.Path(file+".kubeconfig"), file, url); err != nil {
			return nil, err
		}
	}
	return authority, nil
}
