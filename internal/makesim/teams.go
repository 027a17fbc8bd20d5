package makesim

import (
	"slices"
	"strconv"
)

// teamRoutes are the teams of organizations.
func (s *Server) teamRoutes() []route {
	read, write := []string{"teams:read"}, []string{"teams:write"}
	const list, one = "/api/v2/teams", "/api/v2/teams/{teamId}"
	return []route{
		{pattern: "GET " + list, scopes: read, do: s.listTeams},
		{pattern: "GET " + one, scopes: read, can: "team view", do: s.getTeam},
		{pattern: "POST " + list, scopes: write, can: "team add", do: s.createTeam},
		{pattern: "PATCH " + one, scopes: write, can: "team edit", do: s.updateTeam},
		{pattern: "DELETE " + one, scopes: write, can: "team delete", do: s.deleteTeam},
		{pattern: "GET " + one + "/user-team-roles", scopes: read, can: "team view", do: s.listTeamUsers},
	}
}

// listTeams has the teams in which the caller has a role.
func (s *Server) listTeams(c *call) (any, error) {
	id, err := c.tenant(ofOrganization, nil)
	if err != nil {
		return nil, err
	}
	o := s.state.organization(id)
	if o == nil || !c.user.memberOf(o) {
		return nil, insufficientRights()
	}
	rows := []object{}
	for i := range o.Teams {
		if c.user.teamRole(o, o.Teams[i].ID) != "" {
			rows = append(rows, s.state.teamObject(o, &o.Teams[i]))
		}
	}
	if personal, _, err := flag(c.query(), "includePrivateSpaces"); err != nil {
		return nil, err
	} else if personal {
		rows = append(rows, s.state.personalTeams(c.user, id)...)
	}
	rows, pg, err := page(rows, c.query(), "name", "id", "name", "organizationId")
	return object{"teams": rows, "pg": pg}, err
}

// reachTeam finds the team of the path if the caller may do with it what the route is for.
func (s *Server) reachTeam(c *call) (*Organization, *Team, error) {
	id, err := c.id("teamId")
	if err != nil {
		return nil, nil, err
	}
	o, t := s.state.team(id)
	return o, t, s.state.reach(c, ofTeam, id)
}

func (s *Server) getTeam(c *call) (any, error) {
	o, t, err := s.reachTeam(c)
	if err != nil {
		return nil, err
	}
	return object{"team": pick(s.state.teamObject(o, t), c.query(), "id", "name", "organizationId", "scenarioDrafts")}, nil
}

func (st *state) teamObject(o *Organization, t *Team) object {
	shown := object{
		"id": t.ID, "name": t.Name, "organizationId": o.ID, "scenarioDrafts": t.ScenarioDrafts, "type": "standard",
		"operationsLimit": nil, "transferLimit": nil, "isPaused": false, "activeScenarios": st.activeScenarios(*t),
		"consumedOperations": 0, "consumedTransfer": 0,
	}
	if t.OperationsLimit != nil {
		shown["operationsLimit"] = *t.OperationsLimit
	}
	if t.TransferLimit != nil {
		shown["transferLimit"] = strconv.FormatInt(*t.TransferLimit, 10)
	}
	return shown
}

func (s *Server) createTeam(c *call) (any, error) {
	body, err := c.fields(must("name", text), must("organizationId", number), may("operationsLimit", number), may("transferLimit", number))
	if err != nil {
		return nil, err
	}
	id := integer(body["organizationId"])
	if err := s.state.enter(c, ofOrganization, id); err != nil {
		return nil, err
	}
	o := s.state.organization(id)
	if len(o.Teams) >= licenseOf(o).Teams {
		return nil, limitExceeded("teams")
	}
	t := Team{ID: s.state.teamNumber()}
	t.change(body, licenseOf(o))
	o.Teams = append(slices.Clone(o.Teams), t)
	c.user.Teams = append(slices.Clone(c.user.Teams), TeamRole{ID: t.ID, Role: "Team Admin"})
	return object{
		"team": picked(s.state.teamObject(o, &t), "id", "name", "organizationId", "operationsLimit", "transferLimit"),
		"userTeamRole": object{
			"usersRoleId": teamRoles["Team Admin"], "userId": c.user.ID, "teamId": t.ID, "changeable": false,
		},
	}, nil
}

// change takes over what a body names. The limit of the transfer follows from that of the operations unless it
// is named.
func (t *Team) change(body object, l license) {
	if name, ok := body["name"].(string); ok {
		t.Name = name
	}
	if drafts, ok := body["scenarioDrafts"].(bool); ok {
		t.ScenarioDrafts = drafts
	}
	if limit, ok := body["operationsLimit"].(int64); ok {
		transfer := l.transferFor(limit)
		t.OperationsLimit, t.TransferLimit = &limit, &transfer
	}
	if limit, ok := body["transferLimit"].(int64); ok {
		t.TransferLimit = &limit
	}
}

func (s *Server) updateTeam(c *call) (any, error) {
	o, t, err := s.reachTeam(c)
	if err != nil {
		return nil, err
	}
	body, err := c.fields(
		may("name", text), may("operationsLimit", number), may("transferLimit", number), may("scenarioDrafts", boolean),
	)
	if err != nil {
		return nil, err
	}
	t.change(body, licenseOf(o))
	return object{"team": s.state.teamObject(o, t)}, nil
}

// deleteTeam is a matter of the organization: administrators of the team itself may not.
func (s *Server) deleteTeam(c *call) (any, error) {
	id, err := c.id("teamId")
	if err != nil {
		return nil, err
	}
	role, o := s.state.role(c.user, ofTeam, id)
	if role == "" {
		return nil, notFound()
	}
	if err := s.state.enter(c, ofOrganization, o.ID); err != nil {
		return nil, err
	}
	if err := c.confirmed("team"); err != nil {
		return nil, err
	}
	s.state.dropTeam(o, id)
	return object{"team": id}, nil
}

// dropTeam removes a team and everything in it.
func (st *state) dropTeam(o *Organization, id int64) {
	st.dropObjects(ofTeam, id)
	for _, u := range st.users {
		u.Teams = slices.DeleteFunc(slices.Clone(u.Teams), func(r TeamRole) bool { return r.ID == id })
	}
	o.Teams = slices.DeleteFunc(slices.Clone(o.Teams), func(t Team) bool { return t.ID == id })
}

func (st *state) teamNumber() int64 {
	for {
		id := st.tables.of("teams").number()
		if _, t := st.team(id); t == nil {
			return id
		}
	}
}

func (s *Server) listTeamUsers(c *call) (any, error) {
	_, t, err := s.reachTeam(c)
	if err != nil {
		return nil, err
	}
	rows := []object{}
	for _, u := range s.state.users {
		_, roles := s.state.rolesOf(u)
		for _, role := range roles {
			if role["teamId"] == t.ID {
				rows = append(rows, role)
			}
		}
	}
	rows, pg, err := page(rows, c.query(), "userId")
	return object{"userTeamRoles": rows, "pg": pg}, err
}
