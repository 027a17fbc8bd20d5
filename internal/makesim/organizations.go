package makesim

import (
	"cmp"
	"slices"
)

// organizationRoutes are organizations.
func (s *Server) organizationRoutes() []route {
	read, write := []string{"organizations:read"}, []string{"organizations:write"}
	const list, one = "/api/v2/organizations", "/api/v2/organizations/{organizationId}"
	return []route{
		{pattern: "GET " + list, scopes: read, do: s.listOrganizations},
		{pattern: "GET " + one, scopes: read, can: "organization view", do: s.getOrganization},
		{pattern: "POST " + list, scopes: write, do: s.createOrganization},
		{pattern: "PATCH " + one, scopes: write, can: "organization edit", do: s.updateOrganization},
		{pattern: "DELETE " + one, scopes: write, can: "organization delete", do: s.deleteOrganization},
		{
			pattern: "GET " + one + "/user-organization-roles", scopes: read, can: "users get",
			do: s.listOrganizationUsers,
		},
	}
}

// organizationFields are what creation and update share.
var organizationFields = []field{may("name", text), may("timezoneId", number), may("countryId", number)}

func (s *Server) listOrganizations(c *call) (any, error) {
	rows := []object{}
	for _, o := range s.state.organizations {
		if c.user.memberOf(o) {
			rows = append(rows, s.state.organizationObject(c, o))
		}
	}
	rows, pg, err := page(rows, c.query(), "name", "id", "name", "timezoneId", "zone")
	return object{"organizations": rows, "pg": pg}, err
}

// reachOrganization finds the organization of the path if the caller may do with it what the route is for.
func (s *Server) reachOrganization(c *call) (*Organization, error) {
	id, err := c.id("organizationId")
	if err != nil {
		return nil, err
	}
	return s.state.organization(id), s.state.reach(c, ofOrganization, id)
}

func (s *Server) getOrganization(c *call) (any, error) {
	o, err := s.reachOrganization(c)
	if err != nil {
		return nil, err
	}
	return object{"organization": pick(s.state.organizationObject(c, o), c.query())}, nil
}

func (st *state) organizationObject(c *call, o *Organization) object {
	teams := []object{}
	for _, t := range o.Teams {
		teams = append(teams, object{"id": t.ID, "name": t.Name})
	}
	return object{
		"id": o.ID, "name": o.Name, "serviceName": "default", "productName": o.Plan, "lastReset": nil, "nextReset": nil,
		"operations": "0", "transfer": "0", "operationsExt": "0", "transferExt": "0",
		"unusedOperations": "0", "unusedTransfer": "0", "activeScenarios": st.activeScenarios(o.Teams...),
		"isPaused": false, "countryId": cmp.Or(o.CountryID, defaultCountry), "timezoneId": cmp.Or(o.TimezoneID, defaultTimezone),
		"deleted": false, "license": licenseOf(o), "features": object{}, "externalId": nil,
		"zone": cmp.Or(o.Zone, c.r.Host), "teams": teams, "privateSpaces": st.spacesOf(c.user, o.ID),
	}
}

// organizationAnswer is the part that creation and update show.
func (st *state) organizationAnswer(c *call, o *Organization) object {
	return picked(st.organizationObject(c, o),
		"id", "name", "countryId", "timezoneId", "license", "zone", "serviceName", "teams", "isPaused")
}

func (s *Server) createOrganization(c *call) (any, error) {
	body, err := c.fields(must("name", text), must("regionId", number), must("timezoneId", number), must("countryId", number))
	if err != nil {
		return nil, err
	}
	if err := checkPlace(body); err != nil {
		return nil, err
	}
	o := &Organization{ID: s.state.organizationNumber(), Plan: "free", Teams: []Team{{ID: s.state.teamNumber(), Name: "My Team"}}}
	o.change(body)
	s.state.organizations = append(s.state.organizations, o)
	c.user.Organizations = append(slices.Clone(c.user.Organizations), OrganizationRole{ID: o.ID, Role: "Owner"})
	c.user.Teams = append(slices.Clone(c.user.Teams), TeamRole{ID: o.Teams[0].ID, Role: "Team Admin"})
	return object{
		"organization": s.state.organizationAnswer(c, o),
		"userOrganizationRole": object{
			"userId": c.user.ID, "organizationId": o.ID, "usersRoleId": organizationRoles["Owner"], "invitation": nil,
		},
	}, nil
}

func (o *Organization) change(body object) {
	if name, ok := body["name"].(string); ok {
		o.Name = name
	}
	o.CountryID = cmp.Or(integer(body["countryId"]), o.CountryID)
	o.TimezoneID = cmp.Or(integer(body["timezoneId"]), o.TimezoneID)
}

func (s *Server) updateOrganization(c *call) (any, error) {
	o, err := s.reachOrganization(c)
	if err != nil {
		return nil, err
	}
	body, err := c.fields(organizationFields...)
	if err != nil {
		return nil, err
	}
	if err := checkPlace(body); err != nil {
		return nil, err
	}
	o.change(body)
	return object{"organization": s.state.organizationAnswer(c, o)}, nil
}

func (s *Server) deleteOrganization(c *call) (any, error) {
	o, err := s.reachOrganization(c)
	if err != nil {
		return nil, err
	}
	if err := c.confirmed("organization"); err != nil {
		return nil, err
	}
	s.state.dropOrganization(o)
	return object{"organization": o.ID}, nil
}

// dropOrganization removes an organization and everything in it.
func (st *state) dropOrganization(o *Organization) {
	for _, t := range slices.Clone(o.Teams) {
		st.dropTeam(o, t.ID)
	}
	st.dropObjects(ofOrganization, o.ID)
	for _, u := range st.users {
		u.Organizations = slices.DeleteFunc(slices.Clone(u.Organizations), func(r OrganizationRole) bool { return r.ID == o.ID })
	}
	st.organizations = slices.DeleteFunc(st.organizations, func(each *Organization) bool { return each == o })
}

// dropObjects removes the rows of all families that belong to a tenant.
func (st *state) dropObjects(where tenant, id int64) {
	for _, r := range resources() {
		if r.tenant != where {
			continue
		}
		for _, row := range slices.Clone(st.tables.of(r.kind).Rows) {
			if r.ownerOf(st, row) == id {
				r.drop(st, row)
			}
		}
	}
}

func (st *state) organizationNumber() int64 {
	for {
		if id := st.tables.of("organizations").number(); st.organization(id) == nil {
			return id
		}
	}
}

func (s *Server) listOrganizationUsers(c *call) (any, error) {
	o, err := s.reachOrganization(c)
	if err != nil {
		return nil, err
	}
	rows := []object{}
	for _, u := range s.state.users {
		roles, _ := s.state.rolesOf(u)
		for _, role := range roles {
			if role["organizationId"] == o.ID {
				rows = append(rows, role)
			}
		}
	}
	rows, pg, err := page(rows, c.query(), "userId")
	return object{"userOrganizationRoles": rows, "pg": pg}, err
}
