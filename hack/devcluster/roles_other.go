//go:build !linux

package main

// nodeRoles is empty: kubelet and kube-proxy need Linux.
func nodeRoles() []command { return nil }
