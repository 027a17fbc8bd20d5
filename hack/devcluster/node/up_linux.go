package node

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/makeops/make-operator/hack/devcluster/state"
)

// The network of the cluster. Every cluster has the same, each in its own namespace.
const (
	nodeName    = "node"
	nodeIP      = "10.97.0.1"
	nodeSubnet  = "10.97.0.1/24"
	apiPort     = 6443
	containerdS = "/run/containerd/containerd.sock"
)

// The roles of this binary that are this package's own.
const (
	RoleInit    = "node-init"
	RoleRun     = "node-run"
	RoleJanitor = "node-janitor"
)

// Inherited descriptors of Init and Run, after the standard three.
const (
	listenerFD = 3 + iota
	progressFD
	readyFD
)

// inside is what the processes in the namespaces are told, as their one argument.
type inside struct {
	Dir        string `json:"dir"`
	AuditLog   string `json:"auditLog,omitempty"`
	HostServer string `json:"hostServer"`
	Cgroup     string `json:"cgroup"`
}

// errEnded is the end of a cluster that nobody asked for.
var errEnded = errors.New("the cluster ended by itself")

// Up starts a cluster with a real node and stays until ctx ends; then nothing of it is left.
func Up(ctx context.Context, o Options) (err error) {
	if err := Available(); err != nil {
		return err
	}
	// Children are told to die with the thread that started them.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	name := o.Dir.Name()
	if err := removeCgroups(name); err != nil { // of a run that was killed together with its janitor
		return err
	}
	if err := o.Dir.Reset(); err != nil {
		return err
	}
	janitor, err := startJanitor(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, janitor.finish()) }()
	if err := createCgroups(name); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", o.Port))
	if err != nil {
		return fmt.Errorf("listen on the host: %w", err)
	}
	defer listener.Close()
	server := "https://" + listener.Addr().String()
	cluster, err := startInit(o, listener, inside{Dir: o.Dir.Path(), AuditLog: o.AuditLog, HostServer: server, Cgroup: name})
	if err != nil {
		return err
	}
	defer cluster.stop()
	if err := cluster.awaitReady(ctx, o.Dir.Path("log")); err != nil {
		if ctx.Err() != nil {
			fmt.Fprintf(o.Progress, "devcluster: stopping: %v\n", context.Cause(ctx))
			return nil
		}
		return err
	}
	ready := state.Ready{
		Kubeconfig: o.Dir.Path("admin.kubeconfig"), InsideKubeconfig: o.Dir.Path("inside.kubeconfig"),
		Server: server, CAFile: o.Dir.Path("pki", "ca.crt"), AuditLog: o.AuditLog, LogDir: o.Dir.Path("log"), PID: os.Getpid(),
		Node: &state.Node{Name: nodeName, IP: nodeIP, InitPID: cluster.cmd.Process.Pid, Cgroup: name},
	}
	if err := o.Dir.WriteReady(ready); err != nil {
		return err
	}
	fmt.Fprintf(o.Progress, "devcluster: ready: export KUBECONFIG=%s\n", ready.Kubeconfig)
	select {
	case <-ctx.Done():
		fmt.Fprintf(o.Progress, "devcluster: stopping: %v\n", context.Cause(ctx))
		return nil
	case <-cluster.ended:
		return fmt.Errorf("%w: logs are in %s", errEnded, o.Dir.Path("log"))
	}
}

// initProcess is Init as the host sees it.
type initProcess struct {
	cmd   *exec.Cmd
	ready *os.File
	ended chan struct{}
}

func startInit(o Options, listener net.Listener, told inside) (*initProcess, error) {
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		return nil, fmt.Errorf("pass listener on: %w", err)
	}
	defer socket.Close()
	ready, readyWriter, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("create pipe: %w", err)
	}
	defer readyWriter.Close()
	log, err := os.Create(o.Dir.Path("log", "control-plane.log"))
	if err != nil {
		return nil, fmt.Errorf("create log: %w", err)
	}
	defer log.Close()
	argument, err := json.Marshal(told)
	if err != nil {
		return nil, fmt.Errorf("encode arguments: %w", err)
	}
	cmd := self(RoleInit, string(argument))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{socket, o.Progress, readyWriter}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Setsid:     true, // Ctrl-C is for Up alone
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("create namespaces: %w", err)
	}
	p := &initProcess{cmd: cmd, ready: ready, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// self runs this binary in a role; its own name is for who looks at the list of processes.
func self(role, argument string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"devcluster", role, argument}
	cmd.Dir = "/"
	return cmd
}

// awaitReady waits for the line that Run writes when the node can run Pods.
func (p *initProcess) awaitReady(ctx context.Context, logs string) error {
	line := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(p.ready).ReadString('\n')
		line <- text
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case text := <-line:
		if text != "ready\n" {
			return fmt.Errorf("start the node: %w: logs are in %s", errEnded, logs)
		}
		return nil
	}
}

// stop ends the cluster in order, by force when it takes more than ten seconds.
func (p *initProcess) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	p.ready.Close()
}
