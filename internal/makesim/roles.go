package makesim

import "slices"

// The roles and their numbers. Source: the API's OpenAPI document.
var (
	organizationRoles = map[string]int{"Owner": 11, "Admin": 12, "Member": 13, "Accountant": 14}
	teamRoles         = map[string]int{"Team Admin": 1, "Team Member": 3, "Team Monitoring": 4, "Team Operator": 6}
)

func (st *state) organization(id int64) *Organization {
	i := slices.IndexFunc(st.organizations, func(o *Organization) bool { return o.ID == id })
	if i < 0 {
		return nil
	}
	return st.organizations[i]
}

// team finds a team and the organization that it belongs to.
func (st *state) team(id int64) (*Organization, *Team) {
	for _, o := range st.organizations {
		for i := range o.Teams {
			if o.Teams[i].ID == id {
				return o, &o.Teams[i]
			}
		}
	}
	return nil, nil
}

func (u *User) memberOf(o *Organization) bool { return u.organizationRole(o.ID) != "" }

func (u *User) organizationRole(id int64) string {
	for _, r := range u.Organizations {
		if r.ID == id {
			return r.Role
		}
	}
	return ""
}

// teamRole is the user's role in a team; Owner and Admin of the organization count as Team Admin.
func (u *User) teamRole(o *Organization, team int64) string {
	switch u.organizationRole(o.ID) {
	case "Owner", "Admin":
		return "Team Admin"
	case "", "Accountant":
	default: // Member or a role of the organization's own
		for _, r := range u.Teams {
			if r.ID == team {
				return r.Role
			}
		}
	}
	return ""
}
