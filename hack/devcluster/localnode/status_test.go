package localnode

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestBuildStatus(t *testing.T) {
	running := func(ready bool) containerState {
		return containerState{running: &corev1.ContainerStateRunning{}, started: true, ready: ready}
	}
	ended := func(code int32, finished bool) containerState {
		return containerState{
			last: &corev1.ContainerStateTerminated{ExitCode: code}, finished: finished,
			waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"},
		}
	}
	for name, test := range map[string]struct {
		policy corev1.RestartPolicy
		state  []containerState
		phase  corev1.PodPhase
		ready  corev1.ConditionStatus
	}{
		"not started":  {corev1.RestartPolicyAlways, nil, corev1.PodPending, corev1.ConditionFalse},
		"not ready":    {corev1.RestartPolicyAlways, []containerState{running(false)}, corev1.PodRunning, corev1.ConditionFalse},
		"ready":        {corev1.RestartPolicyAlways, []containerState{running(true)}, corev1.PodRunning, corev1.ConditionTrue},
		"crashed":      {corev1.RestartPolicyAlways, []containerState{ended(1, false)}, corev1.PodRunning, corev1.ConditionFalse},
		"job done":     {corev1.RestartPolicyNever, []containerState{ended(0, true)}, corev1.PodSucceeded, corev1.ConditionFalse},
		"job failed":   {corev1.RestartPolicyNever, []containerState{ended(3, true)}, corev1.PodFailed, corev1.ConditionFalse},
		"job on retry": {corev1.RestartPolicyOnFailure, []containerState{ended(3, false)}, corev1.PodRunning, corev1.ConditionFalse},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{Spec: corev1.PodSpec{RestartPolicy: test.policy, Containers: []corev1.Container{{Name: "app"}}}}
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}}
			status := buildStatus(pod, observation{address: "127.1.2.3", containers: test.state, now: metav1.Now()})
			if status.Phase != test.phase || status.PodIP != "127.1.2.3" {
				t.Errorf("phase %s, IP %s; want %s", status.Phase, status.PodIP, test.phase)
			}
			conditions := map[corev1.PodConditionType]corev1.ConditionStatus{}
			for _, c := range status.Conditions {
				conditions[c.Type] = c.Status
			}
			if conditions[corev1.PodReady] != test.ready || conditions[corev1.PodScheduled] != corev1.ConditionTrue {
				t.Errorf("conditions %v, want Ready %s", conditions, test.ready)
			}
		})
	}
}
