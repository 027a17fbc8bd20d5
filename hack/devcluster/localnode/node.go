package localnode

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/kubernetes/pkg/kubelet/token"
)

// Name of the Node.
const Name = "local"

// Options describe where a node gets and keeps things.
type Options struct {
	// Config has the identity of the node Name.
	Config *rest.Config
	// CAFile is the cluster's certificate authority, CertFile and KeyFile the node's serving pair.
	CAFile, CertFile, KeyFile string
	// Subnet is the first three numbers of the loopback addresses to use, see Subnet.
	Subnet string
	// PodDir and LogDir are folders for volumes and for the output of containers.
	PodDir, LogDir string
	// Images maps an image's name, as Pods write it, to the binary that is its entrypoint.
	Images map[string]string
	// Say prints one line for the person who watches.
	Say func(format string, args ...any)
}

// Node is a running one.
type Node struct {
	Options
	client    kubernetes.Interface
	tokens    *token.Manager
	recorder  record.EventRecorder
	addresses *addressPool
	launcher  *launcher
	proxy     *serviceProxy
	// ctx ends when the node should; Pods are then stopped.
	ctx context.Context

	mu      sync.Mutex
	workers map[types.UID]*worker
	running sync.WaitGroup
}

// Start registers the node and begins to run Pods until ctx ends. Wait returns when they are gone.
func Start(ctx context.Context, o Options) (*Node, error) {
	client, err := kubernetes.NewForConfig(o.Config)
	if err != nil {
		return nil, fmt.Errorf("create client: %w", err)
	}
	n := &Node{
		Options: o, client: client, ctx: ctx,
		tokens:    token.NewManager(client),
		addresses: newAddressPool(o.Subnet),
		launcher:  newLauncher(),
		workers:   map[types.UID]*worker{},
	}
	events := record.NewBroadcaster(record.WithContext(context.WithoutCancel(ctx)))
	events.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")})
	n.recorder = events.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "devcluster", Host: Name})
	port, err := n.serveLogs(ctx)
	if err != nil {
		return nil, err
	}
	if err := n.register(ctx, port); err != nil {
		return nil, err
	}
	go n.heartbeat(ctx)
	services := informers.NewSharedInformerFactory(client, 0)
	n.proxy = &serviceProxy{services: services.Core().V1().Services().Lister(), pods: n.readyPods}
	services.Start(ctx.Done())
	services.WaitForCacheSync(ctx.Done())
	if err := n.proxy.start(ctx); err != nil {
		return nil, err
	}
	return n, n.watchPods(ctx)
}

// HTTPProxy is the URL of a proxy that knows Services by their cluster names.
func (n *Node) HTTPProxy() string { return n.proxy.url }

// Wait returns when all Pods have stopped, after the context of Start has ended.
func (n *Node) Wait() {
	<-n.ctx.Done()
	n.running.Wait()
}

func (n *Node) watchPods(ctx context.Context) error {
	mine := fields.OneTermEqualSelector("spec.nodeName", Name)
	source := cache.NewListWatchFromClient(n.client.CoreV1().RESTClient(), "pods", corev1.NamespaceAll, mine)
	pods := cache.NewSharedInformer(source, &corev1.Pod{}, 0)
	_, err := pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { n.dispatch(o.(*corev1.Pod)) },
		UpdateFunc: func(_, o any) { n.dispatch(o.(*corev1.Pod)) },
		DeleteFunc: func(o any) {
			if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = gone.Obj
			}
			n.forget(o.(*corev1.Pod).UID)
		},
	})
	if err != nil {
		return fmt.Errorf("watch pods: %w", err)
	}
	go pods.RunWithContext(ctx)
	if !cache.WaitForCacheSync(ctx.Done(), pods.HasSynced) {
		return fmt.Errorf("watch pods: %w", context.Cause(ctx))
	}
	return nil
}

// dispatch gives a Pod to its worker, a new one for a new Pod.
func (n *Node) dispatch(pod *corev1.Pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if w, ok := n.workers[pod.UID]; ok {
		w.update(pod)
		return
	}
	finished := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	if n.ctx.Err() != nil || finished && pod.DeletionTimestamp == nil {
		return
	}
	ctx, cancel := context.WithCancel(n.ctx)
	w := newWorker(n, pod, cancel)
	n.workers[pod.UID] = w
	n.running.Go(func() {
		w.run(ctx)
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.workers, pod.UID)
	})
}

// forget stops a Pod that was deleted without waiting for this node.
func (n *Node) forget(uid types.UID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if w, ok := n.workers[uid]; ok {
		w.cancel()
	}
}

// readyPods are the Pods that may get traffic, as last published.
func (n *Node) readyPods() []*corev1.Pod {
	n.mu.Lock()
	defer n.mu.Unlock()
	var ready []*corev1.Pod
	for _, w := range n.workers {
		if pod := w.published.Load(); pod != nil && isReady(pod) {
			ready = append(ready, pod)
		}
	}
	return ready
}

// apiServer is where processes of Pods reach the API server.
func (n *Node) apiServer() (host, port string) {
	host, port, err := net.SplitHostPort(hostOf(n.Config.Host))
	if err != nil {
		return hostOf(n.Config.Host), "443"
	}
	return host, port
}

// grace is how long Pods get when the node itself stops.
const grace = 3 * time.Second
