package localnode

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// container runs one container of a Pod as a process, again and again as its restart policy says.
type container struct {
	worker *worker
	spec   *corev1.Container
	pod    *corev1.Pod

	mu    sync.Mutex
	state containerState
}

// containerState is what the status is made from.
type containerState struct {
	spec     *corev1.Container
	binary   string
	running  *corev1.ContainerStateRunning
	waiting  *corev1.ContainerStateWaiting
	last     *corev1.ContainerStateTerminated
	restarts int32
	// started and ready are the results of the probes; true where there is none.
	started, ready bool
	// finished means that it will not run again.
	finished bool
}

func newContainer(w *worker, spec *corev1.Container) *container {
	return &container{worker: w, pod: w.pod, spec: spec, state: containerState{
		spec: spec, binary: w.node.Images[spec.Image], waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"},
	}}
}

func (c *container) snapshot() containerState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// change alters the state and has it published.
func (c *container) change(f func(*containerState)) {
	c.mu.Lock()
	f(&c.state)
	c.mu.Unlock()
	c.worker.wake()
}

const (
	// firstBackoff and lastBackoff bound the pause before a restart; shorter than kubelet's, for a
	// person waits. A process that ran for calmAfter starts with the first again.
	firstBackoff = time.Second
	lastBackoff  = 30 * time.Second
	calmAfter    = time.Minute
)

// run returns when the container has ended for good or ctx has.
func (c *container) run(ctx context.Context) {
	backoff := firstBackoff
	for ctx.Err() == nil {
		begin := time.Now()
		exitCode, err := c.once(ctx)
		if err != nil {
			c.change(func(s *containerState) {
				s.waiting = &corev1.ContainerStateWaiting{Reason: "CreateContainerConfigError", Message: err.Error()}
			})
			sleep(ctx, firstBackoff)
			continue
		}
		again := c.pod.Spec.RestartPolicy == corev1.RestartPolicyAlways ||
			c.pod.Spec.RestartPolicy == corev1.RestartPolicyOnFailure && exitCode != 0
		if ctx.Err() != nil || !again {
			c.change(func(s *containerState) { s.finished = true })
			return
		}
		if time.Since(begin) > calmAfter {
			backoff = firstBackoff
		}
		c.worker.node.Say("%s: container %s exited with code %d, restarting in %s", c.name(), c.spec.Name, exitCode, backoff)
		c.change(func(s *containerState) {
			s.waiting = &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: fmt.Sprintf("restarting in %s", backoff)}
			s.restarts++
		})
		sleep(ctx, backoff)
		backoff = min(2*backoff, lastBackoff)
	}
	c.change(func(s *containerState) { s.finished = true })
}

// once runs the process until it ends. An error means that it could not be started.
func (c *container) once(ctx context.Context) (int32, error) {
	cmd, err := c.command()
	if err != nil {
		return 0, err
	}
	output, err := c.openLog()
	if err != nil {
		return 0, err
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	if err := c.worker.node.launcher.start(cmd); err != nil {
		return 0, fmt.Errorf("start process: %w", err)
	}
	begin := metav1.Now()
	c.change(func(s *containerState) {
		s.running, s.waiting = &corev1.ContainerStateRunning{StartedAt: begin}, nil
		s.started = c.spec.StartupProbe == nil
		s.ready = s.started && c.spec.ReadinessProbe == nil
	})
	alive, kill := context.WithCancel(ctx)
	ended := make(chan struct{})
	probes := sync.WaitGroup{}
	probes.Go(func() { c.probe(alive, kill) })
	probes.Go(func() { c.terminateWhen(alive, ended, cmd.Process.Pid) })
	code, reason := exitOf(cmd.Wait())
	close(ended)
	kill()
	probes.Wait()
	c.change(func(s *containerState) {
		s.running, s.ready, s.started = nil, false, false
		s.last = &corev1.ContainerStateTerminated{
			ExitCode: code, Reason: reason, StartedAt: begin, FinishedAt: metav1.Now(), ContainerID: containerID(c.pod, c.spec),
		}
	})
	return code, nil
}

// terminateWhen ends the process, politely and then by force, when ctx does.
func (c *container) terminateWhen(ctx context.Context, ended <-chan struct{}, pid int) {
	select {
	case <-ended:
		return
	case <-ctx.Done():
	}
	_ = syscall.Kill(-pid, syscall.SIGTERM) // the whole group; an error means that it is gone
	select {
	case <-ended:
	case <-time.After(c.worker.grace):
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL)
}

func (c *container) command() (*exec.Cmd, error) {
	w := c.worker
	dir := w.dir
	env, err := environment(c.pod, c.spec, w.sources, downwardContext{address: w.address, hostAddress: w.node.addresses.node()})
	if err != nil {
		return nil, err
	}
	line, err := commandLine(c.spec, w.node.Images, env)
	if err != nil {
		return nil, err
	}
	r := newRewriter(c.pod, c.spec, filepath.Join(dir, "volumes"), w.address)
	for i := range line[1:] {
		line[i+1] = r.text(line[i+1])
	}
	for name, value := range env {
		env[name] = r.text(value)
	}
	all, err := surroundings(w.node, dir, c.pod, c.spec)
	if err != nil {
		return nil, err
	}
	maps.Copy(all, env)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = list(all)
	cmd.Dir = dir
	if c.spec.WorkingDir != "" {
		cmd.Dir = r.text(c.spec.WorkingDir)
	}
	return cmd, nil
}

// openLog appends to the container's log, which outlives the Pod.
func (c *container) openLog() (*os.File, error) {
	path := c.worker.node.logFile(c.pod.Namespace, c.pod.Name, c.spec.Name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("create log folder: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return f, nil
}

func (c *container) name() string { return c.pod.Namespace + "/" + c.pod.Name }

// exitOf gives a process's end the code and reason that a container's would have.
func exitOf(err error) (int32, string) {
	if err == nil {
		return 0, "Completed"
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 1, "Error"
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int32(status.Signal()), "Error"
	}
	return int32(exit.ExitCode()), "Error"
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
