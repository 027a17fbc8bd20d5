package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// operated is a cluster in which an operator does one thing after the other, each once the command has looked at the last.
type operated struct {
	client client.WithWatch
	steps  []func(*v1alpha1.MakeConnection)
}

// operate makes a cluster with a connection. The steps change it as the operator would.
func operate(t *testing.T, conn *v1alpha1.MakeConnection, steps ...func(*v1alpha1.MakeConnection)) *operated {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	o := &operated{steps: steps}
	b := fake.NewClientBuilder().WithScheme(scheme).WithIndex(&v1alpha1.MakeConnection{}, "metadata.name", func(o client.Object) []string {
		return []string{o.GetName()}
	})
	if conn != nil {
		b = b.WithObjects(conn)
	}
	o.client = b.WithInterceptorFuncs(interceptor.Funcs{
		Watch: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) (watch.Interface, error) {
			if len(o.steps) == 0 {
				return c.Watch(ctx, list, opts...)
			}
			w := watch.NewFakeWithChanSize(1, false) // tells of one step and ends, as watches do now and then
			w.Modify(o.act(ctx, t, c))
			w.Stop()
			return w, nil
		},
	}).Build()
	return o
}

// act does the next step.
func (o *operated) act(ctx context.Context, t *testing.T, c client.Client) *v1alpha1.MakeConnection {
	conn := &v1alpha1.MakeConnection{}
	if err := c.Get(ctx, crm, conn); err != nil {
		t.Error(err)
	}
	o.steps[0](conn)
	o.steps = o.steps[1:]
	if err := c.Update(ctx, conn); err != nil {
		t.Error(err)
	}
	return conn
}

var crm = client.ObjectKey{Namespace: "sales", Name: "crm"}

const page = "https://make.example/connect/sales/crm"

// set is a step, or a start: the conditions of the status as pairs of type and status, and where to consent.
func set(address string, conditions ...string) func(*v1alpha1.MakeConnection) {
	return func(c *v1alpha1.MakeConnection) {
		c.Status.ObservedGeneration = c.Generation
		c.Status.Authorization.URL = address
		c.Status.Conditions = nil
		for i := 0; i < len(conditions); i += 2 {
			c.Status.Conditions = append(c.Status.Conditions, metav1.Condition{
				Type: conditions[i], Status: metav1.ConditionStatus(conditions[i+1]), Reason: "SomeReason", Message: "do this and that",
			})
		}
	}
}

func oauthConnection(change func(*v1alpha1.MakeConnection)) *v1alpha1.MakeConnection {
	c := connection("crm", v1alpha1.BaseStatus{})
	c.Generation = 1
	c.Spec.Auth.OAuth = &v1alpha1.OAuthAuth{}
	change(c)
	return c
}

// logged is what a login did.
type logged struct {
	err       error
	out       string
	opened    string
	forwarded bool
}

// logIn runs kubectl make login.
func logIn(ctx context.Context, t *testing.T, o *operated, change func(*login)) logged {
	t.Helper()
	var out bytes.Buffer
	var did logged
	streams := genericiooptions.IOStreams{Out: &out, ErrOut: &out}
	w := newWaiter(o.client, crm, &out)
	w.pause = time.Millisecond
	stopped := make(chan struct{})
	l := &login{
		IOStreams: streams, client: o.client, key: crm, waiter: w,
		open: func(_ context.Context, address string) error { did.opened = address; return nil },
		forward: func(ctx context.Context, _ *url.URL, ready func()) error {
			did.forwarded = true
			ready()
			<-ctx.Done()
			close(stopped)
			return nil
		},
	}
	if change != nil {
		change(l)
	}
	did.err = l.run(ctx)
	if did.forwarded {
		<-stopped // it does not outlive the command
	}
	did.out = out.String()
	return did
}

func TestLogin(t *testing.T) {
	o := operate(t, oauthConnection(func(*v1alpha1.MakeConnection) {}),
		set(page, "Authorized", "False"),
		set("", "Authorized", "True", "Ready", "False"),
		func(c *v1alpha1.MakeConnection) {
			c.Status.Account.Name = "Ada Example"
			set("", "Authorized", "True", "Ready", "True")(c)
		})
	did := logIn(t.Context(), t, o, nil)
	if did.err != nil || did.opened != page || did.forwarded || !strings.Contains(did.out, "sales/crm is connected as Ada Example.") {
		t.Errorf("opened %q, forwarded %t (%v):\n%s", did.opened, did.forwarded, did.err, did.out)
	}
	for _, line := range []string{"waiting for the operator to look at", "Your browser opens " + page, "waiting for your consent", "until they are published"} {
		if !strings.Contains(did.out, line) {
			t.Errorf("does not say %q:\n%s", line, did.out)
		}
	}
}

// Pages on this machine are forwarded to the operator, unless they are there already; what listens there instead is not taken for them.
func TestLoginForwards(t *testing.T) {
	listener := func(name string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Server", name) }))
		t.Cleanup(server.Close)
		return server.URL + "/connect/sales/crm"
	}
	for name, test := range map[string]struct {
		address string
		want    bool
	}{
		"nothing there":       {"http://localhost:1/connect/sales/crm", true},
		"the operator there":  {listener("make-operator"), false},
		"something else":      {listener("nginx"), true},
		"the operator public": {page, false},
	} {
		o := operate(t, oauthConnection(set(test.address, "Authorized", "False")), set("", "Authorized", "True", "Ready", "True"))
		if did := logIn(t.Context(), t, o, nil); did.err != nil || did.forwarded != test.want || did.opened != test.address {
			t.Errorf("%s: forwarded %t, opened %q (%v):\n%s", name, did.forwarded, did.opened, did.err, did.out)
		}
	}
}

// Without a browser the address is printed.
func TestLoginWithoutBrowser(t *testing.T) {
	for name, change := range map[string]func(*login){
		"not wanted": func(l *login) { l.open = nil },
		"not there": func(l *login) {
			l.open = func(context.Context, string) error { return errors.New("there is no display") }
		},
	} {
		o := operate(t, oauthConnection(set(page, "Authorized", "False")), set("", "Authorized", "True", "Ready", "True"))
		if did := logIn(t.Context(), t, o, change); did.err != nil || did.opened != "" || !strings.Contains(did.out, page) {
			t.Errorf("%s: %v:\n%s", name, did.err, did.out)
		}
	}
}

// What cannot end well ends at once, and says what to do.
func TestLoginRefuses(t *testing.T) {
	token := connection("crm", v1alpha1.BaseStatus{})
	token.Spec.Auth.APIToken = &v1alpha1.APITokenAuth{}
	for name, test := range map[string]struct {
		conn  *v1alpha1.MakeConnection
		steps []func(*v1alpha1.MakeConnection)
		says  string
	}{
		"none":      {nil, nil, "there is no MakeConnection sales/crm"},
		"API token": {token, nil, "nothing to consent to"},
		"suspended": {oauthConnection(func(c *v1alpha1.MakeConnection) { c.Spec.Suspend = v1alpha1.SuspendEnabled }), nil, "spec.suspend"},
		"refused":   {oauthConnection(set("", "Authorized", "Unknown", "Stalled", "True", "Ready", "False")), nil, "SomeReason: do this and that"},
		"a script":  {oauthConnection(set("javascript:alert(1)", "Authorized", "False")), nil, "--consent-url"},
		"a file":    {oauthConnection(set("file:///etc/passwd", "Authorized", "False")), nil, "--consent-url"},
		"an option": {oauthConnection(set("--version", "Authorized", "False")), nil, "--consent-url"},
		"less than it needs": {
			oauthConnection(set(page, "Authorized", "False")),
			[]func(*v1alpha1.MakeConnection){set(page, "Authorized", "True", "Ready", "False", "Stalled", "True")},
			"do this and that",
		},
	} {
		did := logIn(t.Context(), t, operate(t, test.conn, test.steps...), nil)
		if did.err == nil || !strings.Contains(did.err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", name, did.err, test.says)
		}
		if len(test.steps) == 0 && did.opened != "" {
			t.Errorf("%s: opened %q", name, did.opened)
		}
	}
}

func TestLoginOfAConnectedOne(t *testing.T) {
	o := operate(t, oauthConnection(set("", "Authorized", "True", "Ready", "True")))
	if did := logIn(t.Context(), t, o, nil); did.err != nil || did.opened != "" || !strings.Contains(did.out, "--again") {
		t.Errorf("%v:\n%s", did.err, did.out)
	}
	o = operate(t, oauthConnection(set("", "Authorized", "True", "Ready", "True")),
		set(page, "Authorized", "True", "Ready", "True"), set("", "Authorized", "True", "Ready", "True"))
	did := logIn(t.Context(), t, o, func(l *login) { l.again = true })
	conn := &v1alpha1.MakeConnection{}
	if err := o.client.Get(t.Context(), crm, conn); err != nil {
		t.Fatal(err)
	}
	if did.err != nil || did.opened != page || conn.Annotations[v1alpha1.ConsentAnnotation] == "" {
		t.Errorf("again: opened %q, annotations %v (%v):\n%s", did.opened, conn.Annotations, did.err, did.out)
	}
}

// Ctrl-C and the end of the time stop everything, and say how things stand; so does a forwarded port that breaks for good.
func TestLoginStops(t *testing.T) {
	const local = "http://localhost:1/connect/sales/crm"
	interrupted, interrupt := context.WithCancel(t.Context())
	late, tooLate := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer tooLate()
	for name, test := range map[string]struct {
		ctx    context.Context
		change func(*login)
		says   string
	}{
		"Ctrl-C": {interrupted, func(l *login) { l.open = func(context.Context, string) error { interrupt(); return nil } }, "stopped"},
		"late":   {late, func(*login) {}, "nobody consented in time"},
		"broken": {t.Context(), func(l *login) {
			l.forward = func(context.Context, *url.URL, func()) error { return errors.New("address already in use") }
		}, "address already in use"},
		"broken later": {t.Context(), func(l *login) {
			l.forward = func(_ context.Context, _ *url.URL, ready func()) error {
				ready()
				return errors.New("may not any more")
			}
		}, "may not any more"},
	} {
		did := logIn(test.ctx, t, operate(t, oauthConnection(set(local, "Authorized", "False"))), test.change)
		if did.err == nil || !strings.Contains(did.err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", name, did.err, test.says)
		}
	}
	did := logIn(late, t, operate(t, oauthConnection(func(*v1alpha1.MakeConnection) {})), nil)
	if did.err == nil || !strings.Contains(did.err.Error(), "does it run?") {
		t.Errorf("nobody looks at it: %v", did.err)
	}
}
