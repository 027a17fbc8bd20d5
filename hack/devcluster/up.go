package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/makeops/make-operator/hack/devcluster/controlplane"
	"github.com/makeops/make-operator/hack/devcluster/localnode"
	"github.com/makeops/make-operator/hack/devcluster/state"
)

// errProcessGone and errSignal are the ordinary reasons to stop.
var (
	errProcessGone = errors.New("process is gone")
	errSignal      = errors.New("signal")
)

// upFlags are the flags of up.
type upFlags struct {
	dir       string
	port      int
	auditLog  string
	node      bool
	parentPID int
}

func up(args []string) error {
	var f upFlags
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	dir := dirFlag(flags)
	flags.IntVar(&f.port, "port", 0, "the API server's `PORT` on 127.0.0.1; 0 chooses a free one")
	flags.StringVar(&f.auditLog, "audit-log", "", "`FILE` for the API server's audit log, Metadata level")
	flags.BoolVar(&f.node, "node", false, "add a real node: kubelet and containerd in namespaces of their own (Linux, root)")
	flags.IntVar(&f.parentPID, "parent-pid", 0, "stop when process `PID` is gone")
	if err := parse(flags, args); err != nil {
		return err
	}
	f.dir = *dir
	d, err := openDir(f.dir)
	if err != nil {
		return err
	}
	if f.auditLog != "" {
		if f.auditLog, err = filepath.Abs(f.auditLog); err != nil {
			return fmt.Errorf("resolve audit log: %w", err)
		}
	}
	lock, err := d.Lock()
	if err != nil {
		return fmt.Errorf("%w: %s", err, d.Path())
	}
	defer lock.Close()
	ctx, cancel := stopContext(f.parentPID)
	defer cancel()
	if f.node {
		return upNode(ctx, d, f, lock)
	}
	return upPlain(ctx, d, f)
}

// upPlain runs a control plane without a node in this process.
func upPlain(ctx context.Context, d state.Dir, f upFlags) error {
	if err := d.Reset(); err != nil {
		return err
	}
	defer d.Clean()
	progress, err := captureOutput(d.Path("log", "control-plane.log"))
	if err != nil {
		return err
	}
	say := speaker(progress)
	plane, err := controlplane.Start(ctx, controlplane.Options{
		Dir: d, Address: "127.0.0.1", Port: f.port, AuditLog: f.auditLog,
		NodeName: localnode.Name, NodeAddress: localnode.NodeAddress(localnode.Subnet(d.Name())), Progress: say,
	})
	if err != nil && ctx.Err() != nil {
		say("stopping: %v", context.Cause(ctx))
		return nil
	}
	if err != nil {
		return report(progress, d, err)
	}
	defer plane.Stop()
	ready := state.Ready{
		Kubeconfig: d.Path("admin.kubeconfig"), Server: plane.Server, CAFile: d.Path("pki", "ca.crt"),
		AuditLog: f.auditLog, LogDir: d.Path("log"), PID: os.Getpid(),
	}
	if err := d.WriteReady(ready); err != nil {
		return err
	}
	say("ready: export KUBECONFIG=%s", ready.Kubeconfig)
	select {
	case err := <-plane.Failed():
		return report(progress, d, err)
	case <-ctx.Done():
		say("stopping: %v", context.Cause(ctx))
		return nil
	}
}

// report prints an error where the person looks; stderr goes to a file by then.
func report(progress io.Writer, d state.Dir, err error) error {
	fmt.Fprintf(progress, "devcluster: %v\nlogs are in %s\n", err, d.Path("log"))
	return err
}

// speaker prints progress lines.
func speaker(w io.Writer) func(string, ...any) {
	return func(format string, args ...any) { fmt.Fprintf(w, "devcluster: "+format+"\n", args...) }
}

// stopContext ends at SIGINT, SIGTERM or SIGHUP, and when one of the processes is gone; 0 is none.
func stopContext(needed ...int) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		s := <-signals
		cancel(fmt.Errorf("%w: %v", errSignal, s))
	}()
	for _, pid := range needed {
		if pid == 0 {
			continue
		}
		go func() {
			for alive(pid) {
				time.Sleep(250 * time.Millisecond)
			}
			cancel(fmt.Errorf("%w: %d", errProcessGone, pid))
		}()
	}
	return ctx, func() { cancel(nil) }
}

// alive says whether a process exists and has not ended; one of another user's counts.
func alive(pid int) bool {
	if err := syscall.Kill(pid, 0); err != nil && !errors.Is(err, syscall.EPERM) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true // no such file outside of Linux
	}
	// After the name in parentheses comes the state; Z is one that ended and that nobody has waited for.
	_, state, _ := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " ")
	return !strings.HasPrefix(state, "Z")
}
