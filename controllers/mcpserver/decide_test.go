package mcpserver

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/api/v1alpha1"
)

func TestRolledOut(t *testing.T) {
	for name, tt := range map[string]struct {
		status appsv1.DeploymentStatus
		want   bool
	}{
		"done":              {appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1}, true},
		"not seen yet":      {appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1}, false},
		"nothing":           {appsv1.DeploymentStatus{ObservedGeneration: 2}, false},
		"old pod only":      {appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 1, AvailableReplicas: 1}, false},
		"new pod starts":    {appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 2, UpdatedReplicas: 1, AvailableReplicas: 1}, false},
		"old pod goes":      {appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 2, UpdatedReplicas: 1, AvailableReplicas: 2}, false},
		"new pod not ready": {appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 1, UpdatedReplicas: 1}, false},
	} {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Generation: 2}, Status: tt.status}
		if got := rolledOut(d); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestReady(t *testing.T) {
	isReady := []corev1.PodCondition{{Type: corev1.PodScheduled, Status: "True"}, {Type: corev1.PodReady, Status: "True"}}
	for name, tt := range map[string]struct {
		pod  corev1.Pod
		want bool
	}{
		"ready":      {corev1.Pod{Status: corev1.PodStatus{PodIP: "10.0.0.1", Conditions: isReady}}, true},
		"no address": {corev1.Pod{Status: corev1.PodStatus{Conditions: isReady}}, false},
		"not ready": {corev1.Pod{Status: corev1.PodStatus{
			PodIP: "10.0.0.1", Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: "False"}},
		}}, false},
		"no condition": {corev1.Pod{Status: corev1.PodStatus{PodIP: "10.0.0.1"}}, false},
		"going away": {corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &metav1.Time{Time: time.Unix(1, 0)}},
			Status:     corev1.PodStatus{PodIP: "10.0.0.1", Conditions: isReady},
		}, false},
	} {
		if got := ready(&tt.pod); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestMadeFrom(t *testing.T) {
	template := &corev1.PodTemplateSpec{}
	template.Annotations = map[string]string{v1alpha1.ConfigAnnotation: "new", v1alpha1.TokenSequenceAnnotation: "2"}
	for name, tt := range map[string]struct {
		annotations map[string]string
		want        bool
	}{
		"the newest": {map[string]string{v1alpha1.ConfigAnnotation: "new", v1alpha1.TokenSequenceAnnotation: "2", "injected": "yes"}, true},
		"old config": {map[string]string{v1alpha1.ConfigAnnotation: "old", v1alpha1.TokenSequenceAnnotation: "2"}, false},
		"old token":  {map[string]string{v1alpha1.ConfigAnnotation: "new", v1alpha1.TokenSequenceAnnotation: "1"}, false},
		"nothing":    {nil, false},
	} {
		if got := madeFrom(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: tt.annotations}}, template); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestPauseDoublesWithinBounds(t *testing.T) {
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	since := func(status metav1.ConditionStatus, age time.Duration) []metav1.Condition {
		return []metav1.Condition{{Type: v1alpha1.Verified, Status: status, LastTransitionTime: metav1.NewTime(now.Add(-age))}}
	}
	for name, tt := range map[string]struct {
		conditions []metav1.Condition
		want       time.Duration
	}{
		"never":          {nil, minPause},
		"just failed":    {since(metav1.ConditionFalse, 0), minPause},
		"failed a while": {since(metav1.ConditionFalse, 45*time.Second), 45 * time.Second},
		"failed long":    {since(metav1.ConditionFalse, time.Hour), maxPause},
		"was blocked":    {since(metav1.ConditionUnknown, time.Hour), minPause},
		"was fine":       {since(metav1.ConditionTrue, time.Hour), minPause},
	} {
		server := &v1alpha1.MakeMCPServer{}
		server.Status.Conditions = tt.conditions
		p := &pass{Reconciler: &Reconciler{Clock: clocktesting.NewFakePassiveClock(now)}, server: server}
		if got := p.pause(v1alpha1.Verified); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestHoldsToken(t *testing.T) {
	in := typical()
	secret := v1alpha1.ConsumerSecret{Name: "crm-mcp-crm-tools", ServerName: "crm-tools"}
	for name, tt := range map[string]struct {
		scopes []string
		want   bool
	}{
		"all":         {[]string{"scenarios:read", "scenarios:run"}, true},
		"more":        {[]string{"scenarios:read", "scenarios:run", "teams:read"}, true},
		"one missing": {[]string{"scenarios:read"}, false},
	} {
		secret.Scopes = tt.scopes
		in.conn.Status.Secrets = []v1alpha1.ConsumerSecret{secret}
		if got := holdsToken(in.conn, in.server); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	in.conn.Status.Secrets[0].Name = "crm-mcp-others"
	if holdsToken(in.conn, in.server) {
		t.Error("another server's Secret counts")
	}
}
