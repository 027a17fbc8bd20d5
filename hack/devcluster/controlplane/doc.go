// Package controlplane runs etcd, kube-apiserver, kube-controller-manager and kube-scheduler in this
// process. The Kubernetes packages keep global state, so a process can do this once.
package controlplane
