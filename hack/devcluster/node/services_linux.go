package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/makeops/make-operator/hack/devcluster/state"
)

// services are the node's long-running programs.
type services struct {
	dir   state.Dir
	tools tools
	// ended gets the first that ends by itself.
	ended chan error

	mu       sync.Mutex
	stopping bool
	all      []*exec.Cmd
	running  sync.WaitGroup
}

func newServices(d state.Dir, t tools) *services {
	return &services{dir: d, tools: t, ended: make(chan error, 1)}
}

// start runs a program, or a role of this binary, with a log of its own.
func (s *services) start(name string, args ...string) error {
	log, err := os.Create(s.dir.Path("log", name+".log"))
	if err != nil {
		return fmt.Errorf("create log: %w", err)
	}
	defer log.Close()
	path := s.tools.self
	if found, err := s.tools.find(name); err == nil && name != "kubelet" && name != "kube-proxy" {
		path = found
	} else {
		args = append([]string{name}, args...)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = s.tools.environment()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	s.mu.Lock()
	s.all = append(s.all, cmd)
	s.mu.Unlock()
	s.running.Go(func() {
		_ = cmd.Wait() // its state tells the same
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.stopping {
			return
		}
		select {
		case s.ended <- fmt.Errorf("%s ended: %s, see %s", name, cmd.ProcessState, log.Name()):
		default:
		}
	})
	return nil
}

// stop asks all to end and waits a little; the kernel ends what remains with the namespace.
func (s *services) stop() {
	s.mu.Lock()
	s.stopping = true
	for _, cmd := range s.all {
		_ = cmd.Process.Signal(syscall.SIGTERM)
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
	}
}

// awaitNode waits until the node is Ready and takes Pods.
func awaitNode(ctx context.Context, d state.Dir, ended <-chan error) error {
	config, err := clientcmd.BuildConfigFromFlags("", d.Path("inside.kubeconfig"))
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("create client: %w", err)
	}
	timeout := time.After(90 * time.Second)
	for {
		node, err := client.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
		if err == nil && takesPods(node) {
			return nil
		}
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-timeout:
			return errors.New("wait for the node: not ready after 90 s")
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// takesPods looks at the taints too: kube-controller-manager lifts them a moment after the node is ready.
func takesPods(node *corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
			return len(node.Spec.Taints) == 0
		}
	}
	return false
}
