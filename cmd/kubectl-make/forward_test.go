package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// kubelet is an API server that only forwards ports, whatever the pod, to one address, by the protocol that kubectl speaks.
type kubelet struct {
	*httptest.Server

	mu    sync.Mutex
	open  []httpstream.Connection
	paths []string
}

func newKubelet(t *testing.T, target string) *kubelet {
	k := &kubelet{}
	k.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := httpstream.Handshake(r, w, []string{"portforward.k8s.io"}); err != nil {
			return
		}
		conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(stream httpstream.Stream, _ <-chan struct{}) error {
			if stream.Headers().Get(corev1.StreamType) == corev1.StreamTypeData {
				go pipe(stream, target)
			}
			return nil
		})
		if conn == nil {
			return
		}
		k.mu.Lock()
		k.open, k.paths = append(k.open, conn), append(k.paths, r.URL.Path)
		k.mu.Unlock()
		<-conn.CloseChan()
	}))
	t.Cleanup(func() { k.hangUp(); k.Close() })
	return k
}

func pipe(stream httpstream.Stream, target string) {
	conn, err := net.Dial("tcp", target)
	if err != nil {
		_ = stream.Reset()
		return
	}
	go func() { _, _ = io.Copy(conn, stream) }()
	_, _ = io.Copy(stream, conn)
	_ = stream.Close()
}

// hangUp ends what is forwarded, as the end of a pod does.
func (k *kubelet) hangUp() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, conn := range k.open {
		_ = conn.Close()
	}
	k.open = nil
}

func (k *kubelet) forwarded() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.paths
}

func operatorPod(name string, ready corev1.ConditionStatus) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: name, Labels: map[string]string{"app": "make-operator"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "consent", ContainerPort: 8082}}}}},
		Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}},
	}
}

func operatorService() *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "make-operator-consent"},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": "make-operator"},
			Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromString("consent")}},
		},
	}
}

// newForwarder forwards a free port of localhost by way of an API server.
func newForwarder(t *testing.T, server string, objects ...client.Object) *forwarder {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return &forwarder{
		client: fake.NewClientBuilder().WithObjects(objects...).Build(), config: &rest.Config{Host: server}, namespace: "ops",
		host: "127.0.0.1", port: port, pause: time.Millisecond, say: func(string, ...any) {},
	}
}

// The port leads to a ready pod, to another one when that pod goes, and to nothing when the command ends.
func TestForward(t *testing.T) {
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the pages") }))
	defer pages.Close()
	cluster := newKubelet(t, pages.Listener.Addr().String())
	f := newForwarder(t, cluster.URL, operatorService(), operatorPod("starting", corev1.ConditionFalse), operatorPod("up", corev1.ConditionTrue))
	lost := make(chan struct{}, 10)
	f.say = func(string, ...any) { lost <- struct{}{} }
	ctx, cancel := context.WithCancel(t.Context())
	up, ended := make(chan struct{}, 10), make(chan error, 1)
	go func() { ended <- f.run(ctx, func() { up <- struct{}{} }) }()
	address := "http://127.0.0.1:" + strconv.Itoa(f.port)
	ask := func() (string, error) {
		response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(address)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return string(body), err
	}
	<-up
	if body, err := ask(); err != nil || body != "the pages" {
		t.Errorf("%q, %v", body, err)
	}
	cluster.hangUp()
	<-lost
	<-up
	if body, err := ask(); err != nil || body != "the pages" {
		t.Errorf("after the pod was replaced: %q, %v", body, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := ask(); err == nil {
		t.Error("the port is open after the end")
	}
	for _, path := range cluster.forwarded() {
		if path != "/api/v1/namespaces/ops/pods/up/portforward" {
			t.Errorf("forwarded to %s", path)
		}
	}
}

// What trying again does not change ends it, with what to do.
func TestForwardGivesUp(t *testing.T) {
	cluster := newKubelet(t, "127.0.0.1:1")
	forbidden := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "pods/portforward is forbidden", http.StatusForbidden)
	}))
	defer forbidden.Close()
	up := operatorPod("up", corev1.ConditionTrue)
	taken := newForwarder(t, cluster.URL, operatorService(), up)
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(taken.port)))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for name, test := range map[string]struct {
		f    *forwarder
		says string
	}{
		"no Service":     {newForwarder(t, cluster.URL, up), "--operator-namespace"},
		"no ready pod":   {newForwarder(t, cluster.URL, operatorService(), operatorPod("starting", corev1.ConditionFalse)), "no pod of the operator is ready"},
		"not allowed":    {newForwarder(t, forbidden.URL, operatorService(), up), "forbidden"},
		"the port taken": {taken, strconv.Itoa(taken.port)},
	} {
		err := test.f.run(t.Context(), func() { t.Errorf("%s: it was ready", name) })
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", name, err, test.says)
		}
	}
}
