package localnode

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
)

// observation is what a worker knows of its Pod.
type observation struct {
	address, hostAddress string
	// refused is why the Pod cannot run; empty if it can.
	refused    string
	containers []containerState
	now        metav1.Time
}

// buildStatus is the Pod's next status, made from its present one.
func buildStatus(pod *corev1.Pod, o observation) corev1.PodStatus {
	status := *pod.Status.DeepCopy()
	status.ObservedGeneration = pod.Generation
	if status.StartTime == nil {
		status.StartTime = &o.now
	}
	status.HostIP, status.HostIPs = o.hostAddress, []corev1.HostIP{{IP: o.hostAddress}}
	if o.address != "" {
		status.PodIP, status.PodIPs = o.address, []corev1.PodIP{{IP: o.address}}
	}
	status.ContainerStatuses = nil
	for i := range pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, containerStatus(pod, i, o))
	}
	status.Phase = phaseOf(pod, o)
	setConditions(pod, &status, o)
	return status
}

func containerStatus(pod *corev1.Pod, i int, o observation) corev1.ContainerStatus {
	spec := &pod.Spec.Containers[i]
	status := corev1.ContainerStatus{Name: spec.Name, Image: spec.Image, Started: new(bool)}
	if o.refused != "" {
		status.State.Waiting = &corev1.ContainerStateWaiting{Reason: "CreateContainerConfigError", Message: o.refused}
		return status
	}
	if i >= len(o.containers) {
		status.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
		return status
	}
	c := o.containers[i]
	status.ImageID = "local://" + c.binary
	status.RestartCount = c.restarts
	*status.Started = c.started
	status.Ready = c.ready
	if c.running != nil || c.last != nil {
		status.ContainerID = containerID(pod, spec)
	}
	switch {
	case c.running != nil:
		status.State.Running = c.running
		status.LastTerminationState.Terminated = c.last
	case c.finished && c.last != nil:
		status.State.Terminated = c.last
	default:
		status.State.Waiting = c.waiting
		status.LastTerminationState.Terminated = c.last
	}
	return status
}

func containerID(pod *corev1.Pod, c *corev1.Container) string {
	return "local://" + string(pod.UID) + "/" + c.Name
}

func phaseOf(pod *corev1.Pod, o observation) corev1.PodPhase {
	if len(o.containers) == 0 {
		return corev1.PodPending
	}
	finished, failed, began := 0, 0, 0
	for _, c := range o.containers {
		if c.running != nil || c.last != nil {
			began++
		}
		if c.finished && c.last != nil {
			finished++
			if c.last.ExitCode != 0 {
				failed++
			}
		}
	}
	switch {
	case began == 0:
		return corev1.PodPending
	case finished < len(o.containers) || pod.Spec.RestartPolicy == corev1.RestartPolicyAlways:
		return corev1.PodRunning
	case failed > 0:
		return corev1.PodFailed
	}
	return corev1.PodSucceeded
}

func setConditions(pod *corev1.Pod, status *corev1.PodStatus, o observation) {
	containersReady := len(o.containers) == len(pod.Spec.Containers)
	for _, c := range o.containers {
		containersReady = containersReady && c.ready
	}
	ready, reason := containersReady, "ContainersNotReady"
	for _, gate := range pod.Spec.ReadinessGates {
		if _, c := podutil.GetPodCondition(status, gate.ConditionType); c == nil || c.Status != corev1.ConditionTrue {
			ready, reason = false, "ReadinessGatesNotReady"
		}
	}
	set := func(kind corev1.PodConditionType, ok bool, reason string) {
		c := corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, ObservedGeneration: pod.Generation}
		if !ok {
			c.Status, c.Reason = corev1.ConditionFalse, reason
		}
		podutil.UpdatePodCondition(status, &c)
	}
	set(corev1.PodReadyToStartContainers, o.refused == "", "Unsupported")
	set(corev1.PodInitialized, true, "")
	set(corev1.ContainersReady, containersReady, "ContainersNotReady")
	set(corev1.PodReady, ready, reason)
}

func isReady(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && podutil.IsPodReady(pod)
}
