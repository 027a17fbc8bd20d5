package connection_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// lines is text that many may write. The zero value is empty.
type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, line)
}

func (l *lines) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.text, "\n")
}

// take returns the lines and forgets them.
func (l *lines) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.text
	l.text = nil
	return taken
}

// logger logs all that the operator logs. From 8 on client-go logs the bodies of its requests.
func (l *lines) logger() logr.Logger {
	return funcr.New(func(prefix, args string) { l.add(prefix + " " + args) }, funcr.Options{Verbosity: 7})
}

// recorder keeps events as "Type Reason note".
type recorder struct{ lines }

func (r *recorder) Eventf(_, _ runtime.Object, kind, reason, _, note string, args ...any) {
	r.add(kind + " " + reason + " " + fmt.Sprintf(note, args...))
}

// writes counts what the operator writes to the API server, each as "verb Kind", and can refuse it.
type writes struct {
	lines
	// refuse, unless nil, is asked before each write.
	refuse func(write string, obj client.Object) error
	// lost lets the answer of the next write get lost.
	lost bool
}

func (w *writes) do(verb string, obj client.Object, write func() error) error {
	gvk, err := apiutil.GVKForObject(obj, live.Scheme())
	if err != nil {
		return err
	}
	what := verb + " " + gvk.Kind
	if w.refuse != nil {
		if err := w.refuse(what, obj); err != nil {
			return err
		}
	}
	w.add(what)
	if w.lost {
		w.lost = false
		return errors.Join(errors.New("connection lost"), write())
	}
	return write()
}

// client is the operator's. It counts writes, and it lists MakeMCPServers by their connection as the manager's index does.
func (w *writes) client() client.WithWatch {
	return interceptor.NewClient(live, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return w.do("create", o, func() error { return c.Create(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return w.do("update", o, func() error { return c.Update(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return w.do("patch", o, func() error { return c.Patch(ctx, o, p, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return w.do("delete", o, func() error { return c.Delete(ctx, o, opts...) })
		},
		SubResourcePatch: func(
			ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption,
		) error {
			return w.do("patch "+sub+" of", o, func() error { return c.SubResource(sub).Patch(ctx, o, p, opts...) })
		},
		List: listServersByConnection,
	})
}

func listServersByConnection(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
	servers, ok := list.(*v1alpha1.MakeMCPServerList)
	if !ok {
		return c.List(ctx, list, opts...)
	}
	asked := (&client.ListOptions{}).ApplyOptions(opts)
	if asked.FieldSelector == nil { // the consent pages, which read past the cache
		return c.List(ctx, list, opts...)
	}
	name, ok := asked.FieldSelector.RequiresExactMatch("spec.connectionRef.name")
	if !ok {
		return fmt.Errorf("list MakeMCPServers by %s: no such index", asked.FieldSelector)
	}
	asked.FieldSelector = nil
	if err := c.List(ctx, servers, asked); err != nil {
		return err
	}
	var found []v1alpha1.MakeMCPServer
	for _, s := range servers.Items {
		if s.Spec.ConnectionRef.Name == name {
			found = append(found, s)
		}
	}
	servers.Items = found
	return nil
}

// refuseSecret refuses every write of a Secret of that name.
func refuseSecret(name string, err error) func(string, client.Object) error {
	return func(_ string, obj client.Object) error {
		if _, ok := obj.(*corev1.Secret); ok && obj.GetName() == name {
			return err
		}
		return nil
	}
}
