// Package judge turns custom resources into what internal/scope judges, so that the admission webhook, the controllers and kubectl make
// lint ask the same question.
package judge

import (
	"slices"
	"time"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/scope"
)

// DefaultRotation is the interval of connections that name none, as the documentation of spec.rotation states it.
const DefaultRotation = 30 * 24 * time.Hour

// Connection judges a connection and its consumers.
func Connection(conn *v1alpha1.MakeConnection, rules scope.Rules) scope.Verdict {
	c := connectionOf(conn)
	for _, consumer := range conn.Spec.Consumers {
		c.Consumers = append(c.Consumers, scope.Consumer{Name: consumer.ServiceAccountName, Scopes: Names(consumer.Scopes)})
	}
	return scope.JudgeConnection(c, rules)
}

// connectionOf is a connection without its consumers.
func connectionOf(conn *v1alpha1.MakeConnection) scope.Connection {
	c := scope.Connection{
		Namespace: conn.Namespace, Name: conn.Name, Zone: conn.Spec.Zone, OAuth: conn.Spec.Auth.OAuth != nil, Scopes: Names(conn.Spec.Scopes),
	}
	if conn.Spec.Auth.APIToken != nil {
		c.RotateEvery = DefaultRotation
		if every := conn.Spec.Rotation.EverySeconds; every > 0 {
			c.RotateEvery = time.Duration(every) * time.Second
		}
	}
	return c
}

// Server judges an MCP server. Where the connection is nil its scopes are not known.
func Server(server *v1alpha1.MakeMCPServer, conn *v1alpha1.MakeConnection, rules scope.Rules) scope.Verdict {
	s := scope.Server{
		Namespace: server.Namespace, Name: server.Name, ConnectionName: server.Spec.ConnectionRef.Name, Scopes: Names(server.Spec.Scopes),
		Tools: scope.Tools{
			Include: toolNames(server.Spec.Tools.Include), Exclude: toolNames(server.Spec.Tools.Exclude),
			ReadOnly: server.Spec.Tools.Access == v1alpha1.ToolAccessReadOnly,
		},
	}
	if conn != nil {
		s.Connection = Names(conn.Spec.Scopes)
	}
	return scope.JudgeServer(s, rules)
}

// Sharing judges that the consumers of a connection hold more than their own scopes.
func Sharing(conn *v1alpha1.MakeConnection, rules scope.Rules) scope.Verdict {
	return scope.JudgeSharing(connectionOf(conn), rules)
}

// Granted judges what Make granted to a holder, as scope.JudgeGranted does.
func Granted(conn *v1alpha1.MakeConnection, holder string, granted []string, rules scope.Rules) scope.Verdict {
	return scope.JudgeGranted(connectionOf(conn), holder, granted, rules)
}

// Held judges a token that exists already, by what its Secret is listed with, in the connection's zone and rotation.
func Held(conn *v1alpha1.MakeConnection, held v1alpha1.ConsumerSecret, rules scope.Rules) scope.Verdict {
	holder := scope.ServiceAccount(held.ServiceAccountName)
	if held.ServerName != "" {
		holder = scope.MCPServer(held.ServerName)
	}
	c := connectionOf(conn)
	c.Scopes = nil
	verdict := scope.JudgeConnection(c, rules)
	granted := scope.JudgeGranted(c, holder, held.Scopes, rules)
	verdict.Violations = append(verdict.Violations, granted.Violations...)
	verdict.Revoke = verdict.Revoke || granted.Revoke
	if verdict.Until.IsZero() || !granted.Until.IsZero() && granted.Until.Before(verdict.Until) {
		verdict.Until = granted.Until
	}
	return verdict
}

// Reason is the reason of a condition that shows a verdict's violations.
func Reason(verdict scope.Verdict) string {
	for _, v := range verdict.Violations {
		if v.Scope != "" {
			return v1alpha1.ReasonScopeRefused
		}
	}
	return v1alpha1.ReasonPolicyRefused
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

func toolNames(tools []v1alpha1.ToolName) []string {
	var names []string
	for _, t := range tools {
		names = append(names, string(t))
	}
	return names
}

// RolloutRefused reports whether a server asks for restarts on every rotation of a connection whose tokens live minutes.
func RolloutRefused(server *v1alpha1.MakeMCPServer, conn *v1alpha1.MakeConnection) bool {
	return server.Spec.Rollout == v1alpha1.RolloutRestart && conn.Spec.Auth.OAuth != nil
}

// RolloutAdvice says what to do about a refused rollout.
const RolloutAdvice = "Restart would restart the pods every few minutes, because the connection uses OAuth: use Reload, or a connection with apiToken"
