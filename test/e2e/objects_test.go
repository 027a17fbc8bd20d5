package e2e

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/testkit/stack"
)

// object names one of our objects.
type object struct{ kind, namespace, name string }

// The objects of config/samples.
var (
	apiConnection   = object{"MakeConnection", "sales", "crm"}
	oauthConnection = object{"MakeConnection", "sales", "crm-oauth"}
	mcpServer       = object{"MakeMCPServer", "sales", "crm-tools"}
)

func keyOf(o object) ctrlclient.ObjectKey {
	return ctrlclient.ObjectKey{Namespace: o.namespace, Name: o.name}
}

// withStatus is a kind that the runner keeps conditions for.
type withStatus interface {
	ctrlclient.Object
	BaseStatus() *v1alpha1.BaseStatus
}

func read(ctx context.Context, s *stack.Stack, o object) (withStatus, error) {
	var obj withStatus = &v1alpha1.MakeConnection{}
	if o.kind == "MakeMCPServer" {
		obj = &v1alpha1.MakeMCPServer{}
	}
	return obj, s.Client.Get(ctx, keyOf(o), obj)
}

// awaitCondition waits until a condition of the current generation has a reason.
func awaitCondition(ctx context.Context, s *stack.Stack, o object, condition, reason string) error {
	last := "there is no such condition"
	err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		obj, err := read(ctx, s, o)
		if err != nil {
			return false, err
		}
		c := meta.FindStatusCondition(obj.BaseStatus().Conditions, condition)
		if c == nil {
			return false, nil
		}
		last = fmt.Sprintf("it is %s: %s", c.Reason, c.Message)
		return c.Reason == reason && c.ObservedGeneration == obj.GetGeneration(), nil
	})
	if err != nil {
		return fmt.Errorf("wait until %s of %s %s/%s is %s: %w; %s", condition, o.kind, o.namespace, o.name, reason, err, last)
	}
	return nil
}
