// Package localnode is a node without containers, for machines where there can be no real one. It
// registers a Node, runs the containers of the Pods that the scheduler binds to it as local
// processes, and materialises their volumes as folders. It uses the rights of a node and nothing more.
//
// What it cannot do it says: in an event of the Pod and in its log.
package localnode
