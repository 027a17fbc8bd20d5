package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
)

func main() {
	bin := flag.String("bin", filepath.Join("..", "..", "bin"), "`FOLDER` to link the binaries into")
	flag.Parse()
	part := "all"
	if flag.NArg() > 0 {
		part = flag.Arg(0)
	}
	if err := run(part, *bin); err != nil {
		fmt.Fprintln(os.Stderr, "devcluster build:", err)
		os.Exit(1)
	}
}

func run(part, bin string) error {
	cache, err := openCache()
	if err != nil {
		return err
	}
	unlock, err := cache.lock()
	if err != nil {
		return err
	}
	defer unlock()
	stopOnSignal()
	switch part {
	case "control-plane":
		return controlPlane(cache, bin)
	case "node":
		return node(cache)
	case "all":
		if err := controlPlane(cache, bin); err != nil {
			return err
		}
		return node(cache)
	}
	return fmt.Errorf("unknown part %q: want control-plane, node or all", part)
}

// controlPlane builds the devcluster binary and links it under its names.
func controlPlane(c *cache, bin string) error {
	dir, err := c.ensure(c.controlPlane, controlPlaneTargets())
	if err != nil {
		return err
	}
	return link(filepath.Join(dir, "devcluster"), bin, "devcluster", "kubectl", "assets/etcd", "assets/kube-apiserver", "assets/kubectl")
}

// node builds what a real node needs beyond the devcluster binary. Where there can be none it says so
// and succeeds.
func node(c *cache) error {
	if reason := noNode(); reason != "" {
		fmt.Printf("devcluster build: no real node on this machine (%s); Pods run as local processes\n", reason)
		return nil
	}
	dir, err := c.ensure(c.node, nodeTargets())
	if err != nil {
		return err
	}
	packages, err := c.ensureDebian()
	if err != nil {
		fmt.Printf("devcluster build: no real node on this machine (runc and nftables: %v); Pods run as local processes\n", err)
		return nil
	}
	if packages != "" {
		if err := relink(packages, filepath.Join(dir, "deb")); err != nil {
			return err
		}
	}
	return relink(dir, filepath.Join(c.controlPlane, "node"))
}

// noNode is why this machine cannot have a real node; empty when it can.
func noNode() string {
	if runtime.GOOS != "linux" {
		return "not Linux"
	}
	if os.Geteuid() != 0 {
		return "not root"
	}
	return ""
}

// stopOnSignal removes unfinished work when the person gives up.
func stopOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		removeUnfinished()
		os.Exit(130)
	}()
}
