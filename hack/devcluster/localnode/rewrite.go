package localnode

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// rewriter makes texts that were written for a container true for a local process: a path below a
// mount becomes the path of the materialised volume, and a listen address without a host, such as
// ":8080", gets the Pod's own address, since all Pods share one network.
type rewriter struct {
	// rules are tried in order; of two mounts the longer path comes first.
	rules []rule
}

// rule replaces the word from; with prefix also where from is followed by a slash.
type rule struct {
	from, to string
	prefix   bool
}

// newRewriter makes the rules of a container; with container nil, of all containers of the Pod.
func newRewriter(pod *corev1.Pod, container *corev1.Container, volumeDir, address string) rewriter {
	containers := pod.Spec.Containers
	if container != nil {
		containers = []corev1.Container{*container}
	}
	var r rewriter
	for _, c := range containers {
		for _, m := range c.VolumeMounts {
			path := filepath.Clean(m.MountPath)
			r.rules = append(r.rules, rule{from: path, to: filepath.Join(volumeDir, m.Name, m.SubPath), prefix: true})
		}
		for _, port := range listenPorts(&c) {
			for _, host := range []string{"", "0.0.0.0", "[::]"} {
				r.rules = append(r.rules, rule{from: fmt.Sprintf("%s:%d", host, port), to: fmt.Sprintf("%s:%d", address, port)})
			}
		}
	}
	slices.SortStableFunc(r.rules, func(a, b rule) int { return len(b.from) - len(a.from) })
	return r
}

// listenPorts are the ports that the container says it serves.
func listenPorts(c *corev1.Container) []int32 {
	var ports []int32
	for _, p := range c.Ports {
		ports = append(ports, p.ContainerPort)
	}
	for _, p := range []*corev1.Probe{c.ReadinessProbe, c.LivenessProbe, c.StartupProbe} {
		switch {
		case p == nil:
		case p.HTTPGet != nil && p.HTTPGet.Port.Type == intstr.Int:
			ports = append(ports, p.HTTPGet.Port.IntVal)
		case p.TCPSocket != nil && p.TCPSocket.Port.Type == intstr.Int:
			ports = append(ports, p.TCPSocket.Port.IntVal)
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// text rewrites whole words only: "/etc/app" in "--dir=/etc/app/x" but not in "https://host/etc/app".
func (r rewriter) text(s string) string {
	var out strings.Builder
	word := true // whether a word may begin here
	for len(s) > 0 {
		if word {
			if strings.HasPrefix(s, "file://") {
				out.WriteString("file://")
				s = s[len("file://"):]
				continue
			}
			if i := slices.IndexFunc(r.rules, func(x rule) bool { return x.matches(s) }); i >= 0 {
				out.WriteString(r.rules[i].to)
				s = s[len(r.rules[i].from):]
				word = false
				continue
			}
		}
		word = strings.IndexByte(" \t\r\n=,:;\"'`([{<>|&", s[0]) >= 0
		out.WriteByte(s[0])
		s = s[1:]
	}
	return out.String()
}

func (x rule) matches(s string) bool {
	rest, ok := strings.CutPrefix(s, x.from)
	if !ok {
		return false
	}
	if rest == "" {
		return true
	}
	if rest[0] == '/' {
		return x.prefix
	}
	return strings.IndexByte(" \t\r\n=,:;\"'`)]}<>|&", rest[0]) >= 0
}
