package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/makeops/make-operator/hack/devcluster/controlplane"
	"github.com/makeops/make-operator/hack/devcluster/forward"
	"github.com/makeops/make-operator/hack/devcluster/image"
	"github.com/makeops/make-operator/hack/devcluster/state"
)

// Run is the role's main: the cluster itself, from network to Ready node.
func Run(args []string) error {
	told, err := parseInside(args)
	if err != nil {
		return err
	}
	for _, fd := range []int{listenerFD, progressFD, readyFD} {
		unix.CloseOnExec(fd)
	}
	progress := os.NewFile(progressFD, "progress")
	say := func(format string, args ...any) { fmt.Fprintf(progress, "devcluster: "+format+"\n", args...) }
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, told, say); err != nil && ctx.Err() == nil {
		say("%v; logs are in %s", err, filepath.Join(told.Dir, "log"))
		return err
	}
	return nil
}

func run(ctx context.Context, told inside, say func(string, ...any)) error {
	begin := time.Now()
	d, err := state.Open(told.Dir)
	if err != nil {
		return err
	}
	t, err := findTools()
	if err != nil {
		return err
	}
	if err := setUpNetwork(); err != nil {
		return err
	}
	config, err := writeConfig(d, t, told.Cgroup)
	if err != nil {
		return err
	}
	services := newServices(d, t)
	if err := services.start("containerd", config.containerd...); err != nil {
		return err
	}
	plane, err := controlplane.Start(ctx, controlplane.Options{
		Dir: d, Address: nodeIP, Port: apiPort, HostServer: told.HostServer, AuditLog: told.AuditLog,
		NodeName: nodeName, NodeAddress: nodeIP, Progress: say,
	})
	if err != nil {
		return err
	}
	defer plane.Stop()
	// Whatever uses the API server goes first.
	defer services.stop()
	listener, err := net.FileListener(os.NewFile(listenerFD, "listener"))
	if err != nil {
		return fmt.Errorf("take over the host's listener: %w", err)
	}
	go forward.Serve(ctx, listener, net.JoinHostPort(nodeIP, fmt.Sprint(apiPort)))
	if err := importPause(ctx, d, t); err != nil {
		return err
	}
	for _, s := range config.rest {
		if err := services.start(s[0], s[1:]...); err != nil {
			return err
		}
	}
	if err := awaitNode(ctx, d, services.ended); err != nil {
		return err
	}
	say("node %s is ready; NetworkPolicies are not enforced, and there is no route out (%s)", nodeName, time.Since(begin).Round(100*time.Millisecond))
	ready := os.NewFile(readyFD, "ready")
	if _, err := io.WriteString(ready, "ready\n"); err != nil {
		return fmt.Errorf("report readiness: %w", err)
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-plane.Failed():
		return err
	case err := <-services.ended:
		return err
	}
}

// pauseImage is the first container of every Pod.
const pauseImage = "localhost/devcluster-pause:dev"

// importPause waits for containerd and gives it the image.
func importPause(ctx context.Context, d state.Dir, t tools) error {
	pause, err := t.find("pause")
	if err != nil {
		return err
	}
	archive := d.Path("node", "pause.tar")
	if err := image.Write(archive, pauseImage, []string{pause}); err != nil {
		return err
	}
	for {
		if conn, err := net.Dial("unix", containerdS); err == nil {
			conn.Close()
			break
		}
		select {
		case <-ctx.Done():
			return errors.New("wait for containerd: stopped")
		case <-time.After(20 * time.Millisecond):
		}
	}
	return importImages(t, containerdS, []string{archive})
}
