package makesim

import (
	"fmt"
	"slices"
)

const customRoleKind = "customRoles"

// customRoleResource is a role that an organization made for itself. The row has the phrases of its
// permissions; requests and answers have their numbers.
func customRoleResource() resource {
	return resource{
		kind: customRoleKind, path: "/api/v2/users/custom-roles", id: "id", one: "role", many: "roles", tenant: ofOrganization,
		fields: []field{
			must("name", text), must("category", text, "organization", "team"), must("organizationId", number),
			may("description", text), may("permissions", list),
		},
		changes: []field{
			must("organizationId", number), may("name", text), may("description", text), may("permissions", list),
		},
		fresh: func(st *state, _ *call, role object) error {
			if o := st.organization(integer(role["organizationId"])); !licenseOf(o).CustomRoles {
				return featureOff("IM001", "The license of the organization does not include custom roles.")
			}
			role["managementType"] = "custom_managed"
			fill(role, object{"description": nil, "permissions": []any{}})
			return namePermissions(role, role)
		},
		changed: func(_ *state, _ *call, role, changes object) error { return namePermissions(role, changes) },
		show: func(_ *state, _ *call, role object) {
			role["permissions"] = numbered(role["category"], texts(role["permissions"]))
			delete(role, "organizationId")
		},
	}
}

func (s *Server) customRoleRoutes() []route {
	roles := s.serving(customRoleResource())
	return []route{
		roles.create("user:write", "users roles edit"),
		roles.on("PATCH", "", "user:write", "users roles edit", func(c *call, role object) (any, error) {
			if err := inItsOrganization(c, role); err != nil {
				return nil, err
			}
			return roles.doUpdate(c, role)
		}),
		roles.on("DELETE", "", "user:write", "users roles edit", func(c *call, role object) (any, error) {
			if err := inItsOrganization(c, role); err != nil {
				return nil, err
			}
			if s.state.assigned(role) {
				return nil, notAllowedNow("The role is assigned to users.")
			}
			roles.drop(&s.state, role)
			return object{"roleId": role["id"]}, nil
		}),
	}
}

// inItsOrganization wants the body to name the organization of the role.
func inItsOrganization(c *call, role object) error {
	body, err := c.document()
	if err != nil {
		return err
	}
	named, err := c.tenant(ofOrganization, body)
	if err == nil && named != role["organizationId"] {
		return notFound()
	}
	return err
}

// namePermissions turns the numbers of permissions that a body names into their phrases.
func namePermissions(role, body object) error {
	ids, given := body["permissions"].([]any)
	if !given {
		return nil
	}
	phrases := []any{}
	for _, id := range ids {
		i := slices.IndexFunc(allPermissions(), func(p numberedPermission) bool {
			return p.id == id && p.category == role["category"]
		})
		if i < 0 {
			return badRequest(fmt.Sprintf("Invalid value of parameter 'permissions': no permission %v of a role of this category.", id))
		}
		phrases = append(phrases, allPermissions()[i].phrase)
	}
	body["permissions"] = phrases
	return nil
}

func numbered(category any, phrases []string) []any {
	rows := []any{}
	for _, p := range allPermissions() {
		if p.category == category && slices.Contains(phrases, p.phrase) {
			rows = append(rows, object{"id": p.id, "name": p.phrase})
		}
	}
	return rows
}

// assigned tells whether a user has the role.
func (st *state) assigned(role object) bool {
	for _, u := range st.users {
		for _, r := range u.Organizations {
			if role["category"] == "organization" && r.ID == role["organizationId"] && r.Role == role["name"] {
				return true
			}
		}
		for _, r := range u.Teams {
			o, _ := st.team(r.ID)
			if role["category"] == "team" && o != nil && o.ID == role["organizationId"] && r.Role == role["name"] {
				return true
			}
		}
	}
	return false
}
