package connection

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/judge"
	"github.com/makeops/make-operator/internal/policy"
	"github.com/makeops/make-operator/internal/scope"
	"github.com/makeops/make-operator/internal/step"
)

// checkScopes asks policy before anything is asked of Make: admission may have been removed. A server that policy refuses gets
// nothing, and its own conditions say why; it does not stop the others.
func (p *pass) checkScopes(ctx context.Context) error {
	p.conn.Status.Authorization.URL = ""
	p.forgetRootCondition()
	if !p.Make.AllowsZone(p.conn.Spec.Zone) {
		return p.zoneNotAllowed()
	}
	if err := p.readRules(ctx); err != nil {
		return err
	}
	verdict := judge.Connection(p.conn, p.rules)
	p.lookAgain(verdict.Until)
	p.warned = verdict.Warned
	if !verdict.Allowed() {
		return p.refuse(ctx, verdict)
	}
	servers, err := p.readServers(ctx)
	if err != nil {
		return err
	}
	var allowed []v1alpha1.MakeMCPServer
	for i := range servers {
		verdict := judge.Server(&servers[i], p.conn, p.rules)
		p.lookAgain(verdict.Until)
		if verdict.Allowed() || p.keepAsBefore(&servers[i]) {
			allowed = append(allowed, servers[i])
		}
	}
	p.consumers, p.rival = consumersOf(p.conn, allowed)
	return nil
}

// readRules reads what counts in the namespace. A policy that is not Ready defers: what is published stays good meanwhile.
func (p *pass) readRules(ctx context.Context) error {
	p.rules = scope.Rules{Now: p.now}
	if p.Policies == nil {
		return nil
	}
	var err error
	p.rules, err = p.Policies.For(ctx, p.conn.Namespace)
	if errors.Is(err, policy.ErrNotReady) {
		return &step.Problem{Kind: step.Retry, Reason: v1alpha1.ReasonPolicyNotReady, After: policy.RetryAfter, Err: err}
	}
	return err
}

// lookAgain has the connection judged again at a moment; zero asks for nothing.
func (p *pass) lookAgain(at time.Time) {
	if !at.IsZero() && (p.again.IsZero() || at.Before(p.again)) {
		p.again = at
	}
}

// keepAsBefore lets a server whose new scopes are refused keep the token that it has, as long as that one is still allowed: a bad
// spec takes nothing away. Where policy denies that one too but does not want it revoked, it ends when it would have been replaced.
// It reports whether there is such a token.
func (p *pass) keepAsBefore(server *v1alpha1.MakeMCPServer) bool {
	i := slices.IndexFunc(p.conn.Status.Secrets, func(s v1alpha1.ConsumerSecret) bool { return s.ServerName == server.Name })
	if i < 0 || len(p.conn.Status.Secrets[i].Scopes) == 0 {
		return false
	}
	held := p.conn.Status.Secrets[i]
	server.Spec.Scopes = nil
	for _, name := range held.Scopes {
		server.Spec.Scopes = append(server.Spec.Scopes, v1alpha1.Scope(name))
	}
	verdict := judge.Held(p.conn, held, p.rules)
	p.lookAgain(verdict.Until)
	within := len(scope.Beyond(held.Scopes, judge.Names(p.conn.Spec.Scopes))) == 0
	switch {
	case verdict.Allowed():
		return within
	case verdict.Revoke || p.conn.Spec.Auth.OAuth != nil: // an OAuth token would be refreshed with the others'
		return false
	}
	if p.ending == nil {
		p.ending = map[string]bool{}
	}
	p.ending[scope.MCPServer(server.Name)] = within
	return within
}

// checkWarnings says what policies that only warn have against the connection.
func (p *pass) checkWarnings(context.Context) error {
	if len(p.warned) > 0 {
		return step.Stallf(v1alpha1.ReasonPolicyWarning, "%s", scope.Summary(p.warned))
	}
	return nil
}

func (p *pass) zoneNotAllowed() error {
	return step.Stallf(v1alpha1.ReasonZoneNotAllowed,
		"spec.zone: %s is no host of Make: correct it, or have the operator started with --allowed-zones=%[1]s", p.conn.Spec.Zone)
}
