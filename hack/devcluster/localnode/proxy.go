package localnode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	corelisters "k8s.io/client-go/listers/core/v1"
)

// serviceProxy is an HTTP proxy on loopback that stands in for cluster DNS and kube-proxy: a request
// for http://NAME.NAMESPACE.svc goes to a ready Pod of that Service, its Host unchanged. Anything else
// it passes on. A process uses it by HTTP_PROXY.
type serviceProxy struct {
	services corelisters.ServiceLister
	pods     func() []*corev1.Pod
	url      string
	turn     atomic.Uint32
}

func (p *serviceProxy) start(ctx context.Context) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the Service proxy: %w", err)
	}
	p.url = "http://" + listener.Addr().String()
	server := &http.Server{Handler: p.handler(), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	go server.Serve(listener)
	return nil
}

func (p *serviceProxy) handler() http.Handler {
	// Every request chooses its Pod; with kept connections it could reach one that is going away.
	transport := &http.Transport{DialContext: p.dial, DisableKeepAlives: true}
	forward := &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1, // streams pass as they come
		Rewrite:       func(r *httputil.ProxyRequest) {},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodConnect:
			p.tunnel(w, r)
		case r.URL.Host == "":
			http.Error(w, "this is an HTTP proxy", http.StatusBadRequest)
		default:
			forward.ServeHTTP(w, r)
		}
	})
}

func (p *serviceProxy) dial(ctx context.Context, network, address string) (net.Conn, error) {
	target, err := p.resolve(address)
	if err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, network, target)
}

func (p *serviceProxy) tunnel(w http.ResponseWriter, r *http.Request) {
	upstream, err := p.dial(r.Context(), "tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer upstream.Close()
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer client.Close()
	fmt.Fprint(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		_, _ = io.Copy(upstream, buffered)
		upstream.Close()
	}()
	_, _ = io.Copy(client, upstream)
}

var errNoEndpoint = errors.New("no ready Pod")

// resolve turns a Service's name and port into a Pod's address and port; other addresses stay.
func (p *serviceProxy) resolve(address string) (string, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("parse address: %w", err)
	}
	name, namespace, ok := serviceName(host)
	if !ok {
		return address, nil
	}
	number, err := strconv.ParseInt(portText, 10, 32)
	if err != nil {
		return "", fmt.Errorf("parse port: %w", err)
	}
	service, err := p.services.Services(namespace).Get(name)
	if err != nil {
		return "", fmt.Errorf("find Service %s/%s: %w", namespace, name, err)
	}
	endpoints := endpointsOf(service, int32(number), p.pods())
	if len(endpoints) == 0 {
		return "", fmt.Errorf("choose a Pod of Service %s/%s, port %d: %w", namespace, name, number, errNoEndpoint)
	}
	return endpoints[int(p.turn.Add(1))%len(endpoints)], nil
}

// serviceName takes NAME.NAMESPACE.svc and its longer form apart.
func serviceName(host string) (name, namespace string, ok bool) {
	host = strings.TrimSuffix(strings.TrimSuffix(host, "."), ".cluster.local")
	part := strings.Split(host, ".")
	if len(part) != 3 || part[2] != "svc" {
		return "", "", false
	}
	return part[0], part[1], true
}

// endpointsOf are the addresses behind a Service's port.
func endpointsOf(service *corev1.Service, port int32, ready []*corev1.Pod) []string {
	i := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == port })
	if i < 0 || len(service.Spec.Selector) == 0 {
		return nil
	}
	target := service.Spec.Ports[i].TargetPort
	if target == (intstr.IntOrString{}) {
		target = intstr.FromInt32(port)
	}
	selector := labels.SelectorFromSet(service.Spec.Selector)
	var all []string
	for _, pod := range ready {
		if pod.Namespace != service.Namespace || !selector.Matches(labels.Set(pod.Labels)) {
			continue
		}
		for c := range pod.Spec.Containers {
			if number, err := portNumber(&pod.Spec.Containers[c], target); err == nil {
				all = append(all, net.JoinHostPort(pod.Status.PodIP, fmt.Sprint(number)))
				break
			}
		}
	}
	slices.Sort(all)
	return all
}
