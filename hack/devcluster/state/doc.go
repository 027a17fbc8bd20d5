// Package state is the layout of a cluster's folder: who holds it, what a start removes from it,
// and the ready file by which others find the cluster.
package state
