package scope

import (
	"maps"
	"slices"
)

// Missing is what was asked for and not granted, sorted. Scopes of OpenID Connect
// are left out: Make never lists them among those granted.
func Missing(want, granted []string) []string { return without(want, granted) }

// Beyond is what was granted without being asked for, sorted. Scopes of OpenID
// Connect are left out, as in Missing.
func Beyond(granted, want []string) []string { return without(granted, want) }

// without is the sorted difference, nil when it is empty.
func without(from, remove []string) []string {
	left := map[string]bool{}
	for _, name := range from {
		if info, ok := Lookup(name); !ok || info.Kind != OIDC {
			left[name] = true
		}
	}
	for _, name := range remove {
		delete(left, name)
	}
	return slices.Sorted(maps.Keys(left))
}
