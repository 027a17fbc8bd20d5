package mcpserver

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	dnsPort   = 53
	httpsPort = 443
)

// buildNetworkPolicy lets the namespaces of the named ServiceAccounts and the operator in, DNS and the zone's port out, and nothing
// else. Which ServiceAccount a pod has, a policy cannot see: that is for the tokens. The kubelet's probes pass every policy, because
// a node reaches its own pods; whoever else wants the operations port needs a policy of their own.
func buildNetworkPolicy(in inputs) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: in.metadata(),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: in.selector()},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{
				From: in.callers(), Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolTCP, mcpPort)},
			}},
			Egress: []networkingv1.NetworkPolicyEgressRule{
				{
					To:    []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{}}},
					Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolUDP, dnsPort), port(corev1.ProtocolTCP, dnsPort)},
				},
				{Ports: in.outside()},
			},
		},
	}
}

// outside are the ports at which Make and the issuers' keys are, each once, sorted.
func (in inputs) outside() []networkingv1.NetworkPolicyPort {
	numbers := []int32{zonePort(in.conn.Spec.Zone)}
	for _, name := range in.trusted() {
		numbers = append(numbers, in.issuers[name].port())
	}
	slices.Sort(numbers)
	var ports []networkingv1.NetworkPolicyPort
	for _, number := range slices.Compact(numbers) {
		ports = append(ports, port(corev1.ProtocolTCP, number))
	}
	return ports
}

// callers are the namespaces that may connect, each once, sorted.
func (in inputs) callers() []networkingv1.NetworkPolicyPeer {
	namespaces := []string{in.operator.Namespace}
	for _, r := range in.server.Spec.Access.Rules {
		for _, s := range r.ServiceAccounts {
			namespaces = append(namespaces, in.namespaceOf(s))
		}
	}
	slices.Sort(namespaces)
	var peers []networkingv1.NetworkPolicyPeer
	for _, namespace := range slices.Compact(namespaces) {
		peers = append(peers, networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{
			MatchLabels: map[string]string{corev1.LabelMetadataName: namespace},
		}})
	}
	return peers
}

// zonePort is the port of a zone's API, a host with an optional port.
func zonePort(zone string) int32 {
	_, text, _ := strings.Cut(zone, ":")
	if n, err := strconv.ParseUint(text, 10, 16); err == nil && n > 0 {
		return int32(n)
	}
	return httpsPort
}

func port(protocol corev1.Protocol, number int32) networkingv1.NetworkPolicyPort {
	return networkingv1.NetworkPolicyPort{Protocol: &protocol, Port: new(intstr.FromInt32(number))}
}
