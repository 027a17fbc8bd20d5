package makesim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

const scenarioKind = "scenarios"

// scenarioResource are scenarios. Members with "_" hold what only the simulator needs: _blueprint, _versions of
// it (see version), _interface, _properties (custom ones), _next (the next run of a scenario that runs by
// itself), _runSeconds and _failure (see Failure).
func scenarioResource() resource {
	return resource{
		kind: scenarioKind, path: "/api/v2/scenarios", id: "scenarioId", one: "scenario", many: "scenarios", tenant: ofTeam,
		fields: []field{
			must("teamId", number), must("blueprint", jsonText), must("scheduling", jsonText),
			may("folderId", number), may("basedon", anything), may("metadata", document),
		},
		changes: []field{
			may("name", text), may("description", text), may("folderId", number),
			may("scheduling", jsonText), may("blueprint", jsonText), may("metadata", document),
		},
		seeded: []field{
			may("isActive", boolean), may("_runSeconds", number), may("_failure", document), may("_properties", document),
		},
		filters: map[string]string{
			"id[]": "id", "folderId": "folderId", "type": "type",
			"isActive": "isActive", "islinked": "isActive", "concept": "concept",
		},
		created: "created", updated: "lastEdit",
		fresh: freshScenario, changed: changeScenario, show: showScenario, gone: scenarioGone,
	}
}

// scenarioRoutes are scenarios, their parts and their runs.
func (s *Server) scenarioRoutes() []route {
	scenarios := s.serving(scenarioResource())
	list := scenarios.list("scenarios:read", "scenarios get")
	list.do = s.listScenarios
	return s.caughtUp([]route{
		list,
		scenarios.get("scenarios:read", "scenario view"),
		scenarios.create("scenarios:write", "scenario edit"),
		scenarios.update("scenarios:write", "scenario edit"),
		scenarios.delete("scenarios:write", "scenario delete", !confirmed),
		scenarios.on("POST", "/start", "scenarios:write", "scenario start", s.startScenario),
		scenarios.on("POST", "/stop", "scenarios:write", "scenario stop", s.stopScenario),
		scenarios.on("POST", "/clone", "scenarios:write", "scenario edit", s.cloneScenario),
		scenarios.on("GET", "/interface", "scenarios:read", "scenario view", s.getInterface),
		scenarios.on("PATCH", "/interface", "scenarios:write", "scenario edit", s.setInterface),
		scenarios.on("GET", "/blueprint", "scenarios:read", "scenario view", s.getBlueprint),
		scenarios.on("GET", "/blueprints", "scenarios:read", "scenario view", s.listBlueprints),
		scenarios.on("GET", "/triggers", "scenarios:read", "scenario view", s.getTrigger),
		scenarios.on("GET", "/usage", "scenarios:read", "scenario view", s.getUsage),
		scenarios.on("GET", "/data/{moduleId}", "scenarios:write", "scenario view", s.checkModuleData),
	})
}

// caughtUp lets the scenarios that run by themselves catch up with the clock before each request.
func (s *Server) caughtUp(routes []route) []route {
	for i, rt := range routes {
		routes[i].do = func(c *call) (any, error) {
			s.state.runDue(c.now)
			return rt.do(c)
		}
	}
	return routes
}

// scenario returns the row of a scenario, nil if there is none.
func (st *state) scenario(id int64) object { return st.tables.of(scenarioKind).find(id) }

// activeScenarios counts those of some teams.
func (st *state) activeScenarios(teams ...Team) int {
	active := 0
	for _, row := range st.tables.of(scenarioKind).where("isActive", true) {
		if slices.ContainsFunc(teams, func(t Team) bool { return t.ID == row["teamId"] }) {
			active++
		}
	}
	return active
}

// listScenarios lists those of a team or of all the caller's teams in an organization.
func (s *Server) listScenarios(c *call) (any, error) {
	inPlace, err := s.teamFilter(c)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"isActive", "islinked", "concept"} {
		if _, _, err := flag(c.query(), name); err != nil {
			return nil, err
		}
	}
	rows := slices.DeleteFunc(slices.Clone(s.state.tables.of(scenarioKind).Rows), func(row object) bool {
		return !inPlace(integer(row["teamId"]))
	})
	answer, err := s.serving(scenarioResource()).answer(c, rows)
	if err != nil {
		return nil, err
	}
	pg, _ := answer.(object)["pg"].(object)
	pg["returnTotalCount"] = false
	return answer, nil
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
		return func(team int64) bool { return team == teamID }, s.state.enter(c, ofTeam, teamID)
	}
	o := s.state.organization(organizationID)
	if o == nil || !c.user.memberOf(o) {
		return nil, insufficientRights()
	}
	return func(team int64) bool {
		of, _ := s.state.team(team)
		return of == o && s.state.allows(c, ofTeam, team)
	}, nil
}

func freshScenario(st *state, c *call, row object) error {
	fill(row, object{
		"name": "", "description": "", "folderId": nil, "hookId": nil, "deviceId": nil, "deviceScope": nil,
		"concept": false, "type": "scenario", "isinvalid": false, "isActive": false, "islocked": false, "isPaused": false,
		"iswaiting": false, "usedPackages": []string{}, "createdByUser": author(c), "_interface": Interface{},
	})
	st.tables.of(scenarioKind).identify(row) // the webhook refers to it
	delete(row, "basedon")
	changes := object{}
	for _, name := range []string{"scheduling", "blueprint", "metadata", "folderId"} {
		changes[name] = row[name]
		delete(row, name)
	}
	if err := changeScenario(st, c, row, changes); err != nil {
		return err
	}
	maps.Copy(row, changes)
	if row["isActive"] == true {
		schedule(row, c.now)
	}
	return nil
}

func author(c *call) object {
	return object{"id": c.user.ID, "name": c.user.Name, "email": c.user.Email}
}

func changeScenario(st *state, c *call, row, changes object) error {
	for _, name := range []string{"name", "description", "scheduling", "blueprint"} {
		if changes[name] == nil {
			delete(changes, name)
		}
	}
	changes["updatedByUser"] = author(c)
	if err := checkFolder(st, row["teamId"], changes["folderId"]); err != nil {
		return err
	}
	if source, ok := changes["scheduling"].(string); ok {
		o, _ := st.team(integer(row["teamId"]))
		scheduling, err := readScheduling(source, licenseOf(o))
		if err != nil {
			return err
		}
		changes["scheduling"] = scheduling
	}
	return changeBlueprint(st, c, row, changes)
}

func showScenario(st *state, c *call, shown object) {
	id := integer(shown["id"])
	row := st.scenario(id)
	open := slices.DeleteFunc(st.incomplete(id, c.now), func(dlq object) bool { return dlq["resolved"] == true })
	shown["islinked"] = shown["isActive"]
	shown["nextExec"] = row["_next"]
	shown["dlqCount"] = len(open)
	shown["operations"], shown["transfer"] = st.consumed(id)
	if properties, ok := row["_properties"].(object); ok {
		shown["customProperties"] = properties
	}
}

// scenarioGone detaches what the scenario used and removes what came of it.
func scenarioGone(st *state, row object) {
	id := integer(row["id"])
	for _, hook := range st.tables.of(hookKind).where("scenarioId", id) {
		detachHook(hook, row["lastEdit"])
	}
	for _, dlq := range st.tables.of(dlqKind).where("scenarioId", id) {
		delete(st.tables, dlqLogs(dlq))
	}
	st.tables.of(dlqKind).remove("scenarioId", id)
	delete(st.tables, executionsOf(id))
}

// schedulingNeeds are the members that the types of scheduling need.
var schedulingNeeds = map[string]string{
	"indefinitely": "interval", "once": "date",
	"daily": "time", "weekly": "time", "monthly": "time", "yearly": "time",
}

// leastInterval is the shortest time between two runs, in seconds. Source: the documentation of Make's SDK.
const leastInterval = 60

func readScheduling(source string, l license) (object, error) {
	scheduling := plain(json.RawMessage(source))
	kind, _ := scheduling["type"].(string)
	needs := schedulingNeeds[kind]
	switch {
	case scheduling["type"] == nil:
		return nil, badRequest(missing("scheduling.type"))
	case !slices.Contains(schedulings, kind):
		return nil, badRequest(fmt.Sprintf("Invalid value of parameter 'scheduling.type': one of %s expected.", join(schedulings)))
	case needs != "" && scheduling[needs] == nil:
		return nil, badRequest(missing("scheduling." + needs))
	case needs == "interval" && integer(scheduling["interval"]) < leastInterval:
		return nil, badRequest(fmt.Sprintf("Invalid value of parameter 'scheduling.interval': at least %d expected.", leastInterval))
	case needs == "interval" && integer(scheduling["interval"]) < int64(l.Interval*60):
		return nil, limitExceeded(fmt.Sprintf("than one run in %d minutes", l.Interval))
	}
	return scheduling, nil
}

// interval is the time between two runs of a scenario that runs by itself, zero for others.
func interval(row object) time.Duration {
	scheduling, _ := row["scheduling"].(object)
	if scheduling["type"] != "indefinitely" {
		return 0
	}
	return time.Duration(cmp.Or(integer(scheduling["interval"]), 900)) * time.Second
}

// schedule sets the next run of an active scenario, the first one now.
func schedule(row object, now time.Time) {
	if interval(row) > 0 {
		row["_next"] = now.Format(timeLayout)
	}
}
