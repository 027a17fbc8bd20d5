package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// errTimeout means that what was waited for did not come in time.
var errTimeout = errors.New("timed out")

// waiter follows one connection and shows how it goes.
type waiter struct {
	client client.WithWatch
	key    client.ObjectKey
	out    io.Writer
	// pause is between attempts to reach the API server; remind is how often it says that it still waits.
	pause, remind time.Duration

	said string
}

func newWaiter(c client.WithWatch, key client.ObjectKey, out io.Writer) *waiter {
	return &waiter{client: c, key: key, out: out, pause: time.Second, remind: 30 * time.Second}
}

// say prints a line of progress, once as long as nothing else was said.
func (w *waiter) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if line != w.said {
		w.said = line
		_, _ = fmt.Fprintln(w.out, line)
	}
}

// until follows the connection until a condition is met or fails. It goes on through trouble with the API server; a connection that is
// gone, or may not be read, ends it.
func (w *waiter) until(ctx context.Context, met func(*v1alpha1.MakeConnection) (bool, error)) error {
	remind := time.NewTicker(w.remind)
	defer remind.Stop()
	for {
		conn := &v1alpha1.MakeConnection{}
		err := w.client.Get(ctx, w.key, conn)
		switch {
		case apierrors.IsNotFound(err):
			return fmt.Errorf("there is no MakeConnection %s", w.key)
		case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
			return err
		case err == nil:
			if done, err := met(conn); done || err != nil {
				return err
			}
			if done, err := w.follow(ctx, remind.C, met); done || err != nil {
				return err
			}
		case ctx.Err() == nil:
			w.say("the API server does not answer, trying again: %v", err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(w.pause):
		}
	}
}

// follow watches until the condition is met, or the watch ends. Where watching is not allowed, looking again does too.
func (w *waiter) follow(ctx context.Context, remind <-chan time.Time, met func(*v1alpha1.MakeConnection) (bool, error)) (bool, error) {
	events, err := w.client.Watch(ctx, &v1alpha1.MakeConnectionList{}, client.InNamespace(w.key.Namespace),
		client.MatchingFields{"metadata.name": w.key.Name})
	if err != nil {
		return false, nil // the next look tells what is wrong, if anything is
	}
	defer events.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-remind:
			_, _ = fmt.Fprintln(w.out, "still waiting; Ctrl-C stops")
		case event, open := <-events.ResultChan():
			if !open {
				return false, nil
			}
			conn, ok := event.Object.(*v1alpha1.MakeConnection)
			if !ok || conn.Name != w.key.Name {
				continue
			}
			if event.Type == "DELETED" {
				return false, fmt.Errorf("MakeConnection %s was deleted", w.key)
			}
			if done, err := met(conn); done || err != nil {
				return done, err
			}
		}
	}
}
