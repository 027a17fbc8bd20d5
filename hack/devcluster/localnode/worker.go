package localnode

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	statusutil "k8s.io/kubernetes/pkg/util/pod"
)

// worker runs one Pod. Its goroutine alone writes the Pod's status and volumes.
type worker struct {
	node   *Node
	cancel context.CancelFunc
	// kick asks for another pass; updates holds the newest version of the Pod not yet seen.
	kick    chan struct{}
	updates chan *corev1.Pod
	// published is the Pod with the status last written, for the Service proxy.
	published atomic.Pointer[corev1.Pod]

	pod        *corev1.Pod
	dir        string
	address    string
	sources    *sources
	refused    string
	complaint  string
	containers []*container
	running    sync.WaitGroup
	// graceSeconds is set before the containers' context ends.
	grace time.Duration
}

func newWorker(n *Node, pod *corev1.Pod, cancel context.CancelFunc) *worker {
	return &worker{
		node: n, pod: pod, cancel: cancel, grace: grace,
		kick:    make(chan struct{}, 1),
		updates: make(chan *corev1.Pod, 1),
		dir:     filepath.Join(n.PodDir, fmt.Sprintf("%s_%s_%s", pod.Namespace, pod.Name, pod.UID)),
	}
}

// update hands over a newer version of the Pod. Only one caller at a time.
func (w *worker) update(pod *corev1.Pod) {
	select {
	case <-w.updates:
	default:
	}
	w.updates <- pod
}

// wake asks for a pass soon.
func (w *worker) wake() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

const (
	// retryAfter is the pause after a failed pass, refreshAfter that between passes that only renew tokens.
	retryAfter   = 500 * time.Millisecond
	refreshAfter = 20 * time.Second
)

func (w *worker) run(ctx context.Context) {
	defer w.node.tokens.DeleteServiceAccountToken(w.pod.UID)
	defer os.RemoveAll(w.dir)
	processes, stop := context.WithCancel(context.Background())
	defer stop()
	if err := w.prepare(ctx); err != nil {
		w.complain("FailedCreatePodSandBox", err)
	}
	if w.address != "" {
		defer w.node.addresses.release(w.address)
	}
	for ctx.Err() == nil && w.pod.DeletionTimestamp == nil {
		pause := refreshAfter
		if w.refused == "" {
			if err := w.pass(processes); err != nil {
				if !errors.Is(err, errNotKnownYet) {
					w.complain("FailedMount", err)
				}
				pause = retryAfter
			}
		}
		w.publish(ctx)
		select {
		case <-ctx.Done():
		case <-w.kick:
		case <-time.After(pause):
		case pod := <-w.updates:
			w.pod = pod
		}
	}
	if seconds := w.pod.DeletionGracePeriodSeconds; w.pod.DeletionTimestamp != nil && seconds != nil {
		w.grace = time.Duration(*seconds) * time.Second
	}
	stop()
	w.running.Wait()
	w.finish()
}

// prepare does what a Pod needs once.
func (w *worker) prepare(ctx context.Context) error {
	refusals, notices := unsupported(w.pod, w.node.Images)
	if len(refusals) != 0 {
		w.refused = "cannot run as local processes: " + strings.Join(refusals, "; ")
		w.event(corev1.EventTypeWarning, "Unsupported", w.refused)
		return nil
	}
	if len(notices) != 0 {
		w.event(corev1.EventTypeNormal, "NotEnforced", "without effect for local processes: "+strings.Join(notices, ", "))
	}
	address, err := w.node.addresses.take()
	if err != nil {
		w.refused = err.Error()
		return err
	}
	w.address = address
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		w.refused = err.Error()
		return fmt.Errorf("create pod folder: %w", err)
	}
	w.sources = watchSources(ctx, w.node.client, w.pod, w.wake)
	return nil
}

// pass brings the volumes up to date and, once they are complete, starts the containers.
func (w *worker) pass(processes context.Context) error {
	v := volumes{
		dir: filepath.Join(w.dir, "volumes"), pod: w.pod, address: w.address, hostAddress: w.node.addresses.node(),
		sources: w.sources, tokens: w.node.tokens,
	}
	if err := v.write(); err != nil {
		return err
	}
	w.complaint = ""
	if w.containers != nil {
		return nil
	}
	for i := range w.pod.Spec.Containers {
		c := newContainer(w, &w.pod.Spec.Containers[i])
		w.containers = append(w.containers, c)
		w.running.Go(func() { c.run(processes) })
	}
	return nil
}

// publish writes the status if it changed.
func (w *worker) publish(ctx context.Context) {
	status := buildStatus(w.pod, observation{
		address: w.address, hostAddress: w.node.addresses.node(), refused: w.refused, containers: w.observe(), now: metav1.Now(),
	})
	changed, _, same, err := statusutil.PatchPodStatus(ctx, w.node.client, w.pod.Namespace, w.pod.Name, w.pod.UID, w.pod.Status, status)
	switch {
	case err != nil:
		if ctx.Err() == nil && !apierrors.IsNotFound(err) {
			w.node.Say("%s: report status: %v", w.name(), err)
		}
		return
	case !same:
		w.pod = newer(changed, w.pod)
	}
	w.published.Store(w.pod)
}

// newer keeps a deletion that the watch has shown already.
func newer(patched, seen *corev1.Pod) *corev1.Pod {
	if seen.DeletionTimestamp != nil && patched.DeletionTimestamp == nil {
		return seen
	}
	return patched
}

func (w *worker) observe() []containerState {
	var states []containerState
	for _, c := range w.containers {
		states = append(states, c.snapshot())
	}
	return states
}

// finish reports the end, and lets go of a Pod that is being deleted.
func (w *worker) finish() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	w.publish(ctx)
	if w.pod.DeletionTimestamp == nil {
		return
	}
	err := w.node.client.CoreV1().Pods(w.pod.Namespace).Delete(ctx, w.pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: new(int64), Preconditions: metav1.NewUIDPreconditions(string(w.pod.UID)),
	})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		w.node.Say("%s: finish deletion: %v", w.name(), err)
	}
}

func (w *worker) name() string { return w.pod.Namespace + "/" + w.pod.Name }

// complain reports a problem, once as long as it stays the same.
func (w *worker) complain(reason string, err error) {
	if w.complaint == err.Error() {
		return
	}
	w.complaint = err.Error()
	w.event(corev1.EventTypeWarning, reason, err.Error())
}

// event tells both who looks at the Pod and who watches this process.
func (w *worker) event(kind, reason, message string) {
	w.node.recorder.Event(w.pod, kind, reason, message)
	w.node.Say("%s: %s: %s", w.name(), reason, message)
}
