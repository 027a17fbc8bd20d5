package apivalidation

import (
	"fmt"
	"testing"
)

const connection = `
apiVersion: makeops.dev/v1alpha1
kind: MakeConnection
metadata: {name: crm, namespace: default}
spec:
  zone: eu1.make.com
  organizationID: 42
  teamID: 7
  auth: {apiToken: {secretRef: {name: make-root, key: token}}}
  scopes: ["scenarios:read", "scenarios:run"]
  consumers: [{serviceAccountName: reporting, scopes: ["scenarios:read"]}]
  rotation: {everySeconds: 86400, overlapSeconds: 600, generation: 3}
  onDelete: Revoke
  suspend: Disabled
`

func TestConnectionZoneAndTenant(t *testing.T) {
	check(t, connection, []row{
		{name: "valid"},
		{name: "with port", set: map[string]any{"spec.zone": "127.0.0.1:8443"}},
		{name: "no zone", set: map[string]any{"spec.zone": nil}, says: "spec.zone: Required value"},
		{name: "a URL", set: map[string]any{"spec.zone": "https://eu1.make.com"}, says: "spec.zone"},
		{name: "a path", set: map[string]any{"spec.zone": "eu1.make.com/api"}, says: "spec.zone"},
		{name: "user info", set: map[string]any{"spec.zone": "eu1.make.com@evil.example"}, says: "spec.zone"},
		{name: "upper case", set: map[string]any{"spec.zone": "EU1.make.com"}, says: "spec.zone"},
		{name: "zone too long", set: map[string]any{"spec.zone": long(260)}, says: "may not be more than 259"},
		{name: "zone changes", then: map[string]any{"spec.zone": "eu2.make.com"}, says: "zone cannot change, a token works in one zone only"},
		{name: "no organization", set: map[string]any{"spec.organizationID": nil}, says: "spec.organizationID: Required value"},
		{name: "organization zero", set: map[string]any{"spec.organizationID": int64(0)}, says: "spec.organizationID"},
		{name: "organization beyond JSON numbers", set: map[string]any{"spec.organizationID": int64(1) << 53}, says: "spec.organizationID"},
		{name: "organization as text", set: map[string]any{"spec.organizationID": "42"}, says: "spec.organizationID"},
		{name: "team zero", set: map[string]any{"spec.teamID": int64(0)}, says: "spec.teamID"},
		{name: "team beyond JSON numbers", set: map[string]any{"spec.teamID": int64(1) << 53}, says: "spec.teamID"},
		{name: "name too long", set: map[string]any{"metadata.name": long(64), "metadata.generateName": nil}, says: "metadata.name must be at most 63 characters"},
	})
}

func TestConnectionAuth(t *testing.T) {
	oauth := map[string]any{"clientRef": map[string]any{"name": "client"}}
	secret := func(name, key string) map[string]any {
		return map[string]any{"secretRef": map[string]any{"name": name, "key": key}}
	}
	check(t, connection, []row{
		{name: "oauth", set: map[string]any{"spec.auth": map[string]any{"oauth": oauth}}},
		{name: "policy for uncertain refreshes", set: map[string]any{"spec.auth": map[string]any{"oauth": map[string]any{
			"clientRef": map[string]any{"name": "client"}, "uncertainRefreshPolicy": "WaitForExpiry",
		}}}},
		{name: "unknown policy for uncertain refreshes", set: map[string]any{"spec.auth": map[string]any{"oauth": map[string]any{
			"clientRef": map[string]any{"name": "client"}, "uncertainRefreshPolicy": "Forget",
		}}}, says: `supported values: "Retry", "WaitForExpiry", "Reauthorize"`},
		{name: "none", set: map[string]any{"spec.auth": map[string]any{}}, says: "exactly one of the fields in [apiToken oauth] must be set"},
		{name: "both", set: map[string]any{"spec.auth.oauth": oauth}, says: "exactly one of the fields in [apiToken oauth] must be set"},
		{name: "another kind later", then: map[string]any{"spec.auth": map[string]any{"oauth": oauth}}, says: "auth cannot change its kind:"},
		{name: "absent", set: map[string]any{"spec.auth": nil}, says: "spec.auth: Required value"},
		{name: "no secretRef", set: map[string]any{"spec.auth.apiToken": map[string]any{}}, says: "secretRef: Required value"},
		{name: "no clientRef", set: map[string]any{"spec.auth": map[string]any{"oauth": map[string]any{}}}, says: "clientRef: Required value"},
		{name: "no Secret name", set: map[string]any{"spec.auth.apiToken.secretRef.name": nil}, says: "name: Required value"},
		{name: "no key", set: map[string]any{"spec.auth.apiToken.secretRef.key": nil}, says: "key: Required value"},
		{name: "another namespace", set: map[string]any{"spec.auth.apiToken": secret("other/make-root", "token")}, says: "secretRef.name"},
		{name: "key as path", set: map[string]any{"spec.auth.apiToken": secret("make-root", "../token")}, says: "secretRef.key"},
		{name: "name too long", set: map[string]any{"spec.auth.apiToken": secret(long(254), "token")}, says: "may not be more than 253"},
		{name: "key too long", set: map[string]any{"spec.auth.apiToken": secret("make-root", long(254))}, says: "may not be more than 253"},
	})
}

func TestConnectionScopes(t *testing.T) {
	one := func(scope string) map[string]any {
		return map[string]any{"spec.scopes": []any{scope}, "spec.consumers": nil}
	}
	check(t, connection, []row{
		{name: "OpenID", set: one("openid")},
		{name: "unknown of the right form", set: one("brand-new:use")},
		{name: "none", set: map[string]any{"spec.scopes": nil, "spec.consumers": nil}, says: "spec.scopes: Required value"},
		{name: "empty", set: map[string]any{"spec.scopes": []any{}, "spec.consumers": nil}, says: "should have at least 1 items"},
		{name: "wildcard", set: one("admin:*"), says: "Make has no wildcard scopes: name each scope"},
		{name: "everything", set: one("*"), says: "Make has no wildcard scopes: name each scope"},
		{name: "no access", set: one("scenarios"), says: "a scope has the form resource:read, :write, :run or :use"},
		{name: "unknown access", set: one("scenarios:delete"), says: "a scope has the form resource:read, :write, :run or :use"},
		{name: "blank in it", set: one("scenarios:read scenarios:run"), says: "a scope has the form resource:read, :write, :run or :use"},
		{name: "empty name", set: one(""), says: "should be at least 1 chars long"},
		{name: "too long", set: one(long(61) + ":read"), says: "may not be more than 64"},
		{name: "twice", set: map[string]any{"spec.scopes": []any{"scenarios:read", "scenarios:read"}}, says: "Duplicate value"},
		{name: "65 of them", set: map[string]any{
			"spec.scopes": many(65, func(i int) any { return fmt.Sprintf("s%d:read", i) }), "spec.consumers": nil,
		}, says: "must have at most 64 items"},
	})
}

func TestConnectionConsumers(t *testing.T) {
	consumer := func(name string, scopes ...any) map[string]any {
		c := map[string]any{"serviceAccountName": name}
		if scopes != nil {
			c["scopes"] = scopes
		}
		return map[string]any{"spec.consumers": []any{c}}
	}
	check(t, connection, []row{
		{name: "all scopes", set: consumer("reporting")},
		{name: "none", set: map[string]any{"spec.consumers": nil}},
		{name: "beyond the ceiling", set: consumer("reporting", "hooks:read"), says: "a consumer's scopes must be among spec.scopes"},
		{name: "no name", set: map[string]any{"spec.consumers": []any{map[string]any{}}}, says: "serviceAccountName: Required value"},
		{name: "another namespace", set: consumer("other:reporting"), says: "serviceAccountName"},
		{name: "name too long", set: consumer(long(64)), says: "may not be more than 63"},
		{name: "empty scopes", set: map[string]any{"spec.consumers": []any{map[string]any{
			"serviceAccountName": "reporting", "scopes": []any{},
		}}}, says: "should have at least 1 items"},
		{name: "twice", set: map[string]any{"spec.consumers": []any{
			map[string]any{"serviceAccountName": "reporting"}, map[string]any{"serviceAccountName": "reporting"},
		}}, says: "Duplicate value"},
		{name: "33 of them", set: map[string]any{"spec.consumers": many(33, func(i int) any {
			return map[string]any{"serviceAccountName": fmt.Sprintf("sa%d", i)}
		})}, says: "must have at most 32 items"},
	})
}

func TestConnectionRotationAndRest(t *testing.T) {
	rotation := func(every, overlap any) map[string]any {
		return map[string]any{"spec.rotation": map[string]any{"everySeconds": every, "overlapSeconds": overlap}}
	}
	check(t, connection, []row{
		{name: "absent", set: map[string]any{"spec.rotation": nil}},
		{name: "no overlap", set: rotation(int64(60), int64(0))},
		{name: "too often", set: rotation(int64(59), int64(0)), says: "spec.rotation.everySeconds"},
		{name: "over a year", set: rotation(int64(31536001), int64(0)), says: "spec.rotation.everySeconds"},
		{name: "negative overlap", set: rotation(int64(60), int64(-1)), says: "spec.rotation.overlapSeconds"},
		{name: "overlap over a day", set: rotation(int64(604800), int64(86401)), says: "spec.rotation.overlapSeconds"},
		{name: "overlap as long as the interval", set: rotation(int64(600), int64(600)), says: "overlapSeconds must be shorter than everySeconds"},
		{name: "generation grows", then: map[string]any{"spec.rotation.generation": int64(4)}},
		{name: "generation shrinks", then: map[string]any{"spec.rotation.generation": int64(2)}, says: "rotation.generation can only grow"},
		{name: "generation removed", then: map[string]any{"spec.rotation.generation": nil}, says: "rotation.generation can only grow, so it cannot be removed"},
		{name: "rotation removed", then: map[string]any{"spec.rotation": nil}, says: "rotation.generation can only grow, so it cannot be removed"},
		{name: "negative generation", set: map[string]any{"spec.rotation.generation": int64(-1)}, says: "spec.rotation.generation"},
		{name: "retain", set: map[string]any{"spec.onDelete": "Retain"}},
		{name: "unknown onDelete", set: map[string]any{"spec.onDelete": "Forget"}, says: `supported values: "Revoke", "Retain"`},
		{name: "unknown suspend", set: map[string]any{"spec.suspend": "true"}, says: `supported values: "Enabled", "Disabled"`},
		{name: "no spec", set: map[string]any{"spec": nil}, says: "spec: Required value"},
	})
}
