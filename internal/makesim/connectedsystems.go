package makesim

import (
	"fmt"
	"maps"
	"slices"
)

// systemResource is a system inside a company that an agent talks to.
func systemResource() resource {
	return resource{
		kind: systemKind, path: "/api/v2/connected-systems", id: "connectedSystemId",
		one: "connectedSystem", many: "connectedSystems", tenant: ofOrganization, named: true, uuid: true, bare: true,
		fields:  []field{must("name", text), must("agentId", text), must("appName", text), must("inputs", document)},
		changes: []field{may("name", text), may("agentId", text), may("appName", text), may("inputs", document)},
		filters: map[string]string{"agentId": "agentId"},
		fresh:   func(st *state, _ *call, system object) error { return st.checkSystem(system, system) },
		changed: func(st *state, _ *call, system, changes object) error { return st.checkSystem(system, changes) },
		show:    func(_ *state, _ *call, shown object) { delete(shown, "organizationId") },
		absent:  func(string) error { return absentAgent("connected system") },
	}
}

func (s *Server) systemRoutes() []route {
	systems := s.serving(systemResource())
	const read, write = "agents:read", "agents:write"
	list := systems.list(read, "agents get")
	list.do = func(c *call) (any, error) {
		if c.query().Get("agentId") == "" {
			return nil, badRequest(missing("agentId"))
		}
		return systems.doList(c)
	}
	return []route{
		list,
		systems.create(write, "agent edit"),
		systems.get(read, "agents get"),
		systems.on("PATCH", "", write, "agent edit", func(c *call, system object) (any, error) {
			answer, err := systems.doUpdate(c, system)
			if updated, ok := answer.(object); ok {
				shown, _ := updated["connectedSystem"].(object)
				delete(shown, "inputs")
			}
			return answer, err
		}),
		systems.delete(write, "agent edit", !confirmed),
	}
}

// checkSystem checks what a body sets: the agent, the app, and the inputs of the app, which become a list.
func (st *state) checkSystem(system, body object) error {
	if id := body["agentId"]; id != nil {
		agent := st.tables.of(agentKind).find(id)
		if agent == nil || agent["organizationId"] != system["organizationId"] {
			return absentAgent("agent")
		}
	}
	name := system["appName"]
	if body["appName"] != nil {
		name = body["appName"]
	}
	app, err := findSystemApp(name)
	if err != nil {
		return err
	}
	if values, given := body["inputs"].(object); given {
		body["inputs"], err = inputsOf(app, values)
	}
	return err
}

// inputsOf are the values of an app's inputs in the app's order.
func inputsOf(app, values object) ([]any, error) {
	inputs, problems, known := []any{}, []string{}, []string{}
	fields, _ := app["inputs"].([]any)
	for _, each := range fields {
		field, _ := each.(object)
		name, _ := field["name"].(string)
		known = append(known, name)
		if value := values[name]; value != nil {
			inputs = append(inputs, object{"name": name, "value": fmt.Sprint(value)})
		} else if field["required"] == true {
			problems = append(problems, missing("inputs."+name))
		}
	}
	for _, name := range without(slices.Sorted(maps.Keys(values)), known) {
		problems = append(problems, fmt.Sprintf("Unknown parameter 'inputs.%s'.", name))
	}
	if len(problems) > 0 {
		return nil, badRequest(problems...)
	}
	return inputs, nil
}
