package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// borrowed reports whether the cluster is somebody's own, which is left as it was found.
func (s *Stack) borrowed() bool { return s.Kubeconfig != "" }

// refuseInstalled keeps the stack out of a cluster where the operator is installed: two managers would quarrel, and cleaning up would
// take the other's objects away.
func (s *Stack) refuseInstalled(ctx context.Context) error {
	err := s.Client.List(ctx, &v1alpha1.MakeConnectionList{})
	if apimeta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
		return nil
	}
	return errors.Join(errors.New("make-operator is installed in that cluster already: choose another one"), err)
}

// returnCluster deletes what was applied to a borrowed cluster, custom resources first, while the manager still runs.
func (s *Stack) returnCluster(ctx context.Context) error {
	var errs []error
	for _, o := range slices.Backward(s.applied) {
		s.Say("deleting %s %s", o.GetKind(), o.GetName())
		if err := client.IgnoreNotFound(s.Client.Delete(ctx, o)); err != nil {
			errs = append(errs, fmt.Errorf("delete %s %s: %w", o.GetKind(), o.GetName(), err))
			continue
		}
		if o.GroupVersionKind().Group != v1alpha1.GroupVersion.Group {
			continue
		}
		err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
			found := &unstructured.Unstructured{}
			found.SetGroupVersionKind(o.GroupVersionKind())
			return apierrors.IsNotFound(s.Client.Get(ctx, client.ObjectKeyFromObject(o), found)), nil
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("delete %s %s: it is still there", o.GetKind(), o.GetName()))
		}
	}
	s.applied = nil
	return errors.Join(errs...)
}
