package pki

import (
	"fmt"
	"os"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// WriteKubeconfig writes a self-contained kubeconfig to path: server with the identity that Issue
// wrote under the name file.
func (a *Authority) WriteKubeconfig(path, file, server string) error {
	var data [3][]byte
	for i, name := range []string{"ca.crt", file + ".crt", file + ".key"} {
		b, err := os.ReadFile(a.Path(name))
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		data[i] = b
	}
	const name = "devcluster"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: data[0]}
	config.AuthInfos[file] = &clientcmdapi.AuthInfo{ClientCertificateData: data[1], ClientKeyData: data[2]}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: file}
	config.CurrentContext = name
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return nil
}
