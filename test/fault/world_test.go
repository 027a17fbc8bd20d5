package fault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/testkit/stack"
)

// world is a Make, a namespace of users, and one manager or more with a namespace of their own.
type world struct {
	user, operator string
	make           *makeFront
	manager        *manager // the first
	class          makesim.RefreshClass
	uid            types.UID // of the connection
	root           string    // the Secret of the root token
	bootstrap      string    // a root token of the connection's own; empty where it uses the seed's
	used           bool      // a scenario that leaves no namespace to others ran here

	store *grant.Store

	mu       sync.Mutex
	stored   []stored
	problems []string
	asides   sync.WaitGroup // what goes on beside a case, such as a browser
	ending   atomic.Bool    // tokens may die although they are published
}

// stored is what the API server held of an OAuth grant after a write.
type stored struct {
	uid        types.UID
	at         time.Time
	generation int64
	token      string // fingerprint of the refresh token
	dead       string
}

// manager is a place where a manager process runs, and what stands between it and its servers.
type manager struct {
	world      *world
	name       string
	podUID     string
	api        *apiFront
	apiServer  *httptest.Server
	inj        *injector
	kubeconfig string
	consent    string // address
	program    string
	env        []string
	args       []string

	mu      sync.Mutex
	process *stack.Process
	leaving bool      // it was asked to end
	died    time.Time // when the process was killed by a fault and not started again; zero otherwise
}

var worlds atomic.Int64

// newWorld makes a world whose manager does not run yet. It is gone when the test ends.
func newWorld(t testing.TB) *world {
	t.Helper()
	inj := &injector{}
	front, err := newMakeFront(inj)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(front.server.Close)
	w := &world{make: front, class: makesim.ClassFamily}
	front.deleting = w.checkUnpublished
	if err := w.renew(); err != nil {
		t.Fatal(err)
	}
	w.manager = w.newManager(t, inj)
	return w
}

// renew gives the world namespaces that nobody used before.
func (w *world) renew() error {
	n := worlds.Add(1)
	w.user, w.operator, w.store, w.used = fmt.Sprintf("user-%d", n), fmt.Sprintf("operator-%d", n), nil, false
	for _, name := range []string{w.user, w.operator} {
		if err := cluster.Client.Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return fmt.Errorf("make namespace: %w", err)
		}
	}
	return nil
}

// newManager makes a place for a manager, which is not started. All managers of a world see the same Make; only the first one's
// requests to it are numbered, with those that it sends to the API server.
func (w *world) newManager(t testing.TB, inj *injector) *manager {
	t.Helper()
	m := &manager{world: w, inj: inj, program: cluster.Program("manager"), podUID: string(uuid.NewUUID())}
	m.name = fmt.Sprintf("fault-%d", worlds.Add(1))
	inj.kill, inj.stop, inj.terminate = m.crash, func() { m.signal(syscall.SIGSTOP) }, m.leave
	var err error
	if m.api, m.apiServer, err = newAPIFront(w, inj); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.apiServer.CloseClientConnections)
	t.Cleanup(m.stop)
	dir := t.TempDir()
	m.kubeconfig = filepath.Join(dir, "kubeconfig")
	ca := filepath.Join(dir, "make-ca.pem")
	if err := os.WriteFile(ca, w.make.caPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	config := clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"front": {Server: m.apiServer.URL}},
		Contexts:       map[string]*clientcmdapi.Context{"front": {Cluster: "front"}},
		CurrentContext: "front",
	}
	if err := clientcmd.WriteToFile(config, m.kubeconfig); err != nil {
		t.Fatal(err)
	}
	if m.consent, err = quietAddress(); err != nil {
		t.Fatal(err)
	}
	m.args = []string{
		"--kubeconfig=" + m.kubeconfig, "--allowed-zones=" + w.make.zone(), "--make-ca-file=" + ca,
		"--mcp-image=localhost/none", "--webhook-port=0", "--metrics-bind-address=0", "--health-probe-bind-address=0",
		"--consent-bind-address=" + m.consent, "--consent-url=http://" + m.consent,
	}
	return m
}

// quietAddress is one of loopback that nobody listens at, with a port below those that the system hands out to clients: the process
// that is killed there must find it free again.
func quietAddress() (string, error) {
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(20000))
		listener, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		return address, listener.Close()
	}
	return "", errors.New("find a free port: a hundred are taken")
}

// start starts the process, in the same pod as before.
func (m *manager) start() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	args := append([]string{"env", "POD_NAME=" + m.name, "POD_UID=" + m.podUID}, m.env...)
	args = append(append(args, m.program, "--namespace="+m.world.operator), m.args...)
	p, err := cluster.Launch(m.name, args...)
	if err != nil {
		return err
	}
	m.process, m.died, m.leaving = p, time.Time{}, false
	return nil
}

// replace starts the process in another pod, after the one before is gone.
func (m *manager) replace() error {
	m.podUID = string(uuid.NewUUID())
	return m.start()
}

// crash ends the process as a crash does.
func (m *manager) crash() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.died = time.Now()
	m.process.Kill()
}

// leave asks the process to end, as the kubelet does before it replaces a pod.
func (m *manager) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leaving = true
	_ = syscall.Kill(m.process.PID, syscall.SIGTERM)
}

// left reports whether the process was asked to end, and has ended.
func (m *manager) left() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.leaving && !m.process.Running()
}

// diedAt is when the process was killed; zero while it runs.
func (m *manager) diedAt() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.died
}

func (m *manager) signal(s syscall.Signal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process != nil {
		_ = syscall.Kill(m.process.PID, s)
	}
}

// stop ends the process if it runs.
func (m *manager) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process != nil {
		m.process.Kill()
	}
	m.process = nil
}

// running reports whether the process is there, whoever ended it.
func (m *manager) running() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.process != nil && m.process.Running()
}

// log is where the process writes.
func (m *manager) log() string { return cluster.LogFile(m.name) }

// problem notes that a promise was broken.
func (w *world) problem(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

// takeProblems returns and forgets what was noted.
func (w *world) takeProblems() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.problems
	w.problems = nil
	return out
}

// await waits until done, in small steps that grow; an error says what was waited for.
func await(timeout time.Duration, what string, done func() bool) error {
	for step, end := 30*time.Millisecond, time.Now().Add(timeout); ; step = min(step+10*time.Millisecond, 250*time.Millisecond) {
		if done() {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("waited %v until %s", timeout, what)
		}
		time.Sleep(step) //nolint:forbidigo // another process is at work
	}
}
