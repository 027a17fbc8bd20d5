package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/testkit/stack"
)

// applySamples applies config/samples as it stands in the repository, but for the zone: that is makesim's.
func (d *demo) applySamples(ctx context.Context) error {
	objects, err := d.Samples(ctx)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if err := d.Apply(ctx, o); err != nil {
			return err
		}
		d.say("applied %s %s", o.GetKind(), o.GetName())
	}
	return nil
}

// awaitReady waits until an object's Ready condition is True for its current generation.
func (d *demo) awaitReady(ctx context.Context, key client.ObjectKey, obj statusObject) error {
	return d.eventually(ctx, fmt.Sprintf("%s is Ready", key), time.Minute, func(ctx context.Context) (bool, error) {
		if err := d.Client.Get(ctx, key, obj); err != nil {
			return false, err
		}
		ready := apimeta.FindStatusCondition(obj.BaseStatus().Conditions, v1alpha1.Ready)
		return ready != nil && ready.Status == "True" && ready.ObservedGeneration == obj.GetGeneration(), nil
	})
}

// statusObject is a MakeConnection or MakeMCPServer.
type statusObject interface {
	client.Object
	BaseStatus() *v1alpha1.BaseStatus
}

// showRefusal applies a sample that asks for too much.
func (d *demo) showRefusal(ctx context.Context) error {
	const file = "config/samples/invalid/broad-scope.yaml"
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	objects, err := stack.Decode(bytes.NewReader(content))
	if err != nil {
		return err
	}
	d.say("$ kubectl apply -f %s", file)
	refused := d.Apply(ctx, objects[0])
	if refused == nil && d.Kubeconfig != "" {
		return d.showStalled(ctx, objects[0])
	}
	if refused == nil {
		d.verify(false, "%s was accepted", file)
		return errors.Join(d.Client.Delete(ctx, objects[0]))
	}
	message := refused.Error()
	d.say("%s", message)
	_, advice, webhook := strings.Cut(message, "is invalid: ")
	if !webhook { // the API server itself, by the MakeScopePolicy of the samples
		_, advice, _ = strings.Cut(message, "denied request: ")
	}
	d.verify(strings.Contains(advice, "risk Critical") && strings.Contains(advice, "spec.scopes"),
		"a broad scope is refused at kubectl apply, naming field, scope, risk and what to do: %q", advice)
	return nil
}

// showStalled is for a cluster whose API server cannot reach the webhook on this machine: the controller refuses.
func (d *demo) showStalled(ctx context.Context, o *unstructured.Unstructured) error {
	conn := &v1alpha1.MakeConnection{}
	err := d.eventually(ctx, "the connection is Stalled", time.Minute, func(ctx context.Context) (bool, error) {
		err := d.Client.Get(ctx, client.ObjectKeyFromObject(o), conn)
		return apimeta.IsStatusConditionTrue(conn.Status.Conditions, v1alpha1.Stalled), err
	})
	d.verify(err == nil, "a broad scope is refused by the controller, because no webhook runs in this cluster")
	return errors.Join(err, d.Client.Delete(ctx, o))
}

func shortened(s string, length int) string {
	if r := []rune(s); len(r) > length {
		return string(r[:length]) + "…"
	}
	return s
}
