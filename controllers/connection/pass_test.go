package connection_test

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/testkit/person"
)

// outcome is what a pass left.
type outcome struct {
	// queue is when the connection is looked at again: "backoff", "event", or "timer" after next.
	queue string
	next  time.Duration
	err   error
	// status is what kstatus makes of the connection; empty when it is gone.
	status status.Status
	// conditions are "Status/Reason" by type, messages their messages.
	conditions map[string]string
	messages   map[string]string
}

// pass reconciles crm once, and checks what must hold after every pass.
func (w *world) pass() outcome {
	GinkgoHelper()
	result, err := w.reconciler.Reconcile(w.ctx, w.crm())
	o := outcome{queue: "event", next: result.RequeueAfter, err: err}
	switch {
	case errors.Is(err, reconcile.TerminalError(nil)):
	case err != nil:
		o.queue = "backoff"
	case result.RequeueAfter > 0:
		o.queue = "timer"
	}
	if err != nil {
		logged.add(err.Error()) // controller-runtime logs it
	}
	conn := &v1alpha1.MakeConnection{}
	err = live.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "crm"}, conn)
	if apierrors.IsNotFound(err) {
		return o
	}
	Expect(err).NotTo(HaveOccurred())
	o.read(conn)
	o.check(conn)
	w.canary.learn(w)
	return o
}

func (o *outcome) read(conn *v1alpha1.MakeConnection) {
	GinkgoHelper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(conn)
	Expect(err).NotTo(HaveOccurred())
	computed, err := status.Compute(&unstructured.Unstructured{Object: content})
	Expect(err).NotTo(HaveOccurred())
	o.status = computed.Status
	o.conditions, o.messages = map[string]string{}, map[string]string{}
	for _, c := range conn.Status.Conditions {
		o.conditions[c.Type] = string(c.Status) + "/" + c.Reason
		o.messages[c.Type] = c.Message
	}
}

// check compares the conditions with what kstatus and the queue make of them.
func (o *outcome) check(conn *v1alpha1.MakeConnection) {
	GinkgoHelper()
	is := func(condition string) bool { return meta.IsStatusConditionTrue(conn.Status.Conditions, condition) }
	Expect(is(v1alpha1.Reconciling) && is(v1alpha1.Stalled)).To(BeFalse(), "Reconciling and Stalled together")
	Expect(conn.Status.ObservedGeneration).To(Equal(conn.Generation))
	for _, c := range conn.Status.Conditions {
		if conn.DeletionTimestamp.IsZero() {
			Expect(c.ObservedGeneration).To(Equal(conn.Generation), "observedGeneration of "+c.Type)
		}
	}
	switch {
	case !conn.DeletionTimestamp.IsZero():
		Expect(o.status).To(Equal(status.TerminatingStatus))
		Expect(o.queue).NotTo(Equal("event"), "a deletion that waits for nothing")
	case is(v1alpha1.Stalled):
		Expect(o.status).To(Equal(status.FailedStatus))
		Expect(o.queue).NotTo(Equal("backoff"))
	case is(v1alpha1.Reconciling):
		Expect(o.status).To(Equal(status.InProgressStatus))
		Expect(o.queue).NotTo(Equal("event"), "reconciling, but nothing wakes it")
	default:
		Expect(o.status).To(Equal(status.CurrentStatus))
		Expect(is(v1alpha1.Ready)).To(BeTrue())
		Expect(o.err).NotTo(HaveOccurred())
	}
}

// ready reconciles crm once and expects it to be Ready.
func (w *world) ready() outcome {
	GinkgoHelper()
	o := w.pass()
	Expect(o.conditions).To(HaveKeyWithValue(v1alpha1.Ready, "True/Succeeded"), "%v", o.messages)
	Expect(o.status).To(Equal(status.CurrentStatus))
	return o
}

// failing reconciles crm once and expects Ready to be False for a reason.
func (w *world) failing(reason string) outcome {
	GinkgoHelper()
	o := w.pass()
	Expect(o.conditions).To(HaveKeyWithValue(v1alpha1.Ready, "False/"+reason), "%v", o.messages)
	return o
}

// stalled is failing where a person has to act.
func (w *world) stalled(reason string) outcome {
	GinkgoHelper()
	o := w.failing(reason)
	Expect(o.status).To(Equal(status.FailedStatus))
	return o
}

// quiet reconciles crm once and expects neither a write nor a call to Make.
func (w *world) quiet() outcome {
	GinkgoHelper()
	w.writes.take()
	calls := len(w.calls())
	o := w.pass()
	Expect(w.writes.take()).To(BeEmpty(), "writes to the API server")
	Expect(w.calls()[calls:]).To(BeEmpty(), "calls to Make")
	return o
}

// due moves the clock to when a pass asked to be called again.
func (w *world) due(o outcome) {
	GinkgoHelper()
	Expect(o.queue).To(Equal("timer"))
	w.clock.Step(o.next)
}

// consent does what a person does in the browser, as a user of Make, and returns the last page's status.
func (w *world) consent(user int64) int {
	GinkgoHelper()
	browser, err := person.New(person.InProcess(w.pages.Handler()))
	Expect(err).NotTo(HaveOccurred())
	page, err := browser.Consent(w.ctx, w.pages.PublicURL+"/connect/"+w.namespace+"/crm",
		func(ctx context.Context, authorize string) (*url.URL, error) {
			return w.sim.Approve(ctx, authorize, user)
		})
	Expect(err).NotTo(HaveOccurred())
	w.shown.add(browser.Seen())
	return page.Status
}

// alive tells whether a minted token is alive, by its fingerprint.
func (w *world) alive(fingerprint string) bool {
	for _, e := range w.sim.Ledger() {
		if e.Token != nil && e.Token.Token == fingerprint && e.Token.Event != makesim.TokenMinted {
			return false // deleted or revoked; API tokens do not expire
		}
	}
	return true
}
