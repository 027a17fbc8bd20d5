package main

import (
	"flag"
	"fmt"

	"github.com/makeops/make-operator/hack/devcluster/image"
	"github.com/makeops/make-operator/hack/devcluster/state"
)

// clusterCommands are the commands that are this project's own.
func clusterCommands() []command {
	return []command{
		{name: "up", summary: "start a cluster and stay until stopped", run: func(a []string) int { return exit(up(a)) }},
		{name: "down", summary: "stop the cluster of a folder", run: func(a []string) int { return exit(down(a)) }},
		{name: "pods", summary: "run a cluster's Pods as local processes, where there is no real node", run: func(a []string) int { return exit(pods(a)) }},
		{name: "exec", summary: "run a command in a cluster's network", run: func(a []string) int { return exit(execute(a)) }},
		{name: "forward", summary: "reach an address in a cluster's network from a loopback port", run: func(a []string) int { return exit(forwardPort(a)) }},
		{name: "import", summary: "give image archives to a cluster's real node", run: func(a []string) int { return exit(importImages(a)) }},
		{name: "node-check", summary: "say whether a real node can run on this machine", run: func(a []string) int { return exit(nodeCheck(a)) }},
		{name: "image", summary: "make an image archive from static binaries", run: func(a []string) int { return exit(makeImage(a)) }},
		{name: roleForward, run: func(a []string) int { return exit(forwardInherited(a)) }},
	}
}

// dirFlag adds --dir, which all commands on a cluster have.
func dirFlag(flags *flag.FlagSet) *string {
	return flags.String("dir", "", "the cluster's `FOLDER` (required)")
}

// openDir opens the folder that --dir named.
func openDir(path string) (state.Dir, error) {
	if path == "" {
		return state.Dir{}, fmt.Errorf("--dir is required")
	}
	return state.Open(path)
}

func makeImage(args []string) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: devcluster image BINARY… IMAGE:TAG OUT.tar   (the first binary is the entrypoint)")
	}
	if err := parse(flags, args); err != nil {
		return err
	}
	rest := flags.Args()
	if len(rest) < 3 {
		flags.Usage()
		return errUsage
	}
	n := len(rest)
	return image.Write(rest[n-1], rest[n-2], rest[:n-2])
}
