package step_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/step"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rig runs steps on one connection that is stored in a fake API server.
type rig struct {
	t      *testing.T
	runner *step.Runner
	clock  *clocktesting.FakePassiveClock
	client client.Client
	events *events.FakeRecorder
	// writes counts the status writes that reached the API server; refuse, unless nil, is what it answers to them.
	writes int
	refuse error
}

func newRig(t *testing.T) *rig {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, clock: clocktesting.NewFakePassiveClock(start), events: events.NewFakeRecorder(100)}
	conn := &v1alpha1.MakeConnection{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "crm", Generation: 1}}
	r.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(conn).WithStatusSubresource(conn).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
				r.writes++
				if r.refuse != nil {
					return r.refuse
				}
				return c.SubResource(sub).Patch(ctx, o, p, opts...)
			},
		}).Build()
	r.runner = &step.Runner{Client: r.client, Events: r.events, Clock: r.clock, Grace: step.DefaultGrace}
	return r
}

// stored is the connection as the API server has it.
func (r *rig) stored() *v1alpha1.MakeConnection {
	r.t.Helper()
	conn := &v1alpha1.MakeConnection{}
	if err := r.client.Get(r.t.Context(), client.ObjectKey{Namespace: "sales", Name: "crm"}, conn); err != nil {
		r.t.Fatal(err)
	}
	return conn
}

// edit gives the spec another generation.
func (r *rig) edit() {
	r.t.Helper()
	conn := r.stored()
	conn.Generation++
	if err := r.client.Update(r.t.Context(), conn); err != nil {
		r.t.Fatal(err)
	}
}

// run makes a pass over the stored connection with steps First, Second, … that return errs.
func (r *rig) run(errs ...error) (reconcile.Result, error) {
	r.t.Helper()
	return r.runner.Run(r.t.Context(), r.stored(), stepsOf(errs)...)
}

func stepsOf(errs []error) []step.Step {
	var steps []step.Step
	for i, err := range errs {
		steps = append(steps, step.Step{
			Condition: []string{"First", "Second", "Third"}[i], Do: func(context.Context) error { return err },
		})
	}
	return steps
}

// conditions are the stored ones, one line each: Type=Status/Reason.
func (r *rig) conditions() []string {
	r.t.Helper()
	var lines []string
	for _, c := range r.stored().Status.Conditions {
		lines = append(lines, fmt.Sprintf("%s=%s/%s", c.Type, c.Status, c.Reason))
	}
	return lines
}

// kstatus is what Argo CD, Flux and kubectl wait make of the stored connection.
func (r *rig) kstatus() status.Status {
	r.t.Helper()
	conn := r.stored()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(conn)
	if err != nil {
		r.t.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("MakeConnection"))
	computed, err := status.Compute(u)
	if err != nil {
		r.t.Fatal(err)
	}
	return computed.Status
}

// told are the events so far, each as "Type Reason …".
func (r *rig) told() []string {
	var all []string
	for {
		select {
		case e := <-r.events.Events:
			all = append(all, strings.Join(strings.Fields(e)[:2], " "))
		default:
			return all
		}
	}
}

// queue says what the workqueue would do about a result.
func queue(result reconcile.Result, err error) string {
	switch {
	case errors.Is(err, reconcile.TerminalError(nil)):
		return "stop"
	case err != nil:
		return "backoff"
	case result.RequeueAfter > 0:
		return "after " + result.RequeueAfter.String()
	default:
		return "done"
	}
}
