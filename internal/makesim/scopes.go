package makesim

import "slices"

// readWrite are the resources with a :read and a :write scope that any user may tick on an API token.
// Source: the API's scope overview and its OpenAPI document.
var readWrite = []string{
	"agents", "ai-agents", "connections", "credential-requests", "custom-property-structures", "datastores",
	"devices", "dlqs", "functions", "hooks", "keys", "notifications", "organization-variables", "organizations",
	"private-spaces", "scenarios", "sdk-apps", "team-variables", "teams", "templates", "udts", "user",
}

// userScopes are the scopes that any user may hold. The overview counts apps:read among the administrators',
// yet the SDK asks users for it.
func userScopes() []string {
	scopes := []string{"analytics:read", "apps:read", "mcp:use", "scenarios:run"}
	for _, resource := range readWrite {
		scopes = append(scopes, resource+":read", resource+":write")
	}
	slices.Sort(scopes)
	return scopes
}

// tokenScopes are all scopes that an API token can carry. The ones of administrators can be ticked by
// anybody; on the cloud they open nothing.
func tokenScopes() []string {
	scopes := append(userScopes(), "admin:read", "admin:write", "apps:write", "system:read", "system:write")
	slices.Sort(scopes)
	return scopes
}

// oidcScopes are asked of the authorization server and never gate the zone API.
var oidcScopes = []string{"openid", "profile", "email", "offline_access"}

func unknownScopes(scopes []string) []string {
	known := tokenScopes()
	return slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool {
		_, found := slices.BinarySearch(known, scope)
		return found
	})
}

// without returns the scopes that are not among the held ones.
func without(scopes, held []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return slices.Contains(held, scope) })
}
