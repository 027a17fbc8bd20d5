package connection

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/judge"
	"github.com/makeops/make-operator/internal/scope"
)

// consumer is somebody who gets a token: a ServiceAccount of the spec, or a MakeMCPServer that refers to the connection.
type consumer struct {
	// key names the consumer in the grant and in the token's label at Make.
	key string
	// secretName is the Secret that holds its token.
	secretName string
	// serviceAccount may read the Secret; empty for a server, whose pods get it mounted.
	serviceAccount string
	// server is empty for a ServiceAccount.
	server string
	// scopes are sorted.
	scopes []string
}

// consumersOf lists the consumers of a spec and of the servers that refer to it, in order of their keys. A server whose Secret would
// have the name of a ServiceAccount's is left out; one such rival is returned.
func consumersOf(conn *v1alpha1.MakeConnection, servers []v1alpha1.MakeMCPServer) (all []consumer, rival *consumer) {
	for _, c := range conn.Spec.Consumers {
		scopes := c.Scopes
		if len(scopes) == 0 {
			scopes = conn.Spec.Scopes
		}
		all = append(all, consumer{
			key: scope.ServiceAccount(c.ServiceAccountName), serviceAccount: c.ServiceAccountName,
			secretName: v1alpha1.ConsumerSecretName(conn.Name, c.ServiceAccountName), scopes: judge.Sorted(scopes),
		})
	}
	for _, s := range servers {
		c := consumer{
			key: scope.MCPServer(s.Name), server: s.Name,
			secretName: v1alpha1.ServerSecretName(conn.Name, s.Name), scopes: judge.Sorted(s.Spec.Scopes),
		}
		if slices.ContainsFunc(all, func(other consumer) bool { return other.secretName == c.secretName }) {
			rival = &c
			continue
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b consumer) int { return strings.Compare(a.key, b.key) })
	return all, rival
}

// readServers lists the MakeMCPServers that refer to the connection and are not being deleted.
func (p *pass) readServers(ctx context.Context) ([]v1alpha1.MakeMCPServer, error) {
	var list v1alpha1.MakeMCPServerList
	err := p.Client.List(ctx, &list, client.InNamespace(p.conn.Namespace), client.MatchingFields{serverIndex: p.conn.Name})
	if err != nil {
		return nil, fmt.Errorf("list MakeMCPServers: %w", err)
	}
	return slices.DeleteFunc(list.Items, func(s v1alpha1.MakeMCPServer) bool { return !s.DeletionTimestamp.IsZero() }), nil
}
