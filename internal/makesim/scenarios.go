package makesim

import (
	"slices"
	"strconv"
	"time"
)

// scenario is a seeded scenario and what happened to it since.
type scenario struct {
	Scenario

	created    time.Time
	executions []*execution // oldest first
}

// scenarioRoutes are scenarios, their interface and their runs.
func (s *Server) scenarioRoutes() []route {
	read := []string{"scenarios:read"}
	return []route{
		{pattern: "GET /api/v2/scenarios", scopes: read, do: s.listScenarios},
		{pattern: "GET /api/v2/scenarios/{scenarioId}", scopes: read, do: s.getScenario},
		{pattern: "GET /api/v2/scenarios/{scenarioId}/interface", scopes: read, do: s.getInterface},
		// Runs do not count against the budget. Source: Make's page on rate limiting.
		{pattern: "POST /api/v2/scenarios/{scenarioId}/run", scopes: []string{"scenarios:run"}, exempt: true, do: s.runScenario},
	}
}

func (st *state) scenario(id int64) *scenario {
	i := slices.IndexFunc(st.scenarios, func(sc *scenario) bool { return sc.ID == id })
	if i < 0 {
		return nil
	}
	return st.scenarios[i]
}

func (s *Server) listScenarios(c *call) (any, error) {
	wanted, err := s.scenarioFilter(c)
	if err != nil {
		return nil, err
	}
	rows := []object{}
	for _, sc := range s.state.scenarios {
		if wanted(sc) {
			rows = append(rows, s.scenarioObject(sc))
		}
	}
	rows, pg, err := page(rows, c.r.URL.Query(), "name")
	if err != nil {
		return nil, err
	}
	pg["returnTotalCount"] = false
	return object{"scenarios": rows, "pg": pg}, nil
}

// scenarioFilter is teamId or organizationId, then id[] and isActive.
func (s *Server) scenarioFilter(c *call) (func(*scenario) bool, error) {
	query := c.r.URL.Query()
	inPlace, err := s.teamFilter(c)
	if err != nil {
		return nil, err
	}
	active, byActive, err := flag(query, "isActive")
	if err != nil {
		return nil, err
	}
	ids := query["id[]"]
	return func(sc *scenario) bool {
		return inPlace(sc.TeamID) &&
			(!byActive || sc.Active == active) &&
			(len(ids) == 0 || slices.Contains(ids, strconv.FormatInt(sc.ID, 10)))
	}, nil
}

// teamFilter reads teamId or organizationId, exactly one of which is needed.
func (s *Server) teamFilter(c *call) (func(team int64) bool, error) {
	teamID, err := c.queryID("teamId")
	if err != nil {
		return nil, err
	}
	organizationID, err := c.queryID("organizationId")
	if err != nil {
		return nil, err
	}
	switch {
	case teamID == 0 && organizationID == 0:
		return nil, badRequest("Missing value of required parameter 'teamId' or 'organizationId'.")
	case teamID != 0 && organizationID != 0:
		return nil, badRequest("Parameters 'teamId' and 'organizationId' exclude each other.")
	case teamID != 0:
		o, t := s.state.team(teamID)
		if t == nil || c.user.teamRole(o, teamID) == "" {
			return nil, insufficientRights()
		}
		return func(team int64) bool { return team == teamID }, nil
	}
	o := s.state.organization(organizationID)
	if o == nil || !c.user.memberOf(o) {
		return nil, insufficientRights()
	}
	return func(team int64) bool {
		of, _ := s.state.team(team)
		return of == o && c.user.teamRole(o, team) != ""
	}, nil
}

// reachable finds the scenario of the path and the caller's role in its team; one that the caller may not
// see does not exist.
func (s *Server) reachable(c *call) (*scenario, string, error) {
	id, err := c.id("scenarioId")
	if err != nil {
		return nil, "", err
	}
	sc := s.state.scenario(id)
	if sc == nil {
		return nil, "", notFound()
	}
	o, _ := s.state.team(sc.TeamID)
	role := c.user.teamRole(o, sc.TeamID)
	if role == "" {
		return nil, "", notFound()
	}
	return sc, role, nil
}

func (s *Server) getScenario(c *call) (any, error) {
	sc, _, err := s.reachable(c)
	if err != nil {
		return nil, err
	}
	return object{"scenario": pick(s.scenarioObject(sc), c.r.URL.Query())}, nil
}

func (s *Server) getInterface(c *call) (any, error) {
	sc, _, err := s.reachable(c)
	if err != nil {
		return nil, err
	}
	return object{"interface": sc.Interface}, nil
}

func (s *Server) scenarioObject(sc *scenario) object {
	scheduling := object{"type": sc.Scheduling.Type}
	var next any
	if sc.Scheduling.Interval > 0 {
		scheduling["interval"] = sc.Scheduling.Interval
		if sc.Active {
			next = s.now().Add(time.Duration(sc.Scheduling.Interval) * time.Second).Format(timeLayout)
		}
	}
	author := object{"id": s.state.users[0].ID, "name": s.state.users[0].Name, "email": s.state.users[0].Email}
	return object{
		"id": sc.ID, "name": sc.Name, "teamId": sc.TeamID, "description": sc.Description,
		"hookId": nil, "deviceId": nil, "deviceScope": nil, "concept": false, "folderId": nil,
		"isinvalid": false, "islinked": sc.Active, "isActive": sc.Active, "islocked": false, "isPaused": false,
		"usedPackages": []string{}, "scheduling": scheduling, "iswaiting": false, "dlqCount": 0, "nextExec": next,
		"created": sc.created.Format(timeLayout), "lastEdit": sc.created.Format(timeLayout),
		"createdByUser": author, "updatedByUser": author,
		"operations": len(sc.executions), "transfer": 0,
	}
}
