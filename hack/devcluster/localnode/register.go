package localnode

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"runtime"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-base/version"
)

const (
	// leaseSeconds and beat are kubelet's defaults.
	leaseSeconds = 40
	beat         = 10 * time.Second
	// maxPods leaves room in the last number of an address.
	maxPods = "110"
)

// register creates the Node object, or takes over one that an earlier run left.
func (n *Node) register(ctx context.Context, logPort int) error {
	want := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: Name, Labels: map[string]string{
			corev1.LabelHostname:   Name,
			corev1.LabelOSStable:   runtime.GOOS,
			corev1.LabelArchStable: runtime.GOARCH,
		}},
		Status: n.status(logPort),
	}
	if runtime.GOOS != "linux" { // Pods ask for Linux; their binaries here are of this machine
		want.Labels[corev1.LabelOSStable] = "linux"
	}
	_, err := n.client.CoreV1().Nodes().Create(ctx, want, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("register node: %w", err)
	}
	// A patch says nothing of the taints, which the controllers set and lift at the same time and which a node may not touch.
	patch, err := json.Marshal(map[string]any{"status": n.status(logPort)})
	if err != nil {
		return fmt.Errorf("encode node status: %w", err)
	}
	_, err = n.client.CoreV1().Nodes().Patch(ctx, Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil {
		return fmt.Errorf("report node status: %w", err)
	}
	return nil
}

func (n *Node) status(logPort int) corev1.NodeStatus {
	now := metav1.Now()
	// The sizes are large because nothing is enforced: a Pod must never stay unscheduled for want of them.
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("64"),
		corev1.ResourceMemory:           resource.MustParse("256Gi"),
		corev1.ResourceEphemeralStorage: resource.MustParse("256Gi"),
		corev1.ResourcePods:             resource.MustParse(maxPods),
	}
	return corev1.NodeStatus{
		Capacity:    capacity,
		Allocatable: capacity,
		Addresses: []corev1.NodeAddress{
			{Type: corev1.NodeInternalIP, Address: n.addresses.node()},
			{Type: corev1.NodeHostName, Address: Name},
		},
		Conditions: []corev1.NodeCondition{{
			Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "LocalProcesses",
			Message:           "containers run as local processes, without isolation",
			LastHeartbeatTime: now, LastTransitionTime: now,
		}},
		DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: int32(logPort)}},
		NodeInfo: corev1.NodeSystemInfo{
			KubeletVersion: version.Get().GitVersion, ContainerRuntimeVersion: "none://local-processes",
			OSImage: "local processes", OperatingSystem: runtime.GOOS, Architecture: runtime.GOARCH,
		},
	}
}

// heartbeat renews the node's lease, by which kube-controller-manager sees that it is there.
func (n *Node) heartbeat(ctx context.Context) {
	leases := n.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	holder, seconds := Name, int32(leaseSeconds)
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		now := metav1.NowMicro()
		lease := &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: Name},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &now},
		}
		have, err := leases.Get(ctx, Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			_, err = leases.Create(ctx, lease, metav1.CreateOptions{})
		case err == nil:
			have.Spec = lease.Spec
			_, err = leases.Update(ctx, have, metav1.UpdateOptions{})
		}
		if err != nil && ctx.Err() == nil {
			n.Say("renew lease of the node: %v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func hostOf(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	return u.Host
}
