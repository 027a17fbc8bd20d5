package localnode

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestRewriter(t *testing.T) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{
		Name:  "app",
		Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
		ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
			HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromInt32(8081)},
		}},
		VolumeMounts: []corev1.VolumeMount{
			{Name: "config", MountPath: "/etc/app"},
			{Name: "ca", MountPath: "/etc/app/ca/"},
			{Name: "files", MountPath: "/srv/one.yaml", SubPath: "one.yaml"},
		},
	}}}}
	r := newRewriter(pod, &pod.Spec.Containers[0], "/v", "127.1.2.3")
	for in, want := range map[string]string{
		"/etc/app":                             "/v/config",
		"--config=/etc/app/c.yaml":             "--config=/v/config/c.yaml",
		"/etc/app/ca/pem":                      "/v/ca/pem",
		"/etc/application":                     "/etc/application",
		"/opt/etc/app":                         "/opt/etc/app",
		"https://host/etc/app":                 "https://host/etc/app",
		"file:///etc/app/x":                    "file:///v/config/x",
		"a:/etc/app,/etc/app/ca":               "a:/v/config,/v/ca",
		"/srv/one.yaml":                        "/v/files/one.yaml",
		`listen: ":8080"`:                      `listen: "127.1.2.3:8080"`,
		"--a=:8080 --b=0.0.0.0:8081":           "--a=127.1.2.3:8080 --b=127.1.2.3:8081",
		"[::]:8080":                            "127.1.2.3:8080",
		":9090":                                ":9090",
		":80801":                               ":80801",
		"http://crm.sales.svc:8080/mcp":        "http://crm.sales.svc:8080/mcp",
		"dir: '/etc/app'\nother: /etc/app/b\n": "dir: '/v/config'\nother: /v/config/b\n",
		"":                                     "",
	} {
		if got := r.text(in); got != want {
			t.Errorf("text(%q) = %q, want %q", in, got, want)
		}
	}
}
