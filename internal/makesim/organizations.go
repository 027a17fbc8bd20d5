package makesim

import "cmp"

// organizationRoutes are organizations and their teams.
func (s *Server) organizationRoutes() []route {
	return []route{
		{pattern: "GET /api/v2/organizations", scopes: []string{"organizations:read"}, do: s.listOrganizations},
		{pattern: "GET /api/v2/organizations/{organizationId}", scopes: []string{"organizations:read"}, do: s.getOrganization},
		{pattern: "GET /api/v2/teams", scopes: []string{"teams:read"}, do: s.listTeams},
		{pattern: "GET /api/v2/teams/{teamId}", scopes: []string{"teams:read"}, do: s.getTeam},
	}
}

func (s *Server) listOrganizations(c *call) (any, error) {
	rows := []object{}
	for _, o := range s.state.organizations {
		if c.user.memberOf(o) {
			rows = append(rows, c.organization(o))
		}
	}
	rows, pg, err := page(rows, c.r.URL.Query(), "name", "id", "name", "timezoneId", "zone")
	return object{"organizations": rows, "pg": pg}, err
}

// getOrganization hides an organization from those who do not belong to it.
func (s *Server) getOrganization(c *call) (any, error) {
	id, err := c.id("organizationId")
	if err != nil {
		return nil, err
	}
	o := s.state.organization(id)
	if o == nil || !c.user.memberOf(o) {
		return nil, notFound()
	}
	return object{"organization": pick(c.organization(o), c.r.URL.Query())}, nil
}

func (c *call) organization(o *Organization) object {
	teams := []object{}
	for _, t := range o.Teams {
		teams = append(teams, object{"id": t.ID, "name": t.Name})
	}
	return object{
		"id": o.ID, "name": o.Name, "serviceName": "default", "nextReset": nil,
		"operations": "0", "transfer": "0", "operationsExt": "0", "transferExt": "0",
		"unusedOperations": "0", "unusedTransfer": "0",
		"isPaused": false, "countryId": 56, "timezoneId": 113, "deleted": false,
		"license": object{
			"apiLimit": plans[o.Plan], "operations": 800_000, "transfer": 4_294_967_296, "interval": 1, "users": 100,
			"apps": []string{}, "dslimit": maxDataStores, "fslimit": 1000, "iolimit": 1000, "dsslimit": maxDataStoresMB, "fulltext": true,
		},
		"features": object{}, "zone": cmp.Or(o.Zone, c.r.Host), "teams": teams, "privateSpaces": []object{},
	}
}

func (s *Server) listTeams(c *call) (any, error) {
	id, err := c.queryID("organizationId")
	if err != nil {
		return nil, err
	}
	if id == 0 {
		return nil, badRequest(missing("organizationId"))
	}
	o := s.state.organization(id)
	if o == nil || !c.user.memberOf(o) {
		return nil, insufficientRights()
	}
	rows := []object{}
	for i := range o.Teams {
		if c.user.teamRole(o, o.Teams[i].ID) != "" {
			rows = append(rows, teamObject(o, &o.Teams[i]))
		}
	}
	rows, pg, err := page(rows, c.r.URL.Query(), "name", "id", "name", "organizationId")
	return object{"teams": rows, "pg": pg}, err
}

func (s *Server) getTeam(c *call) (any, error) {
	id, err := c.id("teamId")
	if err != nil {
		return nil, err
	}
	o, t := s.state.team(id)
	if t == nil || c.user.teamRole(o, id) == "" {
		return nil, notFound()
	}
	return object{"team": pick(teamObject(o, t), c.r.URL.Query())}, nil
}

func teamObject(o *Organization, t *Team) object {
	return object{"id": t.ID, "name": t.Name, "organizationId": o.ID, "scenarioDrafts": false}
}
