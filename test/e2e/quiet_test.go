package e2e

import (
	"bufio"
	"bytes"
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/testkit/stack"
)

// TestSecondPassIsQuiet restarts the manager, so that it reconciles every object once more with nothing due, and looks at what the API
// server and Make saw of that.
func TestSecondPassIsQuiet(t *testing.T) {
	recounts := func() float64 {
		return samples(metrics(t))[`controller_runtime_reconcile_total{controller="makescopepolicy"`]
	}
	before := recounts()
	refreshNow(t)
	eventually(t, "what the tests before left is counted", func() bool { return recounts() > before }) // policies count a little later
	settled(t)
	shared.Manager.Stop()
	since, called := time.Now(), calls(t)
	if err := shared.StartManager(t.Context()); err != nil {
		t.Fatal(err)
	}
	settled(t)
	writes, err := shared.Writes(since)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range writes {
		if !asks(w) {
			t.Errorf("the manager wrote: %s %s", w.Verb, w.URI)
		}
	}
	for _, call := range calls(t)[len(called):] {
		t.Errorf("the manager called Make: %s", call)
	}
}

// asks reports whether a request only has the form of a write: it stores nothing.
func asks(r stack.Request) bool {
	return strings.Contains(r.URI, "/token") || strings.Contains(r.URI, "tokenreviews") || strings.Contains(r.URI, "accessreviews")
}

// refreshNow has the short-lived token refreshed, so that nothing is due for minutes.
func refreshNow(t *testing.T) {
	t.Helper()
	key := ctrlclient.ObjectKey{Namespace: "sales", Name: v1alpha1.ConsumerSecretName("crm-oauth", "reporting")}
	sequence := func() string {
		secret := &corev1.Secret{}
		if err := shared.Client.Get(t.Context(), key, secret); err != nil {
			t.Fatal(err)
		}
		return secret.Annotations[v1alpha1.TokenSequenceAnnotation]
	}
	before := sequence()
	conn := &v1alpha1.MakeConnection{}
	if err := shared.Client.Get(t.Context(), keyOf(oauthConnection), conn); err != nil {
		t.Fatal(err)
	}
	changed := conn.DeepCopy()
	changed.Spec.Rotation.Generation++
	if err := shared.Client.Patch(t.Context(), changed, ctrlclient.MergeFrom(conn)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the token is refreshed", func() bool { return sequence() != before })
	if err := awaitCondition(t.Context(), shared, oauthConnection, "Ready", "Succeeded"); err != nil {
		t.Fatal(err)
	}
}

// settled waits until the manager has looked at every object and has nothing in its queues.
func settled(t *testing.T) {
	t.Helper()
	eventually(t, "the manager has nothing to do", func() bool {
		values := samples(metrics(t))
		return values[`controller_runtime_reconcile_total{controller="makeconnection"`] >= 2 &&
			values[`controller_runtime_reconcile_total{controller="makemcpserver"`] >= 1 &&
			values["workqueue_depth{"] == 0 && values["controller_runtime_active_workers{"] == 0
	})
}

// samples sums up metrics that begin alike.
func samples(text []byte) map[string]float64 {
	sums := map[string]float64{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), "} ")
		number, err := strconv.ParseFloat(value, 64)
		if !ok || err != nil {
			continue
		}
		sums[name[:strings.Index(name, "{")+1]] += number
		first, _, _ := strings.Cut(name, ",")
		sums[first] += number
	}
	return sums
}

// calls are the requests that Make got so far.
func calls(t *testing.T) []string {
	t.Helper()
	entries, err := shared.ReadLedger()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if e.Request != nil {
			all = append(all, e.Request.Method+" "+e.Request.Path)
		}
	}
	return all
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		return done(), nil
	})
	if err != nil {
		t.Fatalf("wait until %s: %v", what, err)
	}
}
