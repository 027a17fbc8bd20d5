package mcpserver

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// servicePort is the name of the port that agents call, in the Service and in the pods.
const servicePort = "http"

// buildService is where agents reach the server. Operations have no Service: they are for the kubelet.
func buildService(in inputs) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: in.metadata(),
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeClusterIP,
			Selector: in.selector(),
			Ports: []corev1.ServicePort{{
				Name: servicePort, Port: 80, TargetPort: intstr.FromString(servicePort), Protocol: corev1.ProtocolTCP,
			}},
		},
	}
}
