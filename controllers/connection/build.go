package connection

import (
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// token is what a consumer's Secret holds.
type token struct {
	value  string
	header string
	// since is when it took the place of the one before.
	since time.Time
	// expiry is zero for a token that does not expire.
	expiry time.Time
	// generation of the grant that it comes from; zero for an API token.
	generation int64
}

// buildSecret is a consumer's Secret. All of its values change in one write, so they never disagree.
func buildSecret(conn *v1alpha1.MakeConnection, c consumer, t token) *corev1.Secret {
	s := &corev1.Secret{
		ObjectMeta: metadata(conn, c),
		Type:       corev1.SecretTypeOpaque,
		Data: map[string][]byte{
			v1alpha1.TokenKey:         []byte(t.value),
			v1alpha1.AuthorizationKey: []byte(t.header),
			v1alpha1.ZoneKey:          []byte(conn.Spec.Zone),
			v1alpha1.BaseURLKey:       []byte("https://" + conn.Spec.Zone + "/api/v2"),
			v1alpha1.EnvAPIKey:        []byte(t.value),
			v1alpha1.EnvZone:          []byte(conn.Spec.Zone),
		},
	}
	s.Labels[v1alpha1.CredentialLabel] = issued
	if conn.Spec.TeamID != 0 {
		s.Data[v1alpha1.EnvTeam] = strconv.AppendInt(nil, conn.Spec.TeamID, 10)
	}
	s.Annotations = map[string]string{v1alpha1.TokenSequenceAnnotation: t.since.UTC().Format(time.RFC3339Nano)}
	if t.generation != 0 {
		s.Annotations[v1alpha1.GrantGenerationAnnotation] = strconv.FormatInt(t.generation, 10)
	}
	if !t.expiry.IsZero() {
		s.Annotations[v1alpha1.ExpiryAnnotation] = t.expiry.UTC().Format(time.RFC3339)
	}
	return s
}

// issued is the value of the credential label on Secrets that the operator writes: never "true", so none of them is accepted as
// somebody's root token.
const issued = "issued"

// buildRole lets read one Secret and nothing else.
func buildRole(conn *v1alpha1.MakeConnection, c consumer) *rbacv1.Role {
	return &rbacv1.Role{
		ObjectMeta: metadata(conn, c),
		Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{corev1.GroupName}, Resources: []string{"secrets"},
			ResourceNames: []string{c.secretName}, Verbs: []string{"get", "watch"},
		}},
	}
}

// buildRoleBinding gives the Role to the consumer's ServiceAccount.
func buildRoleBinding(conn *v1alpha1.MakeConnection, c consumer) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metadata(conn, c),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: c.secretName},
		Subjects: []rbacv1.Subject{{
			Kind: rbacv1.ServiceAccountKind, Namespace: conn.Namespace, Name: c.serviceAccount,
		}},
	}
}

// metadata is what a consumer's objects share. The connection's own labels are not copied: Argo CD would take the children for its.
func metadata(conn *v1alpha1.MakeConnection, c consumer) metav1.ObjectMeta {
	labels := map[string]string{v1alpha1.ConnectionLabel: conn.Name}
	if c.serviceAccount != "" {
		labels[v1alpha1.ConsumerLabel] = c.serviceAccount
	} else {
		labels[v1alpha1.ServerLabel] = c.server
	}
	return metav1.ObjectMeta{Namespace: conn.Namespace, Name: c.secretName, Labels: labels}
}
