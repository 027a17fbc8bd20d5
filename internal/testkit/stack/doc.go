// Package stack runs the whole product on this machine: a real control plane, a simulated Make and the manager, each a process of
// its own that was built into bin/. The demo, make dev-up and the end-to-end tests share it.
//
// Everything listens on loopback, on ports that were free, and keeps its state in one folder, so that two stacks can run side by
// side. With a node, the cluster, makesim and the manager share a network namespace without a way out, and loopback ports of this
// machine lead into it.
package stack
