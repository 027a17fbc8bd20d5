package grant

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// +kubebuilder:rbac:groups="",namespace=make-operator-system,resources=pods,verbs=get

// Pods tells whether a holder's pod still exists. Its zero value is not usable.
type Pods struct {
	// Live reads past every cache.
	Live client.Reader
	// Namespace is the operator's.
	Namespace string
}

// Gone reports whether the holder's pod has ended or was replaced. A holder outside a pod is never known to be gone.
func (p Pods) Gone(ctx context.Context, h Holder) (bool, error) {
	if h.PodName == "" {
		return false, nil
	}
	pod := &corev1.Pod{}
	err := p.Live.Get(ctx, client.ObjectKey{Namespace: p.Namespace, Name: h.PodName}, pod)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	return ended || string(pod.UID) != h.PodUID, nil
}
