package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// consentService is the Service in front of the operator's consent pages.
const consentService = "make-operator-consent"

// forwarder leads a port of this machine to the operator's consent pages, as kubectl port-forward does, and does so again when the pod
// on the other side goes.
type forwarder struct {
	client    client.Client
	config    *rest.Config
	namespace string // the operator's
	host      string // localhost, or an address of this machine
	port      int
	pause     time.Duration
	say       func(format string, args ...any)
}

// run forwards until the context ends, and calls ready when it does the first time. It gives up on what trying again does not change:
// a port that is taken, a permission that is missing, an operator that is not there.
func (f *forwarder) run(ctx context.Context, ready func()) error {
	worked := false
	for ctx.Err() == nil {
		pod, port, err := f.find(ctx)
		if err == nil {
			err = f.forward(ctx, pod, port, func() { worked = true; ready() })
		}
		select {
		case <-ctx.Done():
			continue
		default:
		}
		if !worked && err != nil {
			return fmt.Errorf("forward %s:%d to the operator: %w", f.host, f.port, err)
		}
		f.say("the operator's pod is gone, looking for another one")
		select {
		case <-ctx.Done():
		case <-time.After(f.pause):
		}
	}
	return nil
}

// find is a ready pod behind the Service, and its port.
func (f *forwarder) find(ctx context.Context) (pod string, port int, err error) {
	service := &corev1.Service{}
	err = f.client.Get(ctx, client.ObjectKey{Namespace: f.namespace, Name: consentService}, service)
	if apierrors.IsNotFound(err) {
		return "", 0, fmt.Errorf("there is no Service %s in namespace %s: say where the operator is with --operator-namespace", consentService, f.namespace)
	}
	if err != nil {
		return "", 0, err
	}
	var pods corev1.PodList
	if err := f.client.List(ctx, &pods, client.InNamespace(f.namespace), client.MatchingLabels(service.Spec.Selector)); err != nil {
		return "", 0, err
	}
	for i := range pods.Items {
		if port := portOf(&pods.Items[i], service); port != 0 && isReady(&pods.Items[i]) {
			return pods.Items[i].Name, port, nil
		}
	}
	return "", 0, fmt.Errorf("no pod of the operator is ready in namespace %s", f.namespace)
}

func isReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue && pod.DeletionTimestamp.IsZero()
		}
	}
	return false
}

// portOf is the pod's port behind the first port of the Service; zero if it has none.
func portOf(pod *corev1.Pod, service *corev1.Service) int {
	if len(service.Spec.Ports) == 0 {
		return 0
	}
	target := service.Spec.Ports[0].TargetPort
	if target.IntValue() != 0 {
		return target.IntValue()
	}
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			if p.Name == target.StrVal {
				return int(p.ContainerPort)
			}
		}
	}
	return 0
}

// forward forwards to one pod until the context ends or the pod is gone.
func (f *forwarder) forward(ctx context.Context, pod string, port int, ready func()) error {
	dialer, err := f.dialer(pod)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	up := make(chan struct{})
	ports := []string{strconv.Itoa(f.port) + ":" + strconv.Itoa(port)}
	forward, err := portforward.NewOnAddressesForStreamingWithContext(ctx, dialer, []string{f.host}, ports, up, io.Discard, io.Discard)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- forward.ForwardPorts() }()
	select {
	case <-up:
		ready()
		return <-ended
	case err := <-ended:
		return err
	}
}

// dialer speaks WebSocket with the API server, and SPDY where it or a proxy in between cannot.
func (f *forwarder) dialer(pod string) (httpstream.Dialer, error) {
	set, err := kubernetes.NewForConfig(f.config)
	if err != nil {
		return nil, err
	}
	address := set.CoreV1().RESTClient().Post().Resource("pods").Namespace(f.namespace).Name(pod).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(f.config)
	if err != nil {
		return nil, err
	}
	old := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, address)
	now, err := portforward.NewSPDYOverWebsocketDialerForStreaming(address, f.config)
	if err != nil {
		return nil, err
	}
	return portforward.NewFallbackDialerForStreaming(now, old, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), nil
}
