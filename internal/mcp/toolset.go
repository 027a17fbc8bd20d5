package mcp

import (
	"context"
	"slices"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/makeops/make-operator/internal/mcp/access"
)

// toolset holds the tools that the server's own scopes and configuration allow, and answers which of them a caller
// may see and use.
type toolset struct {
	filter Tools
	fixed  []*tool
	byName map[string]*tool // of fixed
	// scenarios is nil when scenarios are not offered as tools.
	scenarios *scenarioTools
}

// newToolset keeps the tools that the server may offer. Scenario tools need two scopes of the server's token: one to
// find the scenarios, one to run them.
func newToolset(cfg Config, fixed []*tool, scenarios *scenarioTools) *toolset {
	c := &toolset{filter: cfg.Tools, byName: map[string]*tool{}}
	for _, t := range fixed {
		if c.filter.offers(t.definition.Name, t.readOnly()) && (t.scope == "" || slices.Contains(cfg.Scopes, t.scope)) {
			c.fixed = append(c.fixed, t)
			c.byName[t.definition.Name] = t
		}
	}
	holdsBoth := slices.Contains(cfg.Scopes, scopeScenariosRead) && slices.Contains(cfg.Scopes, scopeScenariosRun)
	if cfg.Tools.Scenarios && !cfg.Tools.ReadOnly && holdsBoth {
		c.scenarios = scenarios
	}
	return c
}

// scope returns the scope that a tool needs, and whether the server may offer a tool of that name at all. It asks nobody.
func (c *toolset) scope(name string) (string, bool) {
	if t := c.byName[name]; t != nil {
		return t.scope, true
	}
	if _, isScenario := scenarioID(name); isScenario && c.scenarios != nil && c.filter.offers(name, false) {
		return scopeScenariosRun, true
	}
	return "", false
}

// missingScopes returns what a caller lacks for a tool that is within its reach; nil when nothing is missing and also
// when no scope would help.
func (c *toolset) missingScopes(grants access.Grants, name string) []string {
	scope, offered := c.scope(name)
	grants = grants.Callable()
	if !offered || permits(grants, name, scope) || !admits(grants, name) {
		return nil
	}
	return []string{scope}
}

// find returns the tool that a caller means, or nil when there is none that this caller may use. An error means that the
// tool could not be looked up.
func (c *toolset) find(ctx context.Context, grants access.Grants, name string) (*tool, error) {
	scope, offered := c.scope(name)
	if !offered || !permits(grants.Callable(), name, scope) {
		return nil, nil
	}
	if id, isScenario := scenarioID(name); isScenario {
		return c.scenarios.find(ctx, id)
	}
	return c.byName[name], nil
}

// list returns the tools that a caller may use or only see, always in the same order. complete is false when the scenarios could not
// be read and are missing or old.
func (c *toolset) list(ctx context.Context, grants access.Grants) (tools []*sdk.Tool, complete bool) {
	tools, complete = []*sdk.Tool{}, true
	candidates := c.fixed
	if c.scenarios != nil && grantsScope(grants, scopeScenariosRun) {
		var scenarios []*tool
		scenarios, complete = c.scenarios.list(ctx)
		candidates = slices.Concat(candidates, scenarios)
	}
	for _, t := range candidates {
		name := t.definition.Name
		if c.filter.offers(name, t.readOnly()) && permits(grants, name, t.scope) {
			tools = append(tools, t.definition)
		}
	}
	return tools, complete
}

func grantsScope(grants access.Grants, scope string) bool {
	return slices.ContainsFunc(grants, func(g access.Grant) bool { return slices.Contains(g.Scopes, scope) })
}
