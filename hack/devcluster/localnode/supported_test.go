package localnode

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestUnsupported(t *testing.T) {
	images := map[string]string{"localhost/app:dev": "/bin/app"}
	base := func() *corev1.Pod {
		return &corev1.Pod{Spec: corev1.PodSpec{
			SecurityContext: &corev1.PodSecurityContext{},
			Containers:      []corev1.Container{{Name: "app", Image: "localhost/app:dev"}},
		}}
	}
	yes := true
	for name, test := range map[string]struct {
		change          func(*corev1.PodSpec)
		refusal, notice string
	}{
		"plain":    {change: func(*corev1.PodSpec) {}},
		"image":    {change: func(s *corev1.PodSpec) { s.Containers[0].Image = "x" }, refusal: `has image "x"`},
		"shell":    {change: func(s *corev1.PodSpec) { s.Containers[0].Command = []string{"/bin/sh"} }, refusal: "not at the root"},
		"init":     {change: func(s *corev1.PodSpec) { s.InitContainers = make([]corev1.Container, 1) }, refusal: "init containers"},
		"exec":     {change: func(s *corev1.PodSpec) { s.Containers[0].ReadinessProbe = &corev1.Probe{} }, refusal: "probe"},
		"hostPath": {change: func(s *corev1.PodSpec) { s.Volumes = []corev1.Volume{{Name: "h"}} }, refusal: `volume "h"`},
		"security": {change: func(s *corev1.PodSpec) { s.SecurityContext.RunAsNonRoot = &yes }, notice: "security context"},
		"hook":     {change: func(s *corev1.PodSpec) { s.Containers[0].Lifecycle = &corev1.Lifecycle{} }, notice: "lifecycle hook"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := base()
			test.change(&pod.Spec)
			refusals, notices := unsupported(pod, images)
			expect(t, "refusals", refusals, test.refusal)
			expect(t, "notices", notices, test.notice)
		})
	}
}

func expect(t *testing.T, what string, have []string, want string) {
	t.Helper()
	if want == "" && len(have) != 0 || want != "" && (len(have) != 1 || !strings.Contains(have[0], want)) {
		t.Errorf("%s: %q, want %q", what, have, want)
	}
}
