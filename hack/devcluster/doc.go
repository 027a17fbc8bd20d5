// Command devcluster is a Kubernetes cluster for development and tests in one binary: etcd, the
// control plane, kubectl, and on Linux kubelet and kube-proxy. It chooses its role by the name it
// is called by or by its first argument.
//
// It knows nothing of the operator; it must not be used for anything that should outlive an hour.
package main
