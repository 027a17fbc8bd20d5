package localnode

import (
	"fmt"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// unsupported says why a Pod cannot run here (refusals, none if it can), and which of its wishes have
// no effect (notices).
func unsupported(pod *corev1.Pod, images map[string]string) (refusals, notices []string) {
	spec := &pod.Spec
	if len(spec.InitContainers) != 0 {
		refusals = append(refusals, "it has init containers")
	}
	for i := range spec.Volumes {
		if !supportedVolume(&spec.Volumes[i].VolumeSource) {
			refusals = append(refusals, fmt.Sprintf("volume %q is of an unsupported kind", spec.Volumes[i].Name))
		}
	}
	securityContext := spec.SecurityContext != nil && !equality.Semantic.DeepEqual(*spec.SecurityContext, corev1.PodSecurityContext{})
	resources, hooks := false, false
	for i := range spec.Containers {
		c := &spec.Containers[i]
		refusals = append(refusals, refuseContainer(c, images)...)
		securityContext = securityContext || c.SecurityContext != nil
		resources = resources || len(c.Resources.Limits)+len(c.Resources.Requests) != 0
		hooks = hooks || c.Lifecycle != nil
	}
	for _, n := range []struct {
		wanted bool
		what   string
	}{
		{securityContext, "security context"},
		{resources, "resource limit"},
		{hooks, "lifecycle hook"},
		{len(spec.HostAliases) != 0 || spec.DNSConfig != nil, "DNS or hosts setting"},
	} {
		if n.wanted {
			notices = append(notices, n.what)
		}
	}
	return refusals, notices
}

func supportedVolume(v *corev1.VolumeSource) bool {
	if v.Projected == nil {
		return v.Secret != nil || v.ConfigMap != nil || v.DownwardAPI != nil || v.EmptyDir != nil
	}
	for _, s := range v.Projected.Sources {
		if s.Secret == nil && s.ConfigMap == nil && s.DownwardAPI == nil && s.ServiceAccountToken == nil {
			return false
		}
	}
	return true
}

func refuseContainer(c *corev1.Container, images map[string]string) []string {
	var why []string
	refuse := func(format string, args ...any) {
		why = append(why, fmt.Sprintf("container %q ", c.Name)+fmt.Sprintf(format, args...))
	}
	if _, err := program(c, images); err != nil {
		refuse("%v", err)
	}
	for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if p != nil && p.HTTPGet == nil && p.TCPSocket == nil {
			refuse("has a probe that is neither httpGet nor tcpSocket")
		}
	}
	for _, m := range c.VolumeMounts {
		if m.SubPathExpr != "" {
			refuse("mounts %q with subPathExpr", m.Name)
		}
	}
	if len(c.VolumeDevices) != 0 {
		refuse("has volume devices")
	}
	for _, e := range c.Env {
		if e.ValueFrom != nil && e.ValueFrom.FileKeyRef != nil {
			refuse("takes %s from a file", e.Name)
		}
	}
	return why
}

// program is the binary that a container runs. An image of this project holds binaries at its root and
// nothing else; a command may name its entrypoint or another binary of the same folder.
func program(c *corev1.Container, images map[string]string) (string, error) {
	entrypoint, ok := images[c.Image]
	if !ok {
		return "", fmt.Errorf("has image %q, for which no binary was given (--image %s=PATH)", c.Image, c.Image)
	}
	if len(c.Command) == 0 {
		return entrypoint, nil
	}
	name := filepath.Base(c.Command[0])
	if filepath.Dir(c.Command[0]) != "/" && c.Command[0] != name {
		return "", fmt.Errorf("has command %q, which is not at the root of the image", c.Command[0])
	}
	return filepath.Join(filepath.Dir(entrypoint), name), nil
}
