package main

// target is one binary.
type target struct {
	name, pkg string
}

func controlPlaneTargets() []target {
	return []target{{name: "devcluster", pkg: "."}}
}

// nodeTargets are what a real node needs beyond the devcluster binary.
func nodeTargets() []target {
	const containerd, plugins = "github.com/containerd/containerd/v2/cmd/", "github.com/containernetworking/plugins/plugins/"
	return []target{
		{name: "containerd", pkg: containerd + "containerd"},
		{name: "containerd-shim-runc-v2", pkg: containerd + "containerd-shim-runc-v2"},
		{name: "ctr", pkg: containerd + "ctr"},
		{name: "bridge", pkg: plugins + "main/bridge"},
		{name: "loopback", pkg: plugins + "main/loopback"},
		{name: "host-local", pkg: plugins + "ipam/host-local"},
		{name: "dns", pkg: "./cmd/dns"},
		{name: "pause", pkg: "./cmd/pause"},
	}
}
