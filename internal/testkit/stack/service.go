package stack

import (
	"context"
	"fmt"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ServiceAddress is where the first port of a Service is reached from this machine. Without a node nothing routes to Services, so
// it is the address of a ready pod behind it.
func (s *Stack) ServiceAddress(ctx context.Context, key client.ObjectKey) (string, error) {
	service := &corev1.Service{}
	if err := s.Client.Get(ctx, key, service); err != nil {
		return "", err
	}
	if s.Node {
		port := strconv.Itoa(int(service.Spec.Ports[0].Port))
		return s.Forward(ctx, key.Name, net.JoinHostPort(service.Spec.ClusterIP, port))
	}
	var pods corev1.PodList
	if err := s.Client.List(ctx, &pods, client.InNamespace(key.Namespace), client.MatchingLabels(service.Spec.Selector)); err != nil {
		return "", err
	}
	for _, pod := range pods.Items {
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				return net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(int(pod.Spec.Containers[0].Ports[0].ContainerPort))), nil
			}
		}
	}
	return "", fmt.Errorf("service %s has no ready pod", key)
}
