package mcpserver

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// inputs is everything that a server's children are built from.
type inputs struct {
	server *v1alpha1.MakeMCPServer
	conn   *v1alpha1.MakeConnection
	// operator is the ServiceAccount as which the operator calls the server.
	operator types.NamespacedName
	image    string
	// makeCA holds PEM certificates to trust for Make; empty means the system's alone.
	makeCA []byte
	// extraZone means that the connection's zone is none of Make's own.
	extraZone bool
	// issuer and jwks say by which keys the cluster signs tokens.
	issuer string
	jwks   []byte
	// issuers are those outside the cluster whose tokens a rule may name, by the operator's names for them.
	issuers map[string]Issuer
	// tokenSequence changes with the token; used for Restart only.
	tokenSequence string
}

// restarts reports whether the pods get the token as environment, and so restart when it changes.
func (in inputs) restarts() bool { return in.server.Spec.Rollout == v1alpha1.RolloutRestart }

// secretName is the Secret with the server's token.
func (in inputs) secretName() string { return v1alpha1.ServerSecretName(in.conn.Name, in.server.Name) }

// metadata is what the children share: all are called like the server. The server's own labels are not copied: Argo CD would take
// the children for its.
func (in inputs) metadata() metav1.ObjectMeta {
	labels := in.selector()
	labels[v1alpha1.ServerLabel] = in.server.Name
	labels[v1alpha1.ManagedByLabel] = v1alpha1.ManagedBy
	return metav1.ObjectMeta{Namespace: in.server.Namespace, Name: in.server.Name, Labels: labels}
}

// selector are the labels by which the pods are found. They can never change: a Deployment's selector is immutable.
func (in inputs) selector() map[string]string {
	return map[string]string{"app.kubernetes.io/name": "make-mcp", "app.kubernetes.io/instance": in.server.Name}
}
