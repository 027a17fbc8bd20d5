package mcpserver

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/judge"
	"github.com/makeops/make-operator/internal/scope"
	"github.com/makeops/make-operator/internal/step"
)

// pass is the working set of one reconcile. Each field says which step fills it.
type pass struct {
	*Reconciler

	server *v1alpha1.MakeMCPServer

	wanted   *v1alpha1.MakeMCPServer  // checkScopes: the server as it is to run; narrower than its spec where policy refuses that
	conn     *v1alpha1.MakeConnection // checkScopes; nil where it does not exist
	warned   []scope.Violation        // checkScopes: what policies that only warn have against the spec
	again    time.Time                // checkScopes: when the first exception ends; zero means never
	template *corev1.PodTemplateSpec  // ensureWorkload: what the newest pods are made from
}

func (p *pass) steps() []step.Step {
	return []step.Step{
		{Condition: v1alpha1.ScopesAllowed, Do: p.checkScopes},
		{Condition: v1alpha1.WithinPolicy, Do: p.checkWarnings, Advisory: true},
		{Condition: v1alpha1.ConnectionReady, Do: p.awaitSecret},
		{Condition: v1alpha1.Available, Do: p.ensureWorkload},
		{Condition: v1alpha1.Verified, Do: p.verify},
	}
}

// checkScopes asks policy before anything is built: admission may have been removed.
func (p *pass) checkScopes(ctx context.Context) error {
	conn := &v1alpha1.MakeConnection{}
	key := client.ObjectKey{Namespace: p.server.Namespace, Name: p.server.Spec.ConnectionRef.Name}
	err := p.Client.Get(ctx, key, conn)
	switch {
	case err == nil:
		p.conn = conn
	case !apierrors.IsNotFound(err):
		return fmt.Errorf("read MakeConnection %s: %w", key.Name, err)
	}
	rules, err := p.readRules(ctx)
	if err != nil {
		return err
	}
	p.wanted = p.server
	verdict := judge.Server(p.server, p.conn, rules)
	p.warned, p.again = verdict.Warned, verdict.Until
	if !verdict.Allowed() {
		return p.goOnNarrower(step.Stallf(judge.Reason(verdict), "%s", verdict.Message()))
	}
	if p.conn != nil && judge.RolloutRefused(p.server, p.conn) {
		return step.Stallf(v1alpha1.ReasonRolloutRefused, "spec.rollout: %s", judge.RolloutAdvice)
	}
	if problem := untrustedIssuer(p.server, p.Issuers); problem != "" {
		return step.Stallf(v1alpha1.ReasonIssuerNotTrusted, "%s", problem)
	}
	return nil
}

// awaitSecret makes sure that the connection has written the server's Secret, with a token that holds all of the server's scopes. A
// connection that got into trouble later does not stop a server that has its token.
func (p *pass) awaitSecret(context.Context) error {
	ref := p.server.Spec.ConnectionRef.Name
	if p.conn == nil {
		return step.Stallf(v1alpha1.ReasonConnectionNotFound, "MakeConnection %s does not exist: create it, or correct spec.connectionRef", ref)
	}
	if holdsToken(p.conn, p.wanted) {
		return nil
	}
	if stalled := meta.FindStatusCondition(p.conn.Status.Conditions, v1alpha1.Stalled); stalled != nil {
		return step.Stallf(v1alpha1.ReasonConnectionNotReady, "MakeConnection %s is stalled by %s: see its conditions", ref, stalled.Reason)
	}
	return step.Waitf(keysAge, v1alpha1.ReasonConnectionNotReady,
		"MakeConnection %s has not yet written Secret %s for these scopes: see its conditions", ref, v1alpha1.ServerSecretName(ref, p.server.Name))
}

// holdsToken reports whether a connection has written a server's Secret, with a token that holds all that the server asks for.
func holdsToken(conn *v1alpha1.MakeConnection, server *v1alpha1.MakeMCPServer) bool {
	name := v1alpha1.ServerSecretName(conn.Name, server.Name)
	return slices.ContainsFunc(conn.Status.Secrets, func(s v1alpha1.ConsumerSecret) bool {
		return s.Name == name && len(scope.Missing(judge.Names(server.Spec.Scopes), s.Scopes)) == 0
	})
}

const (
	minPause = 10 * time.Second
	maxPause = 2 * time.Minute
)

// pause is how long to wait before what a condition reports is looked at again: as long as it has lasted, so that it doubles from
// look to look, within minPause and maxPause.
func (p *pass) pause(condition string) time.Duration {
	c := meta.FindStatusCondition(p.server.Status.Conditions, condition)
	if c == nil || c.Status != metav1.ConditionFalse {
		return minPause
	}
	return min(max(p.Clock.Since(c.LastTransitionTime.Time), minPause), maxPause)
}

// hostOf is the host by which the cluster's pods call a server.
func hostOf(server *v1alpha1.MakeMCPServer) string {
	return server.Name + "." + server.Namespace + ".svc"
}

// urlOf is where agents call a server, and the audience that their tokens must have.
func urlOf(server *v1alpha1.MakeMCPServer) string { return "http://" + hostOf(server) + "/mcp" }

// subjectOf is the sub claim of a ServiceAccount's tokens.
func subjectOf(namespace, name string) string {
	return strings.Join([]string{"system", "serviceaccount", namespace, name}, ":")
}
