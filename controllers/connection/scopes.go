package connection

import (
	"context"
	"slices"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/judge"
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
	if verdict := judge.Connection(p.conn); !verdict.Allowed() {
		return step.Stallf(v1alpha1.ReasonScopeRefused, "%s", verdict.Message())
	}
	servers, err := p.readServers(ctx)
	if err != nil {
		return err
	}
	var allowed []v1alpha1.MakeMCPServer
	for i := range servers {
		if judge.Server(&servers[i], p.conn).Allowed() || p.keepAsBefore(&servers[i]) {
			allowed = append(allowed, servers[i])
		}
	}
	p.consumers, p.rival = consumersOf(p.conn, allowed)
	return nil
}

// keepAsBefore lets a server whose new scopes are refused keep the token that it has, as long as that one is still allowed: a bad
// spec takes nothing away. It reports whether there is such a token.
func (p *pass) keepAsBefore(server *v1alpha1.MakeMCPServer) bool {
	i := slices.IndexFunc(p.conn.Status.Secrets, func(s v1alpha1.ConsumerSecret) bool { return s.ServerName == server.Name })
	if i < 0 || len(p.conn.Status.Secrets[i].Scopes) == 0 {
		return false
	}
	server.Spec.Scopes = nil
	for _, name := range p.conn.Status.Secrets[i].Scopes {
		server.Spec.Scopes = append(server.Spec.Scopes, v1alpha1.Scope(name))
	}
	return judge.Server(server, p.conn).Allowed()
}

func (p *pass) zoneNotAllowed() error {
	return step.Stallf(v1alpha1.ReasonZoneNotAllowed,
		"spec.zone: %s is no host of Make: correct it, or have the operator started with --allowed-zones=%[1]s", p.conn.Spec.Zone)
}
