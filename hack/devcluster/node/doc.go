// Package node is a real node on the machine that develops: kubelet, containerd, kube-proxy and
// cluster DNS, with the control plane beside them, in network, mount, process and host name
// namespaces of their own.
//
// There are four processes of ours. Up, on the host, holds the folder and hears the signals. The
// janitor waits for Up to end, however it ends, and removes what the kernel does not: the cgroups and
// the state. Init is the first process of the namespaces; with it the kernel kills all others and
// takes the namespaces and their mounts away, and it dies with Up. Run, its child, starts everything.
//
// The network has no route out and the host none in: connections from the host come by a listener on
// the host's loopback whose socket Run inherited. NetworkPolicies are not enforced.
package node
