package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/testkit/agent"
	"github.com/makeops/make-operator/internal/testkit/stack"
)

// rotationFor is how long TestTokenRotatesUnderCalls goes on; `make soak-mcp` makes it two minutes.
var rotationFor = flag.Duration("rotation-for", 15*time.Second, "how long TestTokenRotatesUnderCalls goes on")

const (
	// rotationPause is the time between two rotations. The old token lives longer than that: several are alive at once.
	rotationPause = 3 * time.Second
	// overlap is how long an old token lives on.
	overlap = int32(6)
	// callers are how many agents call, callPause is the time between two calls of one: in two minutes an agent stays within what it may.
	callers, callPause = 12, time.Second
)

var (
	rotatingConnection = object{"MakeConnection", "sales", "rotating"}
	rotatingServer     = object{"MakeMCPServer", "sales", "rotating-tools"}
)

// TestTokenRotatesUnderCalls: agents with a ServiceAccount's token list tools and run a scenario while the server's token at Make is replaced
// every few seconds and the old ones die. No call fails, and no call reaches Make with a dead token.
func TestTokenRotatesUnderCalls(t *testing.T) {
	server := applyRotating(t)
	began := len(ledger(t))
	agents := startAgents(t, server)
	rotations := 0
	for end := time.Now().Add(*rotationFor); time.Now().Before(end); rotations++ {
		rotate(t, int64(rotations)+1)
		agents.wait(t, rotationPause)
	}
	agents.wait(t, 0)
	lists, runs := agents.stop()
	t.Logf("%d rotations, %d lists and %d runs", rotations, lists, runs)
	if rotations < 3 || lists == 0 || runs < callers*rotations {
		t.Errorf("too little happened: %d rotations, %d lists, %d runs", rotations, lists, runs)
	}
	used := map[string]bool{}
	for _, entry := range ledger(t)[began:] {
		r := entry.Request
		if r == nil || !strings.HasPrefix(r.UserAgent, "make-mcp/") {
			continue
		}
		used[r.Credential] = true
		if r.CredentialState != makesim.StateAlive {
			t.Errorf("%s %s was called with a token that is %s", r.Method, r.Path, r.CredentialState)
		}
	}
	if len(used) < rotations {
		t.Errorf("%d tokens were used in %d rotations: not all reached the server", len(used), rotations)
	}
}

// applyRotating makes a connection and a server of the test's own and returns the server when it is Ready.
func applyRotating(t *testing.T) *v1alpha1.MakeMCPServer {
	t.Helper()
	sample, err := read(t.Context(), shared, apiConnection)
	if err != nil {
		t.Fatal(err)
	}
	conn, ok := sample.(*v1alpha1.MakeConnection)
	if !ok {
		t.Fatalf("%T is no MakeConnection", sample)
	}
	scopes := []v1alpha1.Scope{"scenarios:read", "scenarios:run"}
	own := &v1alpha1.MakeConnection{ObjectMeta: metav1.ObjectMeta{Namespace: rotatingConnection.namespace, Name: rotatingConnection.name}}
	own.Spec = *conn.Spec.DeepCopy()
	own.Spec.Scopes, own.Spec.Consumers = scopes, nil
	own.Spec.Rotation.Generation, own.Spec.Rotation.OverlapSeconds = 0, new(overlap)
	server := &v1alpha1.MakeMCPServer{ObjectMeta: metav1.ObjectMeta{Namespace: rotatingServer.namespace, Name: rotatingServer.name}}
	server.Spec.ConnectionRef.Name, server.Spec.Scopes = own.Name, scopes
	server.Spec.Access.Rules = []v1alpha1.AccessRule{{Scopes: scopes}}
	objects := []ctrlclient.Object{own, server}
	for i := range callers {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: server.Namespace, Name: callerName(i)}}
		objects = append(objects, account)
		server.Spec.Access.Rules[0].ServiceAccounts = append(server.Spec.Access.Rules[0].ServiceAccounts, v1alpha1.ServiceAccountSubject{Name: account.Name})
	}
	for _, o := range objects {
		if err := shared.Client.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := shared.Client.Delete(context.WithoutCancel(t.Context()), o); err != nil {
				t.Errorf("delete %s: %v", o.GetName(), err)
			}
		})
	}
	for _, o := range []object{rotatingConnection, rotatingServer} {
		if err := awaitCondition(t.Context(), shared, o, "Ready", "Succeeded"); err != nil {
			t.Fatal(err)
		}
	}
	if err := shared.Client.Get(t.Context(), ctrlclient.ObjectKeyFromObject(server), server); err != nil {
		t.Fatal(err)
	}
	return server
}

func ledger(t *testing.T) []makesim.Entry {
	t.Helper()
	entries, err := shared.ReadLedger()
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// rotate asks for another token and waits until it is published.
func rotate(t *testing.T, generation int64) {
	t.Helper()
	before := serverToken(t)
	conn := &v1alpha1.MakeConnection{}
	if err := shared.Client.Get(t.Context(), keyOf(rotatingConnection), conn); err != nil {
		t.Fatal(err)
	}
	old := conn.DeepCopy()
	conn.Spec.Rotation.Generation = generation
	if err := shared.Client.Patch(t.Context(), conn, ctrlclient.MergeFrom(old)); err != nil {
		t.Fatal(err)
	}
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		return serverToken(t) != before, nil
	})
	if err != nil {
		t.Fatalf("rotation %d: the token is not replaced: %v", generation, err)
	}
}

func serverToken(t *testing.T) string {
	t.Helper()
	secret := &corev1.Secret{}
	key := ctrlclient.ObjectKey{Namespace: "sales", Name: v1alpha1.ServerSecretName(rotatingConnection.name, rotatingServer.name)}
	if err := shared.Client.Get(t.Context(), key, secret); err != nil {
		t.Fatal(err)
	}
	return string(secret.Data[v1alpha1.TokenKey])
}

// agents call until they are stopped or a call fails.
type agents struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu          sync.Mutex
	lists, runs int
	failed      error
}

func startAgents(t *testing.T, server *v1alpha1.MakeMCPServer) *agents {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	a := &agents{cancel: cancel}
	t.Cleanup(func() { a.stop() })
	for i := range callers {
		caller, err := newCaller(t.Context(), shared, server, callerName(i))
		if err != nil {
			t.Fatal(err)
		}
		a.done.Go(func() { a.repeat(ctx, caller) })
	}
	return a
}

func callerName(i int) string { return fmt.Sprintf("rotating-agent-%d", i) }

// newCaller is an agent that the server's rule names, once the server can be reached.
func newCaller(ctx context.Context, s *stack.Stack, server *v1alpha1.MakeMCPServer, account string) (agent.Agent, error) {
	address, err := s.ServiceAddress(ctx, ctrlclient.ObjectKeyFromObject(server))
	if err != nil {
		return agent.Agent{}, err
	}
	token, err := agent.TokenFor(ctx, s.Client, ctrlclient.ObjectKey{Namespace: server.Namespace, Name: account}, server.Status.URL)
	if err != nil {
		return agent.Agent{}, err
	}
	caller := agent.Agent{URL: server.Status.URL, Address: address, Token: token}
	var last error
	err = wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		_, last = caller.Tools(ctx)
		return last == nil, nil
	})
	if err != nil {
		return agent.Agent{}, errors.Join(err, last)
	}
	return caller, nil
}

// repeat runs the scenario all the time, and lists the tools now and then.
func (a *agents) repeat(ctx context.Context, caller agent.Agent) {
	ticker := time.NewTicker(callPause)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		made, err := &a.runs, error(nil)
		calling := context.WithoutCancel(ctx) // a call under way when the test ends counts too
		if n%5 == 0 {
			made, err = &a.lists, listsTools(calling, caller)
		} else {
			_, err = caller.Call(calling, "scenarios_run", map[string]any{
				"scenarioId": makesim.LeadScenarioID, "data": map[string]any{"email": "ada@example.com", "name": "Ada Example"},
			})
		}
		a.mu.Lock()
		if *made++; err != nil && a.failed == nil {
			a.failed = fmt.Errorf("call %d: %w", n, err)
		}
		a.mu.Unlock()
	}
}

func listsTools(ctx context.Context, caller agent.Agent) error {
	tools, err := caller.Tools(ctx)
	if err == nil && !slices.Contains(tools, "scenarios_run") {
		return fmt.Errorf("tools %q", tools)
	}
	return err
}

// wait lets the agents call for a while.
func (a *agents) wait(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-t.Context().Done():
	case <-time.After(d):
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failed != nil {
		t.Fatalf("a call failed: %v", a.failed)
	}
}

func (a *agents) stop() (lists, runs int) {
	a.cancel()
	a.done.Wait()
	return a.lists, a.runs
}
