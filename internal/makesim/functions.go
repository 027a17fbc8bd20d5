package makesim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
)

const (
	functionKind        = "functions"
	functionHistoryKind = "functionHistory"
)

// functionResource is a custom function of a team, written in JavaScript.
func functionResource() resource {
	return resource{
		kind: functionKind, path: "/api/v2/functions", id: "functionId", one: "function", many: "functions", tenant: ofTeam,
		fields:  []field{must("name", text), must("code", text), may("description", text)},
		changes: []field{may("name", text), may("code", text), may("description", text)},
		columns: []string{"id", "name", "args", "description", "updatedAt", "createdByUser", "createdAt"},
		bare:    true, created: "createdAt", updated: "updatedAt",
		fresh:   freshFunction,
		changed: changedFunction,
		show:    showFunction,
		gone: func(st *state, function object) {
			st.tables.of(functionHistoryKind).remove("functionId", function["id"])
		},
	}
}

func (s *Server) functionRoutes() []route {
	functions := s.serving(functionResource())
	const read, write, get, edit = "functions:read", "functions:write", "functions get", "function edit"
	return []route{
		functions.list(read, get),
		functions.get(read, get),
		functions.create(write, edit),
		functions.update(write, edit),
		functions.delete(write, edit, !confirmed),
		functions.on(http.MethodGet, "/history", read, get, s.listFunctionHistory),
		{pattern: "POST /api/v2/functions/eval", scopes: []string{write}, can: edit, do: s.checkFunction},
	}
}

func freshFunction(st *state, c *call, function object) error {
	if o, _ := st.team(integer(function["teamId"])); !licenseOf(o).CustomFunctions {
		return featureOff("IM001", "The license of the organization does not include custom functions.")
	}
	fill(function, object{"description": ""})
	function["createdByUser"] = userSummary(c.user)
	return readParameters(function)
}

func showFunction(st *state, _ *call, function object) {
	function["scenarios"] = st.scenariosUsing(function)
	delete(function, "teamId")
}

// scenariosUsing are the team's scenarios whose blueprint calls a function.
func (st *state) scenariosUsing(function object) []object {
	called := regexp.MustCompile(`\b` + regexp.QuoteMeta(fmt.Sprint(function["name"])) + `\(`)
	using := []object{}
	for _, scenario := range st.tables.of(scenarioKind).where("teamId", function["teamId"]) {
		blueprint, err := json.Marshal(scenario["_blueprint"])
		if err == nil && called.Match(blueprint) {
			using = append(using, object{"id": scenario["id"], "name": scenario["name"]})
		}
	}
	return using
}

// readParameters sets args from the code of a function that is new or changed.
func readParameters(function object) error {
	code, _ := function["code"].(string)
	parameters, err := declaredParameters(code)
	if err != nil {
		return invalidInput("The code is not valid: " + err.Error())
	}
	function["args"] = parameters
	return nil
}

// changedFunction keeps the code that is replaced.
func changedFunction(st *state, c *call, function, changes object) error {
	if changes["code"] == nil || changes["code"] == function["code"] {
		delete(changes, "code")
		return nil
	}
	if err := readParameters(changes); err != nil {
		return err
	}
	history := st.tables.of(functionHistoryKind)
	history.add(object{
		"id": history.number(), "functionId": function["id"], "previousCode": function["code"],
		"updatedAt": c.now.Format(timeLayout), "updatedBy": c.user.Name,
	})
	return nil
}

func userSummary(u *User) object { return object{"id": u.ID, "name": u.Name, "email": u.Email} }

// listFunctionHistory answers newest first. The query has to name the function's team.
func (s *Server) listFunctionHistory(c *call, function object) (any, error) {
	team, err := c.tenant(ofTeam, nil)
	if err != nil {
		return nil, err
	}
	if team != function["teamId"] {
		return nil, notFound()
	}
	rows := []object{}
	for _, h := range slices.Backward(s.state.tables.of(functionHistoryKind).where("functionId", function["id"])) {
		rows = append(rows, object{
			"id": h["id"], "previousCode": h["previousCode"], "updatedAt": h["updatedAt"], "updatedBy": h["updatedBy"],
		})
	}
	return object{"functionHistory": rows}, nil
}

// checkFunction says whether code would do as a function, and keeps nothing.
func (s *Server) checkFunction(c *call) (any, error) {
	body, err := c.fields(must("code", text))
	if err != nil {
		return nil, err
	}
	team, err := c.tenant(ofTeam, nil)
	if err != nil {
		return nil, err
	}
	if err := s.state.enter(c, ofTeam, team); err != nil {
		return nil, err
	}
	code, _ := body["code"].(string)
	if problem := problemOf(code); problem != "" {
		return object{"success": false, "error": problem}, nil
	}
	return object{"success": true, "error": nil}, nil
}

// problemOf is what keeps code from being a function; empty if it is one.
func problemOf(code string) string {
	parameters, err := declaredParameters(code)
	switch {
	case err != nil:
		return err.Error()
	case parameters == "":
		return "no function is declared"
	}
	return ""
}
