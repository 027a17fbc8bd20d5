package connection

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// TestQueueByDeadline fills controller-runtime's own queue as informers do, and takes out what comes first.
func TestQueueByDeadline(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := clocktesting.NewFakePassiveClock(now)
	byName := handler.EventHandler(&handler.EnqueueRequestForObject{})
	connections := byDeadline{byName, clock, connectionDeadline}
	secrets := byDeadline{byName, clock, secretDeadline}
	conn := func(name string, changes ...func(*v1alpha1.MakeConnection)) *v1alpha1.MakeConnection {
		c := &v1alpha1.MakeConnection{ObjectMeta: metav1.ObjectMeta{
			Name: name, ResourceVersion: "2", CreationTimestamp: metav1.NewTime(now.Add(-time.Hour)),
		}}
		c.Status.Conditions = []metav1.Condition{{Type: v1alpha1.Ready}}
		for _, change := range changes {
			change(c)
		}
		return c
	}
	secret := func(name string, ends time.Duration) client.Object {
		return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{
			v1alpha1.ExpiryAnnotation: now.Add(ends).Format(time.RFC3339),
		}}}
	}
	q := priorityqueue.New[reconcile.Request]("test")
	defer q.ShutDown()
	ctx := t.Context()
	initial := func(h byDeadline, o client.Object) {
		h.Create(ctx, event.CreateEvent{Object: o, IsInInitialList: true}, q)
	}
	for i := range 50 { // what a restart finds, in the order in which the API server lists it
		initial(connections, conn(fmt.Sprintf("rest-%02d", i)))
	}
	for _, name := range []string{"ends-in-240s", "ends-in-30s", "ended"} {
		initial(connections, conn(name))
	}
	initial(secrets, secret("ends-in-240s", 240*time.Second))
	initial(secrets, secret("ends-in-30s", 30*time.Second))
	initial(secrets, secret("ended", -10*time.Second))
	initial(secrets, &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "rest-00"}})
	initial(connections, conn("made-meanwhile", func(c *v1alpha1.MakeConnection) { c.Status.Conditions = nil }))
	connections.Create(ctx, event.CreateEvent{Object: conn("new")}, q)
	connections.Update(ctx, event.UpdateEvent{ObjectOld: conn("seen-again"), ObjectNew: conn("seen-again")}, q)
	older := conn("changed")
	older.ResourceVersion = "1"
	connections.Update(ctx, event.UpdateEvent{ObjectOld: older, ObjectNew: conn("changed")}, q)
	secrets.Delete(ctx, event.DeleteEvent{Object: secret("secret-deleted", time.Hour)}, q)
	q.AddWithOpts(priorityqueue.AddOpts{}, request("by-another-watch")) // with the priority that others have

	var got []string
	for range 8 {
		item, _, _ := q.GetWithPriority()
		got = append(got, item.Name)
		q.Done(item)
	}
	want := []string{"made-meanwhile", "ended", "ends-in-30s", "new", "changed", "secret-deleted", "ends-in-240s", "rest-00"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	last := ""
	for range 51 {
		item, _, _ := q.GetWithPriority()
		last = item.Name
		q.Done(item)
	}
	if last != "by-another-watch" {
		t.Errorf("the last is %s", last)
	}
}

func request(name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}
}

// A flood of new objects lets a refresh through that is due before them, and a flood of refreshes a new object.
func TestNeitherStarves(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	refresh, fresh := priority(now.Add(50*time.Second)), priority(now.Add(soon))
	if refresh <= fresh {
		t.Error("a token that ends before a new object is due comes after it")
	}
	if laterRefresh := priority(now.Add(135 * time.Second)); fresh <= laterRefresh {
		t.Error("a new object comes after tokens that live on for minutes")
	}
	if priority(now.Add(100*365*24*time.Hour)) <= 0 {
		t.Error("a far deadline is below what has none")
	}
}
