// Package judge turns custom resources into what internal/scope judges, so that the admission webhook and the controllers ask the
// same question.
package judge

import (
	"slices"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/scope"
)

// Connection judges a connection and its consumers.
func Connection(conn *v1alpha1.MakeConnection) scope.Verdict {
	c := scope.Connection{Scopes: Names(conn.Spec.Scopes)}
	for _, consumer := range conn.Spec.Consumers {
		c.Consumers = append(c.Consumers, scope.Consumer{Name: consumer.ServiceAccountName, Scopes: Names(consumer.Scopes)})
	}
	return scope.JudgeConnection(c)
}

// Server judges an MCP server. Where the connection is nil its scopes are not known.
func Server(server *v1alpha1.MakeMCPServer, conn *v1alpha1.MakeConnection) scope.Verdict {
	s := scope.Server{Scopes: Names(server.Spec.Scopes)}
	if conn != nil {
		s.Connection = Names(conn.Spec.Scopes)
	}
	return scope.JudgeServer(s)
}

// Names are scopes as plain strings, in the same order; nil stays nil.
func Names(scopes []v1alpha1.Scope) []string {
	var names []string
	for _, s := range scopes {
		names = append(names, string(s))
	}
	return names
}

// Sorted are scopes as plain strings, sorted.
func Sorted(scopes []v1alpha1.Scope) []string {
	return slices.Sorted(slices.Values(Names(scopes)))
}

// RolloutRefused reports whether a server asks for restarts on every rotation of a connection whose tokens live minutes.
func RolloutRefused(server *v1alpha1.MakeMCPServer, conn *v1alpha1.MakeConnection) bool {
	return server.Spec.Rollout == v1alpha1.RolloutRestart && conn.Spec.Auth.OAuth != nil
}

// RolloutAdvice says what to do about a refused rollout.
const RolloutAdvice = "Restart would restart the pods every few minutes, because the connection uses OAuth: use Reload, or a connection with apiToken"
