package makesim

import "slices"

// tenant is what an object belongs to. The value is the name of the member and of the query parameter.
type tenant string

const (
	ofTeam         tenant = "teamId"
	ofOrganization tenant = "organizationId"
)

// role is the user's role in a team or organization, "" without any, and the tenant's organization.
func (st *state) role(u *User, where tenant, id int64) (string, *Organization) {
	if where == ofTeam {
		o, t := st.team(id)
		if t == nil {
			return "", nil
		}
		return u.teamRole(o, id), o
	}
	return u.organizationRole(id), st.organization(id)
}

// allows tells whether the caller's role in a tenant has the permission that the route needs.
func (st *state) allows(c *call, where tenant, id int64) bool {
	role, o := st.role(c.user, where, id)
	return o != nil && slices.Contains(st.permissions(role, where, o.ID), c.route.can)
}

// enter is for requests that name the tenant they work in: 403 IM002 unless the caller may do there what the
// route is for, whether the tenant exists or not.
func (st *state) enter(c *call, where tenant, id int64) error {
	if !st.allows(c, where, id) {
		return insufficientRights()
	}
	return nil
}

// reach is for requests that name an object: one in a tenant where the caller has no role does not exist
// (404); with a role that lacks the route's permission it is 403 IM002.
func (st *state) reach(c *call, where tenant, id int64) error {
	if role, _ := st.role(c.user, where, id); role == "" {
		return notFound()
	}
	return st.enter(c, where, id)
}

// permissions are those of a role in an organization or one of its teams, built in or custom.
func (st *state) permissions(role string, where tenant, organization int64) []string {
	if names := builtInPermissions(role, where); names != nil {
		return names
	}
	return texts(st.customRole(role, where, organization)["permissions"])
}

// customRole is the row of an organization's own role; nil if it has none of the name.
func (st *state) customRole(name string, where tenant, organization int64) object {
	for _, row := range st.tables.of(customRoleKind).where("organizationId", organization) {
		if row["name"] == name && row["category"] == where.category() {
			return row
		}
	}
	return nil
}

// roleNumber is the id of a role.
func (st *state) roleNumber(name string, where tenant, organization int64) int64 {
	if id, builtIn := rolesIn(where)[name]; builtIn {
		return int64(id)
	}
	return integer(st.customRole(name, where, organization)["id"])
}

// category is how roles call the tenant.
func (t tenant) category() string {
	if t == ofTeam {
		return "team"
	}
	return "organization"
}

// texts are the strings of a JSON array.
func texts(value any) []string {
	values, _ := value.([]any)
	out := []string{}
	for _, v := range values {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
