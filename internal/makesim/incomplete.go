package makesim

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

const dlqKind = "dlqs"

func dlqLogs(dlq object) string { return fmt.Sprintf("dlqLogs/%v", dlq["id"]) }

// dlqResource are incomplete executions: runs that failed and were kept, to be retried. Make's API calls them
// dlqs. They belong to the team of their scenario.
func dlqResource() resource {
	return resource{
		kind: dlqKind, path: "/api/v2/dlqs", id: "dlqId", one: "dlq", many: "dlqs", tenant: ofTeam,
		seeded:  []field{must("scenarioId", number), must("reason", text), may("retry", boolean), may("attempts", number)},
		changes: []field{may("blueprint", jsonText), may("failer", number)},
		columns: []string{"id", "reason", "created", "size", "resolved", "retry", "attempts"},
		sortBy:  "index", bare: true, uuid: true,
		owner: func(st *state, dlq object) int64 { return integer(st.scenario(integer(dlq["scenarioId"]))["teamId"]) },
		fresh: freshDLQ, changed: changedDLQ, show: showDLQ,
		gone: func(st *state, dlq object) { delete(st.tables, dlqLogs(dlq)) },
	}
}

func (s *Server) dlqRoutes() []route {
	dlqs := s.serving(dlqResource())
	return s.caughtUp([]route{
		{pattern: "GET " + dlqs.path, scopes: []string{"dlqs:read"}, can: "dlq view", do: s.listDLQs},
		{pattern: "DELETE " + dlqs.path, scopes: []string{"dlqs:write"}, can: "dlq edit", do: s.deleteDLQs},
		{pattern: "POST " + dlqs.path + "/retry", scopes: []string{"dlqs:write"}, can: "dlq edit", do: s.retryDLQs},
		dlqs.get("dlqs:read", "dlq view"),
		dlqs.delete("dlqs:write", "dlq edit", !confirmed),
		dlqs.on("PATCH", "", "dlqs:write", "dlq edit", s.changeDLQ),
		dlqs.on("GET", "/bundle", "dlqs:read", "dlq view", s.getDLQBundle),
		dlqs.on("GET", "/blueprint", "dlqs:read", "dlq view", s.getDLQBlueprint),
		dlqs.on("GET", "/logs", "dlqs:read", "dlq view", s.listDLQLogs),
		dlqs.on("GET", "/logs/{executionId}", "dlqs:read", "dlq view", s.getDLQLog),
		dlqs.on("POST", "/retry", "dlqs:write", "dlq edit", s.retryDLQ),
	})
}

func freshDLQ(st *state, c *call, dlq object) error {
	sc := st.scenario(integer(dlq["scenarioId"]))
	if sc == nil {
		return invalidInput(fmt.Sprintf("Scenario %v does not exist.", dlq["scenarioId"]))
	}
	index := st.tables.of(dlqKind).number()
	if dlq["id"] == nil {
		dlq["id"] = drawText(dlqKind, index)
	}
	fill(dlq, object{
		"created": c.now.Format(timeLayout), "executionId": drawUUID("executions", index), "resolved": false, "deleted": false,
		"index": index, "retry": false, "attempts": 0, "size": len(encode(sc["_blueprint"])),
		"_blueprint": sc["_blueprint"], "_failer": blueprintOf(sc).failing().ID, "_error": "RuntimeError", "_inputs": object{},
	})
	return nil
}

// keepIncomplete keeps a run that failed.
func (st *state) keepIncomplete(sc object, b blueprint, e execution) {
	row := object{
		"scenarioId": sc["id"], "reason": e.Error.Message, "created": e.Ends.Format(timeLayout), "executionId": e.ID,
		"_failer": b.failing().ID, "_error": e.Error.Name, "_inputs": e.Inputs,
	}
	if _, err := dlqResource().add(st, &call{now: e.Ends}, row); err != nil {
		panic(fmt.Sprintf("keep incomplete execution: %v", err)) // its scenario exists
	}
}

// incomplete are the incomplete executions of a scenario at a time: a run that will fail is not there yet.
func (st *state) incomplete(scenario int64, now time.Time) []object {
	return slices.DeleteFunc(st.tables.of(dlqKind).where("scenarioId", scenario), func(dlq object) bool {
		return moment(dlq["created"]).After(now)
	})
}

func showDLQ(st *state, c *call, shown object) {
	sc := st.scenario(integer(shown["scenarioId"]))
	_, team := st.team(integer(sc["teamId"]))
	shown["scenarioName"], shown["companyId"], shown["companyName"] = sc["name"], team.ID, team.Name
	if c.r != nil && c.r.PathValue("dlqId") != "" {
		delete(shown, "reason") // is in lists only
	}
}

// namedScenario is the one that the query names, if the caller may do with it what the route is for.
func (s *Server) namedScenario(c *call) (object, error) {
	id, err := c.queryID("scenarioId")
	if err != nil {
		return nil, err
	}
	if id == 0 {
		return nil, badRequest(missing("scenarioId"))
	}
	return s.serving(scenarioResource()).find(c, strconv.FormatInt(id, 10))
}

func (s *Server) listDLQs(c *call) (any, error) {
	sc, err := s.namedScenario(c)
	if err != nil {
		return nil, err
	}
	return s.serving(dlqResource()).answer(c, s.state.incomplete(integer(sc["id"]), c.now))
}

func (s *Server) deleteDLQs(c *call) (any, error) {
	rows, all, err := s.selectDLQs(c)
	if err != nil {
		return nil, err
	}
	if all {
		if err := c.confirmed("dlq"); err != nil {
			return nil, err
		}
	}
	for _, row := range rows {
		dlqResource().drop(&s.state, row)
	}
	return object{"dlqs": idsOf(rows)}, nil
}

func (s *Server) retryDLQs(c *call) (any, error) {
	rows, _, err := s.selectDLQs(c)
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(dlq object) bool { return dlq["resolved"] == true })
	for _, row := range rows {
		s.state.retry(c, row)
	}
	return object{"dlqs": idsOf(rows)}, nil
}

func (s *Server) selectDLQs(c *call) (rows []object, all bool, err error) {
	sc, err := s.namedScenario(c)
	if err != nil {
		return nil, false, err
	}
	return c.selection(s.state.incomplete(integer(sc["id"]), c.now))
}

// selection are the rows that a body names by ids, or by all and exceptIds. Ids of nothing count for nothing.
func (c *call) selection(rows []object) (selected []object, all bool, err error) {
	body, err := c.fields(may("ids", list), may("exceptIds", list), may("all", boolean))
	if err != nil {
		return nil, false, err
	}
	ids, except := texts(body["ids"]), texts(body["exceptIds"])
	all = body["all"] == true
	switch {
	case all == (len(ids) > 0):
		return nil, false, badRequest("Exactly one of the parameters 'ids' and 'all' is needed.")
	case !all && len(except) > 0:
		return nil, false, badRequest("Parameter 'exceptIds' goes with 'all' only.")
	}
	return slices.DeleteFunc(slices.Clone(rows), func(row object) bool {
		id, _ := row["id"].(string)
		return slices.Contains(except, id) || !all && !slices.Contains(ids, id)
	}), all, nil
}

func idsOf(rows []object) []any {
	ids := []any{}
	for _, row := range rows {
		ids = append(ids, row["id"])
	}
	return ids
}

func changedDLQ(_ *state, _ *call, dlq, changes object) error {
	source, given := changes["blueprint"].(string)
	failer := changes["failer"]
	delete(changes, "blueprint")
	delete(changes, "failer")
	if failer != nil {
		changes["_failer"] = failer
	}
	if !given {
		return nil
	}
	full, _, err := readBlueprint(source)
	changes["_blueprint"], changes["size"], changes["_repaired"] = full, len(source), true
	return err
}

// changeDLQ gives an incomplete execution another blueprint, which counts as repaired.
func (s *Server) changeDLQ(c *call, dlq object) (any, error) {
	if _, err := s.serving(dlqResource()).doUpdate(c, dlq); err != nil {
		return nil, err
	}
	return object{"dlq": object{"failer": dlq["_failer"], "blueprint": dlq["_blueprint"]}}, nil
}

// getDLQBundle answers the error of the module that failed and the data that went in.
func (s *Server) getDLQBundle(_ *call, dlq object) (any, error) {
	return object{"code": "OK", "response": object{
		fmt.Sprint(dlq["_failer"]): object{"error": object{"type": dlq["_error"], "message": dlq["reason"]}}, "input": dlq["_inputs"],
	}}, nil
}

func (s *Server) getDLQBlueprint(_ *call, dlq object) (any, error) {
	var b blueprint
	decodeRow(dlq["_blueprint"], &b)
	return object{"code": "OK", "response": object{
		"blueprint": dlq["_blueprint"], "company": dlqResource().ownerOf(&s.state, dlq), "idSequence": b.nextID(), "reason": dlq["reason"],
	}}, nil
}

func (s *Server) retryDLQ(c *call, dlq object) (any, error) {
	if dlq["resolved"] == true {
		return nil, notAllowedNow("The incomplete execution is already resolved.")
	}
	s.state.retry(c, dlq)
	return object{"dlq": dlq["id"]}, nil
}

// retry runs the rest of an incomplete execution. It succeeds once its blueprint was changed or the scenario no
// longer fails.
func (st *state) retry(c *call, dlq object) {
	sc := st.scenario(integer(dlq["scenarioId"]))
	e := execution{Type: manually, Author: &c.user.ID, Started: c.now, Ends: c.now, Status: succeeded}
	if dlq["_repaired"] != true {
		e.Status, e.Error = st.failure(sc, blueprintOf(sc))
	}
	st.tables.of(dlqLogs(dlq)).addExecution(dlqLogs(dlq), e)
	dlq["attempts"] = integer(dlq["attempts"]) + 1
	dlq["resolved"] = e.Status != failed
}

func (s *Server) listDLQLogs(c *call, dlq object) (any, error) {
	rows, pg, err := c.logs(readExecutions(s.state.tables[dlqLogs(dlq)]), func(e execution) object { return s.dlqLog(dlq, e) })
	return object{"dlqLogs": rows, "pg": pg}, err
}

func (s *Server) getDLQLog(c *call, dlq object) (any, error) {
	row := s.state.tables.of(dlqLogs(dlq)).find(c.r.PathValue("executionId"))
	if row == nil {
		return nil, notFound()
	}
	var e execution
	decodeRow(row, &e)
	return object{"dlqLog": s.dlqLog(dlq, e)}, nil
}

func (s *Server) dlqLog(dlq object, e execution) object {
	log := s.logObject(s.state.scenario(integer(dlq["scenarioId"])), e)
	log["imtId"] = logKey("dlq", dlq["id"], e)
	return log
}
