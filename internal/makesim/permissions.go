package makesim

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// permission is one thing that roles allow. Its phrase is what routes ask for.
// Source of the form and of some phrases: the examples of users/roles in the API's OpenAPI document. The rest
// follows the same pattern.
type permission struct {
	phrase string
	group  string
	roles  []string
}

// Who has a permission.
var (
	teamAll       = []string{"Team Admin", "Team Member", "Team Operator", "Team Monitoring"}
	teamOperators = []string{"Team Admin", "Team Member", "Team Operator"}
	teamEditors   = []string{"Team Admin", "Team Member"}
	teamAdmins    = []string{"Team Admin"}

	organizationAll      = []string{"Owner", "Admin", "Member", "Accountant"}
	organizationMembers  = []string{"Owner", "Admin", "Member"}
	organizationAdmins   = []string{"Owner", "Admin"}
	organizationOwners   = []string{"Owner"}
	organizationBookkeep = []string{"Owner", "Admin", "Accountant"}
)

// teamPermissions are numbered in this order: add new ones at the end of the list.
var teamPermissions = []permission{
	{"team view", "team", teamAll},
	{"team edit", "team", teamAdmins},
	{"team variables get", "team", teamOperators},
	{"team variables edit", "team", teamEditors},
	{"scenarios get", "scenario", teamAll},
	{"scenario view", "scenario", teamAll},
	{"scenario logs get", "scenario", teamAll},
	{"scenario notifications", "scenario", teamAll},
	{"scenario reset counters", "scenario", teamAll},
	{"scenario edit", "scenario", teamEditors},
	{"scenario delete", "scenario", teamEditors},
	{"scenario start", "scenario", teamOperators},
	{"scenario stop", "scenario", teamOperators},
	{"scenario scheduling", "scenario", teamOperators},
	{"scenario verify", "scenario", teamOperators},
	{"dlq view", "dlq", teamAll},
	{"dlq edit", "dlq", teamEditors},
	{"templates get", "template", teamAll},
	{"template view", "template", teamAll},
	{"template edit", "template", teamEditors},
	{"accounts get", "account", teamOperators},
	{"account edit", "account", teamEditors},
	{"keys get", "key", teamOperators},
	{"key edit", "key", teamEditors},
	{"credential requests get", "credential request", teamOperators},
	{"credential request edit", "credential request", teamEditors},
	{"hooks get", "hook", teamOperators},
	{"hook edit", "hook", teamEditors},
	{"devices get", "device", teamOperators},
	{"device edit", "device", teamEditors},
	{"datastores get", "datastore", teamOperators},
	{"datastore edit", "datastore", teamEditors},
	{"udts get", "udt", teamOperators},
	{"udt edit", "udt", teamEditors},
	{"functions get", "function", teamOperators},
	{"function edit", "function", teamEditors},
}

// organizationPermissions are numbered in this order: add new ones at the end of the list.
var organizationPermissions = []permission{
	{"organization view", "organization", organizationAll},
	{"organization edit", "organization", organizationAdmins},
	{"organization delete", "organization", organizationOwners},
	{"organization payments", "organization", organizationBookkeep},
	{"organization variables get", "organization", organizationMembers},
	{"organization variables edit", "organization", organizationAdmins},
	{"teams get", "team", organizationMembers},
	{"team add", "team", organizationAdmins},
	{"team delete", "team", organizationAdmins},
	{"users get", "user", organizationMembers},
	{"users roles edit", "user", organizationAdmins},
	{"agents get", "agent", organizationMembers},
	{"agent edit", "agent", organizationAdmins},
	{"private spaces get", "private space", organizationAdmins},
	{"private space edit", "private space", organizationAdmins},
	{"custom properties get", "custom property", organizationMembers},
	{"custom properties edit", "custom property", organizationAdmins},
	{"sdk apps get", "sdk app", organizationMembers},
	{"sdk app edit", "sdk app", organizationMembers},
	{"audit logs get", "audit log", organizationAdmins},
	{"analytics get", "analytics", organizationOwners},
}

// numberedPermission is a permission as custom roles refer to it.
type numberedPermission struct {
	permission
	id       int64
	category string // of the roles that can have it
	requires []string
}

// allPermissions count from 1 for teams and from 101 for organizations. Each requires the first one of its
// group, which is to see what the group is about.
var allPermissions = sync.OnceValue(func() []numberedPermission {
	var all []numberedPermission
	for where, first := range map[tenant]int64{ofTeam: 1, ofOrganization: 101} {
		sees := map[string]string{}
		for i, p := range permissionsOf(where) {
			n := numberedPermission{permission: p, id: first + int64(i), category: where.category(), requires: []string{}}
			if see, known := sees[p.group]; known {
				n.requires = []string{see}
			} else {
				sees[p.group] = p.phrase
			}
			all = append(all, n)
		}
	}
	slices.SortFunc(all, func(a, b numberedPermission) int { return cmp.Compare(a.id, b.id) })
	return all
})

func permissionsOf(where tenant) []permission {
	if where == ofTeam {
		return teamPermissions
	}
	return organizationPermissions
}

// builtInPermissions are the phrases of a role of Make's own; nil for any other name.
func builtInPermissions(role string, where tenant) []string {
	var phrases []string
	for _, p := range permissionsOf(where) {
		if slices.Contains(p.roles, role) {
			phrases = append(phrases, p.phrase)
		}
	}
	return phrases
}

// label is the phrase with a capital letter.
func (p permission) label() string { return strings.ToUpper(p.phrase[:1]) + p.phrase[1:] }
