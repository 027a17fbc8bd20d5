package apivalidation

import (
	"fmt"
	"testing"
)

const mcpServer = `
apiVersion: makeops.dev/v1alpha1
kind: MakeMCPServer
metadata: {name: crm-tools, namespace: default}
spec:
  connectionRef: {name: crm}
  scopes: ["scenarios:read", "scenarios:run"]
  access: {rules: [{serviceAccounts: [{name: sales-agent}, {name: agent, namespace: other}], scopes: ["scenarios:read"], tools: [scenarios_list]}]}
  tools: {include: [scenarios_list], exclude: [users_me], access: ReadOnly, scenarios: Hide, confirmation: Never}
  rollout: Reload
`

func TestServerConnectionAndScopes(t *testing.T) {
	check(t, mcpServer, []row{
		{name: "valid"},
		{name: "no connection", set: map[string]any{"spec.connectionRef": nil}, says: "spec.connectionRef: Required value"},
		{name: "no connection name", set: map[string]any{"spec.connectionRef": map[string]any{}}, says: "spec.connectionRef.name: Required value"},
		{name: "another namespace's connection", set: map[string]any{"spec.connectionRef.name": "other/crm"}, says: "spec.connectionRef.name"},
		{name: "connection name too long", set: map[string]any{"spec.connectionRef.name": long(64)}, says: "may not be more than 63"},
		{name: "no scopes", set: map[string]any{"spec.scopes": nil}, says: "spec.scopes: Required value"},
		{name: "wildcard", set: map[string]any{"spec.scopes": []any{"scenarios:read", "scenarios:*"}}, says: "Make has no wildcard scopes"},
		{name: "malformed", set: map[string]any{"spec.scopes": []any{"scenarios:read", "everything"}}, says: "a scope has the form"},
		{name: "name starts with a digit", set: map[string]any{"metadata.generateName": "1-"}, says: "metadata.name must be a DNS label that starts with a letter"},
		{name: "name with a dot", set: map[string]any{"metadata.generateName": "crm.tools-"}, says: "metadata.name must be a DNS label that starts with a letter"},
		{name: "name too long", set: map[string]any{"metadata.name": long(64), "metadata.generateName": nil}, says: "metadata.name must be a DNS label that starts with a letter"},
	})
}

func TestServerAccess(t *testing.T) {
	rules := func(rules ...any) map[string]any {
		return map[string]any{"spec.access": map[string]any{"rules": rules}}
	}
	rule := func(accounts []any, scopes ...any) map[string]any {
		return map[string]any{"serviceAccounts": accounts, "scopes": scopes}
	}
	agent := []any{map[string]any{"name": "agent"}}
	check(t, mcpServer, []row{
		{name: "no access", set: map[string]any{"spec.access": nil}, says: "spec.access: Required value"},
		{name: "no rules", set: map[string]any{"spec.access": map[string]any{}}, says: "spec.access.rules: Required value"},
		{name: "empty rules", set: map[string]any{"spec.access": map[string]any{"rules": []any{}}}, says: "should have at least 1 items"},
		{name: "33 rules", set: rules(many(33, func(int) any { return rule(agent, "scenarios:read") })...), says: "must have at most 32 items"},
		{name: "nobody", set: rules(rule([]any{}, "scenarios:read")), says: "should have at least 1 items"},
		{name: "33 accounts", set: rules(rule(many(33, func(i int) any {
			return map[string]any{"name": fmt.Sprintf("agent%d", i)}
		}), "scenarios:read")), says: "must have at most 32 items"},
		{name: "no account name", set: rules(rule([]any{map[string]any{}}, "scenarios:read")), says: "name: Required value"},
		{name: "account of no form", set: rules(rule([]any{map[string]any{"name": "system:masters"}}, "scenarios:read")), says: "serviceAccounts[0].name"},
		{name: "namespace of no form", set: rules(rule([]any{map[string]any{"name": "agent", "namespace": "a.b"}}, "scenarios:read")), says: "namespace"},
		{name: "no scopes", set: rules(rule(agent)), says: "scopes"},
		{name: "scopes beyond the server's", set: rules(rule(agent, "hooks:read")), says: "a rule's scopes must be among spec.scopes"},
		{name: "empty tools", set: rules(map[string]any{
			"serviceAccounts": agent, "scopes": []any{"scenarios:read"}, "tools": []any{},
		}), says: "should have at least 1 items"},
		{name: "nobody at all", set: rules(map[string]any{"scopes": []any{"scenarios:read"}}), says: "a rule is either for serviceAccounts or for oidc subjects"},
		{name: "both kinds", set: rules(map[string]any{
			"serviceAccounts": agent, "oidc": map[string]any{"issuer": "corp", "subjects": []any{"a"}}, "scopes": []any{"scenarios:read"},
		}), says: "a rule is either for serviceAccounts or for oidc subjects"},
		{name: "tool of no form", set: rules(map[string]any{
			"serviceAccounts": agent, "scopes": []any{"scenarios:read"}, "tools": []any{"all tools"},
		}), says: "tools[0]"},
	})
}

func TestServerOIDC(t *testing.T) {
	with := func(subjects map[string]any) map[string]any {
		return map[string]any{"spec.access": map[string]any{"rules": []any{map[string]any{"oidc": subjects, "scopes": []any{"scenarios:read"}}}}}
	}
	claim := func(name string, values ...any) map[string]any {
		return map[string]any{"issuer": "corp", "claims": []any{map[string]any{"name": name, "values": values}}}
	}
	text := func(i int) any { return fmt.Sprintf("s%d", i) }
	check(t, mcpServer, []row{
		{name: "subjects", set: with(map[string]any{"issuer": "corp", "subjects": []any{"auth0|1", "a@b.c"}})},
		{name: "claims", set: with(claim("groups", "a", "b c"))},
		{name: "nested claim", set: with(claim("/realm_access/roles", "a"))},
		{name: "claim that is a URL", set: with(claim("https://example.com/claims/roles", "a"))},
		{name: "no issuer", set: with(map[string]any{"subjects": []any{"a"}}), says: "oidc.issuer: Required value"},
		{name: "issuer is a URL", set: with(map[string]any{"issuer": "https://login.example.com", "subjects": []any{"a"}}), says: "oidc.issuer"},
		{name: "everybody", set: with(map[string]any{"issuer": "corp"}), says: "name subjects or claims: an issuer's callers"},
		{name: "no subjects", set: with(map[string]any{"issuer": "corp", "subjects": []any{}}), says: "should have at least 1 items"},
		{name: "pattern", set: with(map[string]any{"issuer": "corp", "subjects": []any{"auth0|*"}}), says: "oidc.subjects[0]"},
		{name: "33 subjects", set: with(map[string]any{"issuer": "corp", "subjects": many(33, text)}), says: "must have at most 32 items"},
		{name: "claim without a name", set: with(claim("", "a")), says: "claims[0].name"},
		{name: "claim name of no form", set: with(claim("a b", "a")), says: "claims[0].name"},
		{name: "claim without values", set: with(claim("groups")), says: "claims[0].values"},
		{name: "empty value", set: with(claim("groups", "")), says: "claims[0].values[0]"},
		{name: "33 values", set: with(claim("groups", many(33, text)...)), says: "must have at most 32 items"},
	})
}

func TestServerRateLimit(t *testing.T) {
	check(t, mcpServer, []row{
		{name: "all", set: map[string]any{"spec.rateLimit": map[string]any{
			"standard": map[string]any{"callsPerHour": int64(10), "burst": int64(2)}, "sensitive": map[string]any{"callsPerHour": int64(1)}, "admin": map[string]any{"burst": int64(1)},
			"organizationCallsPerMinute": int64(60), "failedAuthenticationsPerMinute": int64(5),
		}}},
		{name: "none allowed", set: map[string]any{"spec.rateLimit": map[string]any{"standard": map[string]any{"callsPerHour": int64(0)}}}, says: "callsPerHour"},
		{name: "negative burst", set: map[string]any{"spec.rateLimit": map[string]any{"admin": map[string]any{"burst": int64(-1)}}}, says: "burst"},
		{name: "no failures allowed", set: map[string]any{"spec.rateLimit": map[string]any{"failedAuthenticationsPerMinute": int64(0)}}, says: "failedAuthenticationsPerMinute"},
		{name: "too many", set: map[string]any{"spec.rateLimit": map[string]any{"organizationCallsPerMinute": int64(1000001)}}, says: "organizationCallsPerMinute"},
	})
}

func TestServerToolsAndRollout(t *testing.T) {
	tool := func(i int) any { return fmt.Sprintf("tool_%d", i) }
	check(t, mcpServer, []row{
		{name: "no limits", set: map[string]any{"spec.tools": nil, "spec.rollout": nil}},
		{name: "restart", set: map[string]any{"spec.rollout": "Restart"}},
		{name: "unknown rollout", set: map[string]any{"spec.rollout": "Env"}, says: `supported values: "Reload", "Restart"`},
		{name: "unknown access", set: map[string]any{"spec.tools.access": "None"}, says: `supported values: "All", "ReadOnly"`},
		{name: "unknown scenarios", set: map[string]any{"spec.tools.scenarios": "Some"}, says: `supported values: "Expose", "Hide"`},
		{name: "unknown confirmation", set: map[string]any{"spec.tools.confirmation": "Always"}, says: `supported values: "Destructive", "Never"`},
		{name: "empty include", set: map[string]any{"spec.tools.include": []any{}}, says: "should have at least 1 items"},
		{name: "empty exclude", set: map[string]any{"spec.tools.exclude": []any{}}, says: "should have at least 1 items"},
		{name: "tool twice", set: map[string]any{"spec.tools.include": []any{"users_me", "users_me"}}, says: "Duplicate value"},
		{name: "tool name too long", set: map[string]any{"spec.tools.include": []any{long(129)}}, says: "may not be more than 128"},
		{name: "257 tools", set: map[string]any{"spec.tools.exclude": many(257, tool)}, says: "must have at most 256 items"},
		{name: "resources", set: map[string]any{"spec.resources": map[string]any{"limits": map[string]any{"memory": "64Mi"}}}},
		{name: "resources of no form", set: map[string]any{"spec.resources": map[string]any{"limits": map[string]any{"memory": "much"}}}, says: "spec.resources"},
	})
}
