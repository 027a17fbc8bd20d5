// Package smoke tests the whole thing: it starts clusters, runs Pods in them and ends them in every
// way, looking each time that nothing is left. It runs only when DEVCLUSTER names the binary.
package smoke
