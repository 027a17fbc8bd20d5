package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/makeops/make-operator/hack/devcluster/forward"
	"github.com/makeops/make-operator/hack/devcluster/node"
	"github.com/makeops/make-operator/hack/devcluster/state"
)

// roleForward is a forwarder that has its listener already.
const roleForward = "forward-inherited"

func upNode(ctx context.Context, d state.Dir, f upFlags, lock *os.File) error {
	return node.Up(ctx, node.Options{Dir: d, Lock: lock, Port: f.port, AuditLog: f.auditLog, Progress: os.Stdout})
}

// nodeCheck exits with 0 where a real node can run, else says why it cannot.
func nodeCheck(args []string) error {
	if err := parse(flag.NewFlagSet("node-check", flag.ContinueOnError), args); err != nil {
		return err
	}
	return node.Available()
}

// running finds the cluster of a folder.
func running(dir string) (state.Ready, error) {
	d, err := openDir(dir)
	if err != nil {
		return state.Ready{}, err
	}
	ready, err := d.ReadReady()
	if err != nil {
		return state.Ready{}, fmt.Errorf("%w: %s", err, d.Path())
	}
	return ready, nil
}

// execute replaces this process by a command in the cluster's network, with the KUBECONFIG that
// works there.
func execute(args []string) error {
	flags := flag.NewFlagSet("exec", flag.ContinueOnError)
	dir := dirFlag(flags)
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("want a command: devcluster exec --dir FOLDER -- COMMAND [ARGUMENT…]")
	}
	ready, err := running(*dir)
	if err != nil {
		return err
	}
	path, err := exec.LookPath(flags.Arg(0))
	if err != nil {
		return err
	}
	kubeconfig := ready.Kubeconfig
	if ready.Node != nil {
		kubeconfig = ready.InsideKubeconfig
		if err := node.EnterNetwork(ready.Node.InitPID); err != nil {
			return err
		}
	}
	if err := os.Setenv("KUBECONFIG", kubeconfig); err != nil {
		return fmt.Errorf("set KUBECONFIG: %w", err)
	}
	return syscall.Exec(path, flags.Args(), os.Environ())
}

// forwardPort opens a loopback port of the host and passes its connections on to an address in the
// cluster's network.
func forwardPort(args []string) error {
	flags := flag.NewFlagSet("forward", flag.ContinueOnError)
	dir := dirFlag(flags)
	to := flags.String("to", "", "`IP:PORT` in the cluster's network (required)")
	port := flags.Int("port", 0, "`PORT` on 127.0.0.1; 0 chooses a free one")
	parent := flags.Int("parent-pid", 0, "stop when process `PID` is gone")
	if err := parse(flags, args); err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(*to)
	if err != nil || net.ParseIP(host) == nil {
		return fmt.Errorf("--to %q: want IP:PORT", *to)
	}
	ready, err := running(*dir)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Println(listener.Addr())
	cluster := ready.PID
	if ready.Node == nil {
		return serveForward(listener, *to, *parent, cluster)
	}
	f, err := listener.(*net.TCPListener).File()
	if err != nil {
		return fmt.Errorf("pass listener on: %w", err)
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, 0); err != nil { // survives exec
		return fmt.Errorf("pass listener on: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own binary: %w", err)
	}
	if err := node.EnterNetwork(ready.Node.InitPID); err != nil {
		return err
	}
	return syscall.Exec(self, []string{
		filepath.Base(self), roleForward, strconv.Itoa(int(f.Fd())), *to,
		strconv.Itoa(*parent), strconv.Itoa(ready.Node.InitPID),
	}, os.Environ())
}

// forwardInherited is forwardPort after it has entered the network: FD TARGET PARENT CLUSTER.
func forwardInherited(args []string) error {
	if len(args) != 4 {
		return errUsage
	}
	var number [3]int
	for i, text := range []string{args[0], args[2], args[3]} {
		var err error
		if number[i], err = strconv.Atoi(text); err != nil {
			return fmt.Errorf("parse argument: %w", err)
		}
	}
	listener, err := net.FileListener(os.NewFile(uintptr(number[0]), "listener"))
	if err != nil {
		return fmt.Errorf("take over listener: %w", err)
	}
	return serveForward(listener, args[1], number[1], number[2])
}

// serveForward ends with the cluster too: it would keep the cluster's network alive.
func serveForward(listener net.Listener, to string, parent, cluster int) error {
	ctx, cancel := stopContext(parent, cluster)
	defer cancel()
	return forward.Serve(ctx, listener, to)
}

// importImages makes image archives available to the cluster's Pods.
func importImages(args []string) error {
	flags := flag.NewFlagSet("import", flag.ContinueOnError)
	dir := dirFlag(flags)
	if err := parse(flags, args); err != nil {
		return err
	}
	ready, err := running(*dir)
	if err != nil {
		return err
	}
	if ready.Node == nil {
		return errors.New("this cluster has no real node to import images to; see devcluster pods --image")
	}
	return node.Import(ready.Node.InitPID, flags.Args())
}
