package localnode

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// tokenMount is where every client library looks for its ServiceAccount.
const tokenMount = "/var/run/secrets/kubernetes.io/serviceaccount"

// environment makes a container's variables as kubelet does, in the order of the spec: later ones may
// refer to earlier ones.
func environment(pod *corev1.Pod, c *corev1.Container, s *sources, d downwardContext) (map[string]string, error) {
	env := map[string]string{}
	for _, from := range c.EnvFrom {
		if err := addAll(env, from, s); err != nil {
			return nil, err
		}
	}
	d.container = c.Name
	for _, e := range c.Env {
		value := expansion.Expand(e.Value, expansion.MappingFuncFor(env))
		if e.ValueFrom != nil {
			var found bool
			var err error
			if value, found, err = referenced(pod, e.ValueFrom, s, d); err != nil {
				return nil, fmt.Errorf("set %s: %w", e.Name, err)
			}
			if !found {
				continue
			}
		}
		env[e.Name] = value
	}
	return env, nil
}

func addAll(env map[string]string, from corev1.EnvFromSource, s *sources) error {
	switch {
	case from.SecretRef != nil:
		secret, err := s.secret(from.SecretRef.Name, from.SecretRef.Optional)
		if err != nil || secret == nil {
			return err
		}
		for k, v := range secret.Data {
			env[from.Prefix+k] = string(v)
		}
	case from.ConfigMapRef != nil:
		configMap, err := s.configMap(from.ConfigMapRef.Name, from.ConfigMapRef.Optional)
		if err != nil || configMap == nil {
			return err
		}
		for k, v := range configMap.Data {
			env[from.Prefix+k] = v
		}
	}
	return nil
}

// referenced reads what a variable refers to; found is false when that is optional and absent.
func referenced(pod *corev1.Pod, from *corev1.EnvVarSource, s *sources, d downwardContext) (value string, found bool, err error) {
	switch {
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		secret, err := s.secret(ref.Name, ref.Optional)
		if err != nil || secret == nil {
			return "", false, err
		}
		data, ok := secret.Data[ref.Key]
		return string(data), ok, missingKey(ok, ref.Optional, "Secret", ref.Name, ref.Key)
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		configMap, err := s.configMap(ref.Name, ref.Optional)
		if err != nil || configMap == nil {
			return "", false, err
		}
		data, ok := configMap.Data[ref.Key]
		return data, ok, missingKey(ok, ref.Optional, "ConfigMap", ref.Name, ref.Key)
	}
	value, err = downwardValue(pod, from.FieldRef, from.ResourceFieldRef, d)
	return value, err == nil, err
}

func missingKey(found bool, optional *bool, kind, name, key string) error {
	if found || optional != nil && *optional {
		return nil
	}
	return fmt.Errorf("read key %q of %s %q: not found", key, kind, name)
}

// commandLine is the container's program and arguments after expansion, before rewriting.
func commandLine(c *corev1.Container, images map[string]string, env map[string]string) ([]string, error) {
	path, err := program(c, images)
	if err != nil {
		return nil, err
	}
	line := []string{path}
	mapping := expansion.MappingFuncFor(env)
	if len(c.Command) > 1 {
		for _, a := range c.Command[1:] {
			line = append(line, expansion.Expand(a, mapping))
		}
	}
	for _, a := range c.Args {
		line = append(line, expansion.Expand(a, mapping))
	}
	return line, nil
}

// surroundings are variables that stand in for what a container would have around it: the API
// server's Service, its token folder, cluster DNS. The spec's own variables win.
func surroundings(n *Node, dir string, pod *corev1.Pod, c *corev1.Container) (map[string]string, error) {
	host, port := n.apiServer()
	env := map[string]string{
		"PATH":                    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOSTNAME":                pod.Name,
		"HOME":                    dir,
		"TMPDIR":                  dir,
		"KUBERNETES_SERVICE_HOST": host,
		"KUBERNETES_SERVICE_PORT": port,
		"HTTP_PROXY":              n.HTTPProxy(),
		"NO_PROXY":                "127.0.0.0/8,localhost",
	}
	for _, m := range c.VolumeMounts {
		if m.MountPath != tokenMount {
			continue
		}
		path := filepath.Join(dir, "kubeconfig")
		if err := writeKubeconfig(path, n, pod.Namespace, filepath.Join(dir, "volumes", m.Name, "token")); err != nil {
			return nil, err
		}
		env["KUBECONFIG"] = path
	}
	return env, nil
}

// writeKubeconfig names the token by file, so that a renewed one is used.
func writeKubeconfig(path string, n *Node, namespace, tokenFile string) error {
	const name = "pod"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: n.Config.Host, CertificateAuthority: n.CAFile}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{TokenFile: tokenFile}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name, Namespace: namespace}
	config.CurrentContext = name
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return fmt.Errorf("write kubeconfig of the pod: %w", err)
	}
	return nil
}

// list turns variables into the form that a process takes.
func list(env map[string]string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		all = append(all, name+"="+env[name])
	}
	return all
}
