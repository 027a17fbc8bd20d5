package main

import (
	"context"

	"k8s.io/component-base/cli"
	kubeproxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	"github.com/makeops/make-operator/hack/devcluster/node"
)

// nodeRoles are the upstream programs of a node, and the processes of one.
func nodeRoles() []command {
	return []command{
		{name: "kubelet", run: func([]string) int { return cli.Run(kubelet.NewKubeletCommand(context.Background())) }},
		{name: "kube-proxy", run: func([]string) int { return cli.Run(kubeproxy.NewProxyCommand()) }},
		{name: node.RoleInit, run: func(a []string) int { return exit(node.Init(a)) }},
		{name: node.RoleRun, run: func(a []string) int { return exit(node.Run(a)) }},
		{name: node.RoleJanitor, run: func(a []string) int { return exit(node.Janitor(a)) }},
	}
}
