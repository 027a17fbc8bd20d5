package makesim

const customRoleKind = "customRoles"

// customRoleResource is a role that an organization made for itself.
func customRoleResource() resource {
	return resource{
		kind: customRoleKind, path: "/api/v2/users/custom-roles", id: "id", one: "role", many: "roles", tenant: ofOrganization,
		fields: []field{
			must("name", text), must("category", text, "organization", "team"), must("organizationId", number),
			may("description", text), may("permissions", list),
		},
	}
}
