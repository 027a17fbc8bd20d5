package localnode

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	podresource "k8s.io/kubernetes/pkg/api/v1/resource"
	"k8s.io/kubernetes/pkg/fieldpath"
)

// downwardContext is what a Pod's fields cannot tell while its status is being made.
type downwardContext struct {
	address, hostAddress string
	// container is the one whose resources are meant when the reference names none.
	container string
}

// downwardValue reads a field of the Pod or a resource of one of its containers.
func downwardValue(pod *corev1.Pod, field *corev1.ObjectFieldSelector, resource *corev1.ResourceFieldSelector, c downwardContext) (string, error) {
	switch {
	case field != nil:
		return fieldValue(pod, field.FieldPath, c)
	case resource != nil:
		name := resource.ContainerName
		if name == "" {
			name = c.container
		}
		return podresource.ExtractResourceValueByContainerName(resource, pod, name)
	}
	return "", fmt.Errorf("reference to nothing")
}

func fieldValue(pod *corev1.Pod, path string, c downwardContext) (string, error) {
	switch path {
	case "status.podIP", "status.podIPs":
		return c.address, nil
	case "status.hostIP", "status.hostIPs":
		return c.hostAddress, nil
	case "spec.nodeName":
		return pod.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return pod.Spec.ServiceAccountName, nil
	}
	return fieldpath.ExtractFieldPathAsString(pod, path)
}
