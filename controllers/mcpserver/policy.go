package mcpserver

import (
	"context"
	"errors"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/judge"
	"github.com/makeops/make-operator/internal/policy"
	"github.com/makeops/make-operator/internal/scope"
	"github.com/makeops/make-operator/internal/step"
)

// readRules reads what counts in the namespace. A policy that is not Ready defers: what runs goes on meanwhile.
func (p *pass) readRules(ctx context.Context) (scope.Rules, error) {
	if p.Policies == nil {
		return scope.Rules{Now: p.Clock.Now()}, nil
	}
	rules, err := p.Policies.For(ctx, p.server.Namespace)
	if errors.Is(err, policy.ErrNotReady) {
		err = &step.Problem{Kind: step.Retry, Reason: v1alpha1.ReasonPolicyNotReady, After: policy.RetryAfter, Err: err}
	}
	return rules, err
}

// goOnNarrower is for a spec whose scopes are refused. Where the server holds a token from before, its pods go on with what both that
// token and the spec allow: what the spec takes away is taken away at once, what it adds has to wait until it is mended.
func (p *pass) goOnNarrower(refused *step.Problem) error {
	held := heldScopes(p.conn, p.server)
	if len(held) == 0 || p.server.Status.URL == "" { // nothing runs yet
		return refused
	}
	if judge.RolloutRefused(p.server, p.conn) || untrustedIssuer(p.server, p.Issuers) != "" {
		return refused // and what else is wrong with the spec is said when this is mended
	}
	p.wanted = narrowed(p.server, held)
	return refused.Contained()
}

// heldScopes are the scopes of the token that a server has, nil where it has none.
func heldScopes(conn *v1alpha1.MakeConnection, server *v1alpha1.MakeMCPServer) []string {
	if conn == nil {
		return nil
	}
	name := v1alpha1.ServerSecretName(conn.Name, server.Name)
	for _, s := range conn.Status.Secrets {
		if s.Name == name && s.ServerName == server.Name {
			return s.Scopes
		}
	}
	return nil
}

// narrowed is a server whose scopes and rules are limited to the scopes that its token holds. A rule with none left goes. Where no
// scope is left at all the server keeps those of its token, and lets nobody call.
func narrowed(server *v1alpha1.MakeMCPServer, held []string) *v1alpha1.MakeMCPServer {
	narrow := server.DeepCopy()
	limit := func(scopes []v1alpha1.Scope) []v1alpha1.Scope {
		return slices.DeleteFunc(slices.Clone(scopes), func(s v1alpha1.Scope) bool { return !slices.Contains(held, string(s)) })
	}
	narrow.Spec.Scopes = limit(narrow.Spec.Scopes)
	if len(narrow.Spec.Scopes) == 0 {
		for _, name := range held {
			narrow.Spec.Scopes = append(narrow.Spec.Scopes, v1alpha1.Scope(name))
		}
		narrow.Spec.Access.Rules = nil
	}
	var rules []v1alpha1.AccessRule
	for _, r := range narrow.Spec.Access.Rules {
		if r.Scopes = limit(r.Scopes); len(r.Scopes) > 0 {
			rules = append(rules, r)
		}
	}
	narrow.Spec.Access.Rules = rules
	return narrow
}

// checkWarnings says what policies that only warn have against the server.
func (p *pass) checkWarnings(context.Context) error {
	if len(p.warned) > 0 {
		return step.Stallf(v1alpha1.ReasonPolicyWarning, "%s", scope.Summary(p.warned))
	}
	return nil
}

// judgeAgain adds to the outcome of a pass when the first exception ends.
func (p *pass) judgeAgain(result reconcile.Result, err error) (reconcile.Result, error) {
	if p.again.IsZero() {
		return result, err
	}
	wait := max(p.again.Sub(p.Clock.Now()), time.Second)
	switch {
	case errors.Is(err, reconcile.TerminalError(nil)):
		return reconcile.Result{RequeueAfter: wait}, nil
	case err == nil && (result.RequeueAfter == 0 || wait < result.RequeueAfter):
		result.RequeueAfter = wait
	}
	return result, err
}
