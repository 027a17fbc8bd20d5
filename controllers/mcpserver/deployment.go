package mcpserver

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/makeops/make-operator/api/v1alpha1"
)

const (
	configVolume = "config"
	tokenVolume  = "token"
	// operationsName is the name of the container's port for the kubelet.
	operationsName = "operations"
	// nonRoot is the user and group that make-mcp's image runs as.
	nonRoot = 65532
	// podIP is the variable with the pod's address.
	podIP = "POD_IP"
	// leaveSeconds is how long a pod that ends still takes calls: the nodes lead to it until they know.
	leaveSeconds = 5
	// graceSeconds is longer than that and than make-mcp lets running calls finish, 45 seconds.
	graceSeconds = 60
	// oldVersions is how many former ReplicaSets are kept for rollbacks.
	oldVersions = 2
)

// buildDeployment runs make-mcp, one pod at a time; a new one is ready before the old one goes. Pods are restarted when what they
// read once changes. The rest of their files they read again by themselves.
func buildDeployment(in inputs, config *corev1.ConfigMap) *appsv1.Deployment {
	pod := metav1.ObjectMeta{
		Labels:      in.metadata().Labels,
		Annotations: map[string]string{v1alpha1.ConfigAnnotation: configHash(config)},
	}
	if in.restarts() {
		pod.Annotations[v1alpha1.TokenSequenceAnnotation] = in.tokenSequence
	}
	return &appsv1.Deployment{
		ObjectMeta: in.metadata(),
		Spec: appsv1.DeploymentSpec{
			Replicas:             new(int32(1)),
			RevisionHistoryLimit: new(int32(oldVersions)),
			Selector:             &metav1.LabelSelector{MatchLabels: in.selector()},
			Strategy: appsv1.DeploymentStrategy{
				Type: appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{
					MaxUnavailable: new(intstr.FromInt32(0)), MaxSurge: new(intstr.FromInt32(1)),
				},
			},
			Template: corev1.PodTemplateSpec{ObjectMeta: pod, Spec: in.podSpec()},
		},
	}
}

// configHash is a hash of what make-mcp reads once. Keys are not part of it: it reads them again.
func configHash(config *corev1.ConfigMap) string {
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(config.Data)) {
		if name != keysFile {
			fmt.Fprintf(hash, "%s\x00%s\x00", name, config.Data[name])
		}
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}

func (in inputs) podSpec() corev1.PodSpec {
	spec := corev1.PodSpec{
		ServiceAccountName:            in.server.Name,
		AutomountServiceAccountToken:  new(false),
		EnableServiceLinks:            new(false),
		TerminationGracePeriodSeconds: new(int64(graceSeconds)),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: new(true), RunAsUser: new(int64(nonRoot)), RunAsGroup: new(int64(nonRoot)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{in.container()},
		Volumes: []corev1.Volume{{Name: configVolume, VolumeSource: corev1.VolumeSource{
			ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: in.server.Name}},
		}}},
	}
	if !in.restarts() {
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: tokenVolume, VolumeSource: corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{SecretName: in.secretName()},
		}})
	}
	return spec
}

func (in inputs) container() corev1.Container {
	c := corev1.Container{
		Name:            "make-mcp",
		Image:           in.image,
		ImagePullPolicy: corev1.PullIfNotPresent,
		Args:            in.args(),
		Env: append([]corev1.EnvVar{
			{Name: podIP, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}},
		}, in.collector()...),
		Ports: []corev1.ContainerPort{
			{Name: servicePort, ContainerPort: mcpPort, Protocol: corev1.ProtocolTCP},
			{Name: operationsName, ContainerPort: operationsPort, Protocol: corev1.ProtocolTCP},
		},
		Resources:      in.resources(),
		ReadinessProbe: probeOf("/readyz", 5),
		LivenessProbe:  probeOf("/healthz", 20),
		Lifecycle: &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{
			Sleep: &corev1.SleepAction{Seconds: leaveSeconds}, // the image has no shell that could
		}},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
		VolumeMounts: []corev1.VolumeMount{{Name: configVolume, MountPath: configDir, ReadOnly: true}},
	}
	if in.restarts() {
		c.Env = append(c.Env, in.fromSecret(v1alpha1.EnvAPIKey), in.fromSecret(v1alpha1.EnvZone))
	} else { // the whole folder: a file mounted by subPath would never change
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: tokenVolume, MountPath: tokenDir, ReadOnly: true})
	}
	return c
}

const (
	// heapGrowth is by how many per cent the heap may grow between two collections: calls leave much garbage and little else, so that Go's
	// own 100 would collect all the time. Measured: docs/mcp-server.md, Performance.
	heapGrowth = 200
	// heapPercent is which part of the container's memory limit Go may use before it collects more often.
	heapPercent = 80
)

// collector are the settings of Go's garbage collector. Without a memory limit there is nothing to keep to but heapGrowth.
func (in inputs) collector() []corev1.EnvVar {
	env := []corev1.EnvVar{{Name: "GOGC", Value: strconv.Itoa(heapGrowth)}}
	if limit, limited := in.resources().Limits[corev1.ResourceMemory]; limited {
		env = append(env, corev1.EnvVar{Name: "GOMEMLIMIT", Value: strconv.FormatInt(limit.Value()/100*heapPercent, 10)})
	}
	return env
}

// args name each file and address again that the configuration has, so that make-mcp can be run as a plain process too: whoever does
// that rewrites the paths of mounted files in the arguments. The addresses are the pod's own, and no others of its host;
// brackets suit both families.
func (in inputs) args() []string {
	args := []string{
		"--config=" + path.Join(configDir, configFile),
		"--jwks-file=" + path.Join(configDir, keysFile),
		fmt.Sprintf("--listen=[$(%s)]:%d", podIP, mcpPort),
		fmt.Sprintf("--operations-listen=[$(%s)]:%d", podIP, operationsPort),
	}
	if !in.restarts() {
		args = append(args, "--token-dir="+tokenDir)
	}
	if len(in.makeCA) > 0 {
		args = append(args, "--upstream-ca-file="+path.Join(configDir, caFile))
	}
	return args
}

// fromSecret is an environment variable with the value of the same key in the server's Secret.
func (in inputs) fromSecret(key string) corev1.EnvVar {
	return corev1.EnvVar{Name: key, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: in.secretName()}, Key: key,
	}}}
}

// resources are those of the spec, or the defaults that its documentation states.
func (in inputs) resources() corev1.ResourceRequirements {
	if r := in.server.Spec.Resources; len(r.Limits)+len(r.Requests)+len(r.Claims) > 0 {
		return r
	}
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("20m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("128Mi")},
	}
}

func probeOf(path string, seconds int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString(operationsName)}},
		PeriodSeconds: seconds,
	}
}
