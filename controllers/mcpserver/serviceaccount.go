package mcpserver

import corev1 "k8s.io/api/core/v1"

// buildServiceAccount is the pods' identity. It has no rights, and no pod gets a token of it.
func buildServiceAccount(in inputs) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: in.metadata(), AutomountServiceAccountToken: new(false)}
}
