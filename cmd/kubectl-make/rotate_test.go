package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// rotated is what kubectl make rotate says.
func rotated(ctx context.Context, t *testing.T, o *operated) (string, error) {
	t.Helper()
	var out bytes.Buffer
	w := newWaiter(o.client, crm, &out)
	w.pause = time.Millisecond
	r := &rotate{IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: &out}, client: o.client, key: crm, waiter: w}
	err := r.run(ctx)
	return out.String(), err
}

// sequence puts a token into a Secret.
func sequence(t *testing.T, c client.Client, name, value string) {
	t.Helper()
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: "sales", Name: name, Annotations: map[string]string{v1alpha1.TokenSequenceAnnotation: value},
	}}
	err := c.Update(t.Context(), s)
	if client.IgnoreNotFound(err) == nil && err != nil {
		err = c.Create(t.Context(), s)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRotate(t *testing.T) {
	ready := conditions("True", "Succeeded", "")
	stalled := v1alpha1.BaseStatus{ObservedGeneration: 1, Conditions: []metav1.Condition{
		{Type: "Ready", Status: "False", Reason: "CredentialRejected", Message: "put a new one into it"}, {Type: "Stalled", Status: "True"},
	}}
	for name, test := range map[string]struct {
		conn     *v1alpha1.MakeConnection
		status   v1alpha1.BaseStatus
		replaces []string // Secrets
		says     string
		fails    bool
	}{
		"all of them":    {connection("crm", ready, "a", "b"), ready, []string{"a", "b"}, "Rotated 2 of 2 tokens of sales/crm. In Git, set spec.rotation.generation to 4.", false},
		"one of them":    {connection("crm", ready, "a", "b"), ready, []string{"b"}, "Rotated 1 of 2", false},
		"a shared token": {connection("crm", ready, "a"), ready, nil, "LeastPrivilege", true},
		"Make refuses":   {connection("crm", ready, "a"), stalled, nil, "CredentialRejected: put a new one into it", true},
		"no tokens":      {connection("crm", stalled), stalled, nil, "no tokens to replace: CredentialRejected", true},
		"no connection":  {nil, ready, nil, "there is no MakeConnection sales/crm", true},
	} {
		t.Run(name, func(t *testing.T) {
			var o *operated
			generation := int64(0)
			if test.conn != nil {
				test.conn.Spec.Rotation.Generation = 3
			}
			o = operate(t, test.conn, func(c *v1alpha1.MakeConnection) {
				generation = c.Spec.Rotation.Generation
				for _, name := range test.replaces {
					sequence(t, o.client, name, "2")
				}
				c.Status.BaseStatus = *test.status.DeepCopy()
				c.Status.ObservedGeneration = c.Generation
			})
			for _, name := range []string{"a", "b"} {
				sequence(t, o.client, name, "1")
			}
			if test.conn != nil { // as an API server, that nobody has looked at the spec yet
				test.conn = test.conn.DeepCopy()
				bump(t, o.client)
			}
			out, err := rotated(t.Context(), t, o)
			if err != nil {
				out += err.Error()
			}
			if (err != nil) != test.fails || !strings.Contains(out, test.says) {
				t.Errorf("%v, want %q:\n%s", err, test.says, out)
			}
			if test.conn != nil && len(test.conn.Status.Secrets) > 0 && generation != 4 {
				t.Errorf("generation %d", generation)
			}
		})
	}
}

// bump gives the connection a generation that its status has not seen, which the fake client does not do by itself.
func bump(t *testing.T, c client.Client) {
	t.Helper()
	conn := &v1alpha1.MakeConnection{}
	if err := c.Get(t.Context(), crm, conn); err != nil {
		t.Fatal(err)
	}
	conn.Generation = 2
	conn.Status.ObservedGeneration = 1
	if err := c.Update(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
}

func TestRotateOfASuspendedOne(t *testing.T) {
	conn := connection("crm", conditions("True", "Succeeded", ""), "a")
	conn.Spec.Suspend = v1alpha1.SuspendEnabled
	o := operate(t, conn)
	if _, err := rotated(t.Context(), t, o); err == nil || !strings.Contains(err.Error(), "spec.suspend") {
		t.Error(err)
	}
	after := &v1alpha1.MakeConnection{}
	if err := o.client.Get(t.Context(), crm, after); err != nil || after.Spec.Rotation.Generation != 0 {
		t.Errorf("generation %d (%v)", after.Spec.Rotation.Generation, err)
	}
}

// Who may not read the Secrets is told that nothing is known of them, and not that nothing was rotated.
func TestRotateWithoutSeeingSecrets(t *testing.T) {
	ready := conditions("True", "Succeeded", "")
	o := operate(t, connection("crm", ready, "a"), func(c *v1alpha1.MakeConnection) { c.Status.ObservedGeneration = 2 })
	bump(t, o.client)
	if out, err := rotated(t.Context(), t, o); err != nil || !strings.Contains(out, "is not known") {
		t.Errorf("%v:\n%s", err, out)
	}
}

func TestRotateStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := operate(t, connection("crm", conditions("True", "Succeeded", ""), "a"), func(*v1alpha1.MakeConnection) { cancel() })
	bump(t, o.client)
	if _, err := rotated(ctx, t, o); err == nil || !strings.Contains(err.Error(), "goes on replacing") {
		t.Error(err)
	}
}
