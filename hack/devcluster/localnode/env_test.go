package localnode

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
)

func TestEnvironmentAndCommandLine(t *testing.T) {
	s := &sources{namespace: "sales", secrets: map[string]cache.SharedInformer{"s": knownObjects(t, secretOf("secret"))}}
	c := &corev1.Container{
		Image:   "localhost/app:dev",
		Command: []string{"/other", "serve"},
		Args:    []string{"--key=$(KEY)", "--unknown=$(NONE)", "--literal=$$(KEY)"},
		Env: []corev1.EnvVar{
			{Name: "TOKEN", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: "s"}, Key: "token",
			}}},
			{Name: "KEY", Value: "$(TOKEN)-$(IP)"},
			{Name: "IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}},
			{Name: "KEY", Value: "$(TOKEN)-$(IP)"},
		},
	}
	env, err := environment(&corev1.Pod{}, c, s, downwardContext{address: "127.1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"TOKEN": "secret", "IP": "127.1.2.3", "KEY": "secret-127.1.2.3"}; !reflect.DeepEqual(env, want) {
		t.Errorf("environment: %v, want %v", env, want)
	}
	line, err := commandLine(c, map[string]string{"localhost/app:dev": "/bin/app"}, env)
	if want := []string{"/bin/other", "serve", "--key=secret-127.1.2.3", "--unknown=$(NONE)", "--literal=$(KEY)"}; err != nil || !reflect.DeepEqual(line, want) {
		t.Errorf("command line: %q, %v; want %q", line, err, want)
	}
	c.Env[0].ValueFrom.SecretKeyRef.Key = "absent"
	if _, err := environment(&corev1.Pod{}, c, s, downwardContext{}); err == nil {
		t.Error("an absent key gave no error")
	}
}
