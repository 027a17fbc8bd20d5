package node

import (
	_ "embed"
	"fmt"
	"os"
	"strings"
	"text/template"

	"golang.org/x/sys/unix"

	"github.com/makeops/make-operator/hack/devcluster/controlplane"
	"github.com/makeops/make-operator/hack/devcluster/state"
)

//go:embed containerd.toml.tmpl
var containerdTemplate string

//go:embed kubelet.yaml.tmpl
var kubeletTemplate string

const cniConfig = `{"cniVersion": "1.0.0", "name": "pods", "plugins": [{
  "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
  "ipam": {"type": "host-local", "dataDir": %q, "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}
}]}
`

const corefile = `.:53 {
  bind %s
  errors
  kubernetes cluster.local {
    kubeconfig %s
  }
}
`

// commands are the programs to start with their arguments.
type commands struct {
	containerd []string
	// rest is started once the control plane is up.
	rest [][]string
}

// writeConfig writes the configuration files of all programs.
func writeConfig(d state.Dir, t tools, cgroup string) (commands, error) {
	runc, err := t.find("runc")
	if err != nil {
		return commands{}, err
	}
	values := map[string]string{
		"Node": d.Path("node"), "Log": d.Path("log"), "PKI": d.Path("pki"), "Tools": t.dir, "Socket": containerdS,
		"Runc": runc, "Pause": pauseImage, "Snapshotter": snapshotter(d.Path()), "Cgroup": cgroup, "IP": nodeIP,
	}
	if err := os.MkdirAll(d.Path("node", "cni"), 0o700); err != nil {
		return commands{}, fmt.Errorf("create configuration folder: %w", err)
	}
	for path, text := range map[string]string{
		"containerd.toml":   containerdTemplate,
		"kubelet.yaml":      kubeletTemplate,
		"cni/pods.conflist": fmt.Sprintf(cniConfig, d.Path("node", "cni-data")),
		"Corefile":          fmt.Sprintf(corefile, nodeIP, d.Path("inside.kubeconfig")),
	} {
		if err := writeTemplate(d.Path("node", path), text, values); err != nil {
			return commands{}, err
		}
	}
	return commands{
		containerd: []string{"--config", d.Path("node", "containerd.toml")},
		rest: [][]string{
			{
				"kubelet", "--config=" + d.Path("node", "kubelet.yaml"), "--kubeconfig=" + d.Path("node.kubeconfig"),
				"--hostname-override=" + nodeName, "--node-ip=" + nodeIP,
			},
			{
				"kube-proxy", "--kubeconfig=" + d.Path("inside.kubeconfig"), "--proxy-mode=nftables", "--cluster-cidr=" + controlplane.PodCIDR,
				"--hostname-override=" + nodeName, "--bind-address=" + nodeIP, "--conntrack-max-per-core=0", "--nodeport-addresses=primary",
			},
			{"dns", "-conf", d.Path("node", "Corefile")},
		},
	}, nil
}

func writeTemplate(path, text string, values map[string]string) error {
	parsed, err := template.New(path).Option("missingkey=error").Parse(text)
	if err != nil {
		return fmt.Errorf("parse template: %w", err)
	}
	var out strings.Builder
	if err := parsed.Execute(&out, values); err != nil {
		return fmt.Errorf("fill template: %w", err)
	}
	if err := os.WriteFile(path, []byte(out.String()), 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

// snapshotter is how containerd stacks layers. An overlay cannot lie on another, as it would where
// the folder is inside a container.
func snapshotter(dir string) string {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err == nil && s.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return "native"
	}
	return "overlayfs"
}
