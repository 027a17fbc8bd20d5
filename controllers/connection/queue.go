package connection

import (
	"context"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// How soon something is worth a pass. Everything in the queue has a deadline, a new object as well as a token that ends, so that neither
// starves the other, and a restart begins with what ends first.
const (
	soon  = time.Minute // somebody made or changed something
	later = time.Hour   // nothing is known to be due
)

// priority orders the queue by deadlines: the earlier one is the greater. It is above what other events have, zero and below.
func priority(deadline time.Time) int { return int(1<<40 - deadline.Unix()) }

// byDeadline is a handler whose requests have the priority of a deadline.
type byDeadline struct {
	handler.EventHandler

	clock clock.PassiveClock
	// of is the deadline of an object that was there before the operator; the zero time means later.
	of func(client.Object) time.Time
}

// Create knows what was there before the operator from what is new.
func (h byDeadline) Create(ctx context.Context, e event.CreateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	deadline := h.clock.Now().Add(soon)
	if e.IsInInitialList {
		if deadline = h.of(e.Object); deadline.IsZero() {
			deadline = h.clock.Now().Add(later)
		}
	}
	h.EventHandler.Create(ctx, e, prioritize(q, deadline))
}

// Update tells changes from what the informer only shows again.
func (h byDeadline) Update(ctx context.Context, e event.UpdateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	deadline := h.clock.Now().Add(soon)
	if e.ObjectOld.GetResourceVersion() == e.ObjectNew.GetResourceVersion() {
		deadline = h.clock.Now().Add(later)
	}
	h.EventHandler.Update(ctx, e, prioritize(q, deadline))
}

// Delete is a change.
func (h byDeadline) Delete(ctx context.Context, e event.DeleteEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	h.EventHandler.Delete(ctx, e, prioritize(q, h.clock.Now().Add(soon)))
}

// connectionDeadline is that of a connection by itself: one that never worked was made while nobody looked.
func connectionDeadline(o client.Object) time.Time {
	if conn, ok := o.(*v1alpha1.MakeConnection); ok && len(conn.Status.Conditions) == 0 {
		return conn.CreationTimestamp.Add(soon)
	}
	return time.Time{}
}

// secretDeadline is when the token in a consumer's Secret ends.
func secretDeadline(o client.Object) time.Time {
	expiry, err := time.Parse(time.RFC3339, o.GetAnnotations()[v1alpha1.ExpiryAnnotation])
	if err != nil {
		return time.Time{}
	}
	return expiry
}

// prioritize is q with one priority for all that is added; q itself where it knows none.
func prioritize(q workqueue.TypedRateLimitingInterface[reconcile.Request], deadline time.Time) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	if pq, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		return prioritized{pq, priority(deadline)}
	}
	return q
}

type prioritized struct {
	priorityqueue.PriorityQueue[reconcile.Request]

	priority int
}

func (q prioritized) Add(item reconcile.Request) { q.AddWithOpts(priorityqueue.AddOpts{}, item) }

func (q prioritized) AddAfter(item reconcile.Request, after time.Duration) {
	q.AddWithOpts(priorityqueue.AddOpts{After: after}, item)
}

func (q prioritized) AddRateLimited(item reconcile.Request) {
	q.AddWithOpts(priorityqueue.AddOpts{RateLimited: true}, item)
}

func (q prioritized) AddWithOpts(o priorityqueue.AddOpts, items ...reconcile.Request) {
	o.Priority = &q.priority
	q.PriorityQueue.AddWithOpts(o, items...)
}

// deadline is the connection's own: when the token that its consumers hold ends.
func (p *pass) deadline() time.Time {
	if p.rec != nil && p.rec.OAuth != nil && !p.rec.OAuth.Expiry.IsZero() {
		return p.rec.OAuth.Expiry
	}
	return p.now.Add(later)
}
