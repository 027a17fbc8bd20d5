package makesim

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// version is one state of a blueprint over time.
type version struct {
	Version   int64  `json:"version"`
	Created   string `json:"created"`
	Blueprint object `json:"blueprint"`
}

// keptVersions is how many versions of a blueprint are kept.
const keptVersions = 50

// blueprintOf is what the simulator acts on of a scenario's blueprint.
func blueprintOf(row object) (b blueprint) {
	decodeRow(row["_blueprint"], &b)
	return b
}

func interfaceOf(row object) (i Interface) {
	decodeRow(row["_interface"], &i)
	return i
}

func versionsOf(row object) (versions []version) {
	decodeRow(row["_versions"], &versions)
	return versions
}

// changeBlueprint takes a new blueprint into use: name, interface, packages and webhook follow from it.
func changeBlueprint(st *state, c *call, row, changes object) error {
	source, given := changes["blueprint"].(string)
	beside, _ := changes["metadata"].(object)
	delete(changes, "blueprint")
	delete(changes, "metadata")
	if !given {
		if changes["name"] != nil && row["_blueprint"] != nil {
			renamed := plain(row["_blueprint"])
			renamed["name"] = changes["name"]
			changes["_blueprint"] = renamed
		}
		return nil
	}
	full, b, err := readBlueprint(source)
	if err != nil {
		return err
	}
	if changes["name"] == nil {
		changes["name"] = b.Name
	}
	full["name"] = changes["name"]
	if beside != nil {
		b.IO = &interfaceSpec{}
		if err := decodeValue("metadata", beside, b.IO); err != nil {
			return err
		}
	}
	if b.IO != nil {
		if err := changeInterface(row, changes, Interface(*b.IO)); err != nil {
			return err
		}
	}
	if err := askForApps(st, c, row, b); err != nil {
		return err
	}
	versions := versionsOf(row)
	next := version{Version: 1, Created: c.now.Format(timeLayout), Blueprint: full}
	if n := len(versions); n > 0 {
		next.Version = versions[n-1].Version + 1
	}
	versions = append(versions, next)
	changes["_versions"] = versions[max(0, len(versions)-keptVersions):]
	changes["_blueprint"], changes["usedPackages"] = full, b.apps()
	return st.useHook(row, changes, b.hook(), c.now)
}

// askForApps asks for confirmation when an app is used in the organization for the first time.
func askForApps(st *state, c *call, row object, b blueprint) error {
	if c.r == nil { // a seed
		return nil
	}
	known := slices.Clone(makeTools)
	home, _ := st.team(integer(row["teamId"]))
	for _, other := range st.tables.of(scenarioKind).Rows {
		if o, _ := st.team(integer(other["teamId"])); o == home {
			known = append(known, texts(other["usedPackages"])...)
		}
	}
	if len(without(b.apps(), known)) == 0 {
		return nil
	}
	return c.confirmed("app")
}

// changeInterface checks an interface and puts it among the changes. No field at all is none.
func changeInterface(row, changes object, i Interface) error {
	problems := append(checkFields(i.Input, "interface.input"), checkFields(i.Output, "interface.output")...)
	if len(problems) > 0 {
		return badRequest(problems...)
	}
	scheduling, changing := changes["scheduling"].(object)
	if !changing {
		scheduling, _ = row["scheduling"].(object)
	}
	if len(i.Input)+len(i.Output) > 0 && scheduling["type"] != "on-demand" {
		return notAllowedNow("The scenario is not scheduled on demand.")
	}
	if len(i.Input) == 0 {
		i.Input = nil
	}
	if len(i.Output) == 0 {
		i.Output = nil
	}
	changes["_interface"] = i
	return nil
}

func (s *Server) getInterface(_ *call, row object) (any, error) {
	return object{"interface": interfaceOf(row)}, nil
}

func (s *Server) setInterface(c *call, row object) (any, error) {
	body, err := c.fields(must("interface", document))
	if err != nil {
		return nil, err
	}
	given, _ := body["interface"].(object)
	for _, side := range []string{"input", "output"} {
		if given[side] == "" { // how Make's documentation switches an interface off
			given[side] = nil
		}
	}
	var wanted Interface
	if err := decodeValue("interface", given, &wanted); err != nil {
		return nil, err
	}
	changes := object{}
	if err := changeInterface(row, changes, wanted); err != nil {
		return nil, err
	}
	if err := scenarioResource().change(&s.state, c, row, changes); err != nil {
		return nil, err
	}
	return s.getInterface(c, row)
}

// getBlueprint answers the current blueprint, or the version that blueprintId names.
func (s *Server) getBlueprint(c *call, row object) (any, error) {
	wanted, err := c.queryID("blueprintId")
	if err != nil {
		return nil, err
	}
	shown := row["_blueprint"]
	if wanted != 0 {
		versions := versionsOf(row)
		i := slices.IndexFunc(versions, func(v version) bool { return v.Version == wanted })
		if i < 0 {
			return nil, notFound()
		}
		shown = versions[i].Blueprint
	}
	i := interfaceOf(row)
	return object{"code": "OK", "response": object{
		"blueprint": shown, "scheduling": row["scheduling"], "concept": row["concept"],
		"created": row["created"], "last_edit": row["lastEdit"], "idSequence": blueprintOf(row).nextID(),
		"metadata": object{"input_spec": orEmpty(i.Input), "output_spec": orEmpty(i.Output)},
	}}, nil
}

func orEmpty(fields []Field) []Field {
	if fields == nil {
		return []Field{}
	}
	return fields
}

// listBlueprints answers the versions, newest first.
func (s *Server) listBlueprints(_ *call, row object) (any, error) {
	rows := []object{}
	for _, v := range slices.Backward(versionsOf(row)) {
		rows = append(rows, object{"version": v.Version, "created": v.Created, "scenarioId": row["id"], "draft": false})
	}
	return object{"scenariosBlueprints": rows}, nil
}

// getTrigger answers the webhook that starts the scenario.
func (s *Server) getTrigger(c *call, row object) (any, error) {
	hook := s.state.tables.of(hookKind).find(row["hookId"])
	if hook == nil {
		return nil, &apiError{status: http.StatusNotFound, Code: "IM007", Message: "Module not found."}
	}
	shown := hookResource().shown(&s.state, c, hook)
	return object{
		"id": shown["id"], "name": shown["name"], "udid": shown["udid"], "scope": "hook", "queueCount": shown["queueCount"],
		"queueLimit": shown["queueLimit"], "typeName": shown["typeName"], "type": shown["type"], "url": shown["url"], "flags": object{},
	}, nil
}

// getUsage answers one row for each of the last 30 days with runs.
func (s *Server) getUsage(c *call, row object) (any, error) {
	runs := map[string]int{}
	for _, e := range s.state.executions(integer(row["id"])) {
		if !e.running(c.now) && c.now.Sub(e.Started) < 30*24*time.Hour {
			runs[e.Started.Format(time.DateOnly)]++
		}
	}
	data := []object{}
	for day, n := range runs {
		data = append(data, object{"date": day, "operations": n, "dataTransfer": 0, "centicredits": 100 * n})
	}
	slices.SortFunc(data, func(a, b object) int { return compare(a["date"], b["date"]) })
	return object{"data": data}, nil
}

// checkModuleData tells whether a module keeps data between runs: in the simulator, whether it is there.
func (s *Server) checkModuleData(c *call, row object) (any, error) {
	wanted := c.r.PathValue("moduleId")
	exists := slices.ContainsFunc(blueprintOf(row).modules(), func(m module) bool { return strconv.FormatInt(m.ID, 10) == wanted })
	return object{"exists": exists}, nil
}

// cloneScenario copies a scenario, inactive, into a team of the organization. It maps the webhook only: nothing
// else in a blueprint has a meaning to the simulator.
func (s *Server) cloneScenario(c *call, row object) (any, error) {
	body, err := c.fields(must("name", text), must("teamId", number), must("states", boolean),
		may("account", document), may("key", document), may("hook", document), may("device", document),
		may("udt", document), may("datastore", document))
	if err != nil {
		return nil, err
	}
	organization, err := c.tenant(ofOrganization, nil)
	if err != nil {
		return nil, err
	}
	if o, _ := s.state.team(integer(body["teamId"])); o == nil || o.ID != organization {
		return nil, invalidInput("The team does not belong to the organization.")
	}
	if err := s.state.enter(c, ofTeam, integer(body["teamId"])); err != nil {
		return nil, err
	}
	full := plain(row["_blueprint"])
	full["name"] = body["name"]
	if used := integer(row["hookId"]); used != 0 {
		hooks, _ := body["hook"].(object)
		mapped, named := hooks[strconv.FormatInt(used, 10)]
		if !named && c.query().Get("notAnalyze") != "true" {
			return nil, invalidInput(fmt.Sprintf("The webhook %d is not mapped.", used))
		}
		setHook(full, mapped)
	}
	i := interfaceOf(row)
	copied := object{
		"teamId": body["teamId"], "description": row["description"], "concept": row["concept"],
		"blueprint": encode(full), "scheduling": encode(row["scheduling"]),
		"metadata": object{"input_spec": orEmpty(i.Input), "output_spec": orEmpty(i.Output)},
	}
	for _, name := range []string{"_runSeconds", "_failure"} {
		copied[name] = row[name]
	}
	added, err := scenarioResource().add(&s.state, c, plain(copied))
	if err != nil {
		return nil, err
	}
	return object{"scenario": pick(scenarioResource().shown(&s.state, c, added), c.query())}, nil
}

// setHook names another webhook, or none, in the first module of a blueprint.
func setHook(blueprint object, hook any) {
	flow, _ := blueprint["flow"].([]any)
	if len(flow) == 0 {
		return
	}
	first, _ := flow[0].(object)
	parameters, _ := first["parameters"].(object)
	if parameters != nil {
		parameters["hook"] = hook
	}
}
