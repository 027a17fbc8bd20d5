package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// Process is a program that the stack started.
type Process struct {
	Name string   `json:"name"`
	PID  int      `json:"pid"`
	Args []string `json:"args"`

	done chan struct{} // closed when it has ended
}

// stopGrace is how long a process may take to end after SIGTERM.
const stopGrace = 20 * time.Second

// start runs a program with its output in DIR/log/NAME.log. Unless detached it dies with this process.
func (s *Stack) start(name string, args ...string) (*Process, error) {
	log, err := os.OpenFile(s.LogFile(name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer log.Close()
	cmd := exec.Command(args[0], args[1:]...) // outlives any context, until Stop
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.Root, log, log
	cmd.SysProcAttr = attributes(s.Detach)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &Process{Name: name, PID: cmd.Process.Pid, Args: args, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // how it ended stands in its log
	}()
	return p, nil
}

// Launch starts a program that is no part of the stack; whoever launches it ends it, and it dies with this process at the latest.
func (s *Stack) Launch(name string, args ...string) (*Process, error) { return s.start(name, args...) }

// LogFile is where a program's output goes.
func (s *Stack) LogFile(name string) string { return filepath.Join(s.Dir, "log", name+".log") }

// Kill ends a process at once, as a crash would, and waits until it is gone.
func (p *Process) Kill() { p.signal(syscall.SIGKILL) }

// Stop asks a process to end, and makes it end if it takes too long.
func (p *Process) Stop() {
	_ = syscall.Kill(p.PID, syscall.SIGTERM)
	if !p.ended(stopGrace) {
		p.signal(syscall.SIGKILL)
	}
}

func (p *Process) signal(signal syscall.Signal) {
	_ = syscall.Kill(p.PID, signal)
	p.ended(stopGrace)
}

// ended waits until the process is gone. One of an earlier program, which nobody waits for here, is looked for by its number.
func (p *Process) ended(timeout time.Duration) bool {
	if p.done != nil {
		select {
		case <-p.done:
			return true
		case <-time.After(timeout):
			return false
		}
	}
	gone := func(context.Context) (bool, error) { return errors.Is(syscall.Kill(p.PID, 0), syscall.ESRCH), nil }
	return wait.PollUntilContextTimeout(context.Background(), 50*time.Millisecond, timeout, true, gone) == nil
}

// await waits until ready says so, or p has ended, or the time is over.
func (s *Stack) await(ctx context.Context, p *Process, timeout time.Duration, ready func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		select {
		case <-p.done:
			return false, errors.New("it ended")
		default:
			return ready(ctx), nil
		}
	})
	if err != nil {
		return fmt.Errorf("wait for %s: %w; see %s", p.Name, err, s.LogFile(p.Name))
	}
	return nil
}

// freePorts returns n TCP ports of loopback that nobody listens on.
func freePorts(ctx context.Context, n int) ([]int, error) {
	var listen net.ListenConfig
	ports := make([]int, 0, n)
	for range n {
		l, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// Running reports whether a process that an earlier program started still runs. Where the system tells what a number is by now,
// a process that merely took over the number does not count.
func (p *Process) Running() bool {
	if syscall.Kill(p.PID, 0) != nil {
		return false
	}
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID))
	return err != nil || bytes.Contains(command, []byte(p.Args[len(p.Args)-1]))
}
