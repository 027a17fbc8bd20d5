package makesim

import (
	"maps"
	"slices"
	"strconv"
)

// roleRoutes are what roles there are and what they allow.
func (s *Server) roleRoutes() []route {
	return []route{
		{pattern: "GET /api/v2/users/roles", scopes: []string{"user:read"}, do: s.listRoles},
		{pattern: "GET /api/v2/users/roles/{roleId}", scopes: []string{"user:read"}, do: s.getRole},
		{pattern: "GET /api/v2/users/roles/permissions", scopes: []string{"user:read"}, do: s.listPermissions},
	}
}

// roleDescriptions are what the interface says about the built-in roles.
var roleDescriptions = map[string]string{
	"Team Admin":      "Manages the team and everything in it.",
	"Team Member":     "Creates and changes everything in the team.",
	"Team Operator":   "Starts, stops and schedules scenarios and sees everything in the team.",
	"Team Monitoring": "Sees scenarios and their logs.",
	"Owner":           "Has full access to the organization and can delete it.",
	"Admin":           "Has full access to the organization.",
	"Member":          "Works in the teams of which the user is a member.",
	"Accountant":      "Sees the organization and its payments.",
}

// builtInRoles in the order of their numbers.
func builtInRoles() []object {
	var rows []object
	for _, where := range []tenant{ofTeam, ofOrganization} {
		for name, id := range rolesIn(where) {
			row := object{
				"id": int64(id), "name": name, "category": where.category(), "subsidiary": true,
				"managementType": "system_locked", "description": roleDescriptions[name],
				"permissions": builtInPermissions(name, where),
			}
			if id == 1 { // the only identifier that is documented
				row["identifier"] = "company:team-admin"
			}
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b object) int { return compare(a["id"], b["id"]) })
	return rows
}

func rolesIn(where tenant) map[string]int {
	if where == ofTeam {
		return teamRoles
	}
	return organizationRoles
}

// customRolesOf are an organization's own roles, as lists of roles show them.
func (st *state) customRolesOf(organization int64) []object {
	rows := st.tables.of(customRoleKind).where("organizationId", organization)
	for i, row := range rows {
		rows[i] = maps.Clone(row)
		rows[i]["subsidiary"] = true
	}
	return rows
}

// listRoles has the custom roles only of the organization that is named, itself or by a team.
func (s *Server) listRoles(c *call) (any, error) {
	rows := builtInRoles()
	for _, where := range []tenant{ofOrganization, ofTeam} {
		id, err := c.queryID(string(where))
		if err != nil {
			return nil, err
		}
		if id == 0 {
			continue
		}
		role, o := s.state.role(c.user, where, id)
		if role == "" || o == nil {
			return nil, insufficientRights()
		}
		for _, row := range s.state.customRolesOf(o.ID) {
			delete(row, "organizationId")
			rows = append(rows, row)
		}
	}
	query, picked := c.query(), []object{}
	excluded := query["excludeRole[]"]
	for _, row := range rows {
		id := strconv.FormatInt(integer(row["id"]), 10)
		if equals(query.Get("category"), row["category"]) && equals(query.Get("roleId"), id) && !slices.Contains(excluded, id) {
			picked = append(picked, pick(row, query))
		}
	}
	return object{"usersRoles": picked}, nil
}

// equals is true for a filter that is absent.
func equals(filter string, value any) bool { return filter == "" || filter == value }

func (s *Server) getRole(c *call) (any, error) {
	id, err := c.id("roleId")
	if err != nil {
		return nil, err
	}
	rows := builtInRoles()
	for _, o := range s.state.organizations {
		if c.user.memberOf(o) {
			rows = append(rows, s.state.customRolesOf(o.ID)...)
		}
	}
	i := slices.IndexFunc(rows, func(row object) bool { return row["id"] == id })
	if i < 0 {
		return nil, notFound()
	}
	fill(rows[i], object{"organizationId": nil})
	return object{"usersRole": rows[i]}, nil
}

func (s *Server) listPermissions(c *call) (any, error) {
	rows := []object{}
	for _, p := range allPermissions() {
		if equals(c.query().Get("roleCategory"), p.category) {
			rows = append(rows, object{
				"id": p.id, "name": p.phrase, "note": p.label(), "category": p.group, "roleCategory": p.category,
				"label": p.label(), "customRolesHidden": false, "requires": p.requires,
			})
		}
	}
	return object{"usersRolesPermissions": rows}, nil
}
