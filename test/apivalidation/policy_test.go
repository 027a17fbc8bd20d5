package apivalidation

import (
	"fmt"
	"testing"
)

const scopePolicy = `
apiVersion: makeops.dev/v1alpha1
kind: MakeScopePolicy
metadata: {name: ceiling}
spec:
  namespaceSelector:
    matchLabels: {team: sales}
    matchExpressions: [{key: tier, operator: In, values: [test, prod]}]
  allowedScopes: ["scenarios:read", "scenarios:run"]
  maxRisk: High
  allowedZones: [eu1.make.com, "*.make.celonis.com"]
  maxRotationSeconds: 86400
  leastPrivilege: Required
  enforcement: Deny
  onViolation: Revoke
  exceptions: [{namespace: sales, connection: crm, scopes: ["hooks:read"], reason: pilot, expiresAt: "2030-01-01T00:00:00Z"}]
`

func TestPolicyLimits(t *testing.T) {
	check(t, scopePolicy, []row{
		{name: "valid"},
		{name: "no spec", set: map[string]any{"spec": nil}, says: "spec: Required value"},
		{name: "no limit", set: map[string]any{"spec": map[string]any{"enforcement": "Warn"}}, says: "a policy needs a limit: one of allowedScopes"},
		{name: "zones alone", set: map[string]any{"spec": map[string]any{"allowedZones": []any{"eu1.make.com"}}}},
		{name: "name of the built-in", set: map[string]any{"metadata.name": "built-in", "metadata.generateName": nil}, says: "metadata.name built-in is the name of the operator's own policy"},
		{name: "name too long", set: map[string]any{"metadata.name": long(64), "metadata.generateName": nil}, says: "metadata.name must be at most 63 characters, because it stands in every refusal"},
		{name: "unknown risk", set: map[string]any{"spec.maxRisk": "Severe"}, says: `supported values: "Low", "Moderate", "High", "Critical"`},
		{name: "wildcard", set: map[string]any{"spec.allowedScopes": []any{"scenarios:*"}}, says: "Make has no wildcard scopes"},
		{name: "malformed", set: map[string]any{"spec.allowedScopes": []any{"everything"}}, says: "a scope has the form"},
		{name: "no scopes", set: map[string]any{"spec.allowedScopes": []any{}}, says: "should have at least 1 items"},
		{name: "129 scopes", set: map[string]any{"spec.allowedScopes": many(129, func(i int) any { return fmt.Sprintf("s%d:read", i) })}, says: "must have at most 128 items"},
		{name: "zone of no form", set: map[string]any{"spec.allowedZones": []any{"https://eu1.make.com"}}, says: "spec.allowedZones[0]"},
		{name: "star in the middle", set: map[string]any{"spec.allowedZones": []any{"eu1.*.com"}}, says: "spec.allowedZones[0]"},
		{name: "rotation too often", set: map[string]any{"spec.maxRotationSeconds": int64(59)}, says: "spec.maxRotationSeconds"},
		{name: "rotation over a year", set: map[string]any{"spec.maxRotationSeconds": int64(31536001)}, says: "spec.maxRotationSeconds"},
		{name: "unknown demand", set: map[string]any{"spec.leastPrivilege": "Yes"}, says: `supported values: "Required", "Optional"`},
		{name: "unknown enforcement", set: map[string]any{"spec.enforcement": "Block"}, says: `supported values: "Deny", "Warn", "Audit"`},
		{name: "unknown action", set: map[string]any{"spec.onViolation": "Delete"}, says: `supported values: "KeepUntilExpiry", "Revoke"`},
	})
}

func TestPolicySubjects(t *testing.T) {
	expression := func(key, operator string, values ...any) map[string]any {
		e := map[string]any{"key": key, "operator": operator}
		if values != nil {
			e["values"] = values
		}
		return map[string]any{"spec.namespaceSelector.matchExpressions": []any{e}}
	}
	consumer := func(kind, name string) map[string]any {
		return map[string]any{"spec": map[string]any{"maxRisk": "Low", "consumers": []any{map[string]any{"kind": kind, "name": name}}}}
	}
	both := map[string]any{"maxRisk": "Low", "maxRotationSeconds": int64(60), "consumers": []any{map[string]any{"kind": "ServiceAccount", "name": "a"}}}
	zones := map[string]any{"allowedZones": []any{"eu1.make.com"}, "consumers": []any{map[string]any{"kind": "ServiceAccount", "name": "a"}}}
	check(t, scopePolicy, []row{
		{name: "all namespaces", set: map[string]any{"spec.namespaceSelector": nil}},
		{name: "exists", set: expression("team", "Exists")},
		{name: "unknown operator", set: expression("team", "Like", "sales"), says: `supported values: "In", "NotIn", "Exists", "DoesNotExist"`},
		{name: "in without values", set: expression("team", "In"), says: "In and NotIn need values, Exists and DoesNotExist have none"},
		{name: "exists with values", set: expression("team", "Exists", "sales"), says: "In and NotIn need values, Exists and DoesNotExist have none"},
		{name: "key of no form", set: expression("a/b/c", "Exists"), says: "matchExpressions[0].key"},
		{name: "value of no form", set: map[string]any{"spec.namespaceSelector.matchLabels": map[string]any{"team": "sales & co"}}, says: "matchLabels.team"},
		{name: "consumer", set: consumer("ServiceAccount", "reporting")},
		{name: "server", set: consumer("MakeMCPServer", "crm-tools")},
		{name: "unknown consumer", set: consumer("User", "ada"), says: `supported values: "ServiceAccount", "MakeMCPServer"`},
		{name: "consumer of another namespace", set: consumer("ServiceAccount", "sales:reporting"), says: "consumers[0].name"},
		{name: "consumers and rotation", set: map[string]any{"spec": both}, says: "allowedZones, maxRotationSeconds and leastPrivilege are limits of whole connections"},
		{name: "consumers and zones", set: map[string]any{"spec": zones}, says: "a policy with consumers limits scopes: set allowedScopes or maxRisk"},
	})
}

func TestPolicyExceptions(t *testing.T) {
	exception := func(change func(map[string]any)) map[string]any {
		e := map[string]any{"namespace": "sales", "scopes": []any{"hooks:read"}, "reason": "pilot", "expiresAt": "2030-01-01T00:00:00Z"}
		change(e)
		return map[string]any{"spec.exceptions": []any{e}}
	}
	without := func(field string) map[string]any {
		return exception(func(e map[string]any) { delete(e, field) })
	}
	with := func(field string, value any) map[string]any {
		return exception(func(e map[string]any) { e[field] = value })
	}
	check(t, scopePolicy, []row{
		{name: "limits", set: with("limits", []any{"Rotation", "LeastPrivilege"})},
		{name: "zones", set: with("zones", []any{"us1.make.com"})},
		{name: "lifts nothing", set: without("scopes"), says: "an exception lifts something: one of scopes, zones and limits"},
		{name: "no namespace", set: without("namespace"), says: "namespace: Required value"},
		{name: "no reason", set: without("reason"), says: "reason: Required value"},
		{name: "empty reason", set: with("reason", ""), says: "should be at least 1 chars long"},
		{name: "no end", set: without("expiresAt"), says: "expiresAt: Required value"},
		{name: "end of no form", set: with("expiresAt", "tomorrow"), says: "expiresAt"},
		{name: "unknown limit", set: with("limits", []any{"Risk"}), says: `supported values: "Rotation", "LeastPrivilege"`},
		{name: "wildcard", set: with("scopes", []any{"hooks:*"}), says: "Make has no wildcard scopes"},
		{name: "65 of them", set: map[string]any{"spec.exceptions": many(65, func(int) any {
			return map[string]any{"namespace": "sales", "scopes": []any{"hooks:read"}, "reason": "pilot", "expiresAt": "2030-01-01T00:00:00Z"}
		})}, says: "must have at most 64 items"},
	})
}
