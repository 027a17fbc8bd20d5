package localnode

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestServiceName(t *testing.T) {
	for host, want := range map[string][2]string{
		"crm.sales.svc":                {"crm", "sales"},
		"crm.sales.svc.cluster.local":  {"crm", "sales"},
		"crm.sales.svc.cluster.local.": {"crm", "sales"},
		"crm.sales":                    {},
		"www.make.com":                 {},
	} {
		name, namespace, _ := serviceName(host)
		if got := [2]string{name, namespace}; got != want {
			t.Errorf("serviceName(%q) = %v, want %v", host, got, want)
		}
	}
}

func TestEndpointsOf(t *testing.T) {
	pod := func(namespace, label, ip string) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Labels: map[string]string{"app": label}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}}}},
			Status:     corev1.PodStatus{PodIP: ip},
		}
	}
	pods := []*corev1.Pod{pod("a", "x", "127.0.0.3"), pod("a", "x", "127.0.0.2"), pod("a", "y", "127.0.0.4"), pod("b", "x", "127.0.0.5")}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "a"}, Spec: corev1.ServiceSpec{
		Selector: map[string]string{"app": "x"},
		Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromString("http")}, {Port: 81}},
	}}
	for port, want := range map[int32][]string{
		80: {"127.0.0.2:8080", "127.0.0.3:8080"},
		81: {"127.0.0.2:81", "127.0.0.3:81"},
		82: nil,
	} {
		if got := endpointsOf(service, port, pods); !reflect.DeepEqual(got, want) {
			t.Errorf("endpointsOf(%d) = %v, want %v", port, got, want)
		}
	}
}
