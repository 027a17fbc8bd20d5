package makesim

import (
	_ "embed"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
)

//go:embed systemapps.yaml
var systemAppsYAML []byte

var systemApps = sync.OnceValue(func() []object { return embedded(systemAppsYAML) })

const (
	agentKind  = "agents"
	systemKind = "connectedSystems"
)

// agentResource is an on-premise agent. It never connects: nothing runs it.
func agentResource() resource {
	return resource{
		kind: agentKind, path: "/api/v2/agents", id: "agentId", one: "agent", many: "agents",
		tenant: ofOrganization, named: true, uuid: true, bare: true,
		fields:  []field{must("name", text)},
		changes: []field{may("name", text)},
		fresh: func(st *state, _ *call, agent object) error {
			organization := integer(agent["organizationId"])
			if err := st.agentsOn(organization); err != nil {
				return err
			}
			maps.Copy(agent, object{
				"tenantId": drawUUID("tenants", organization), "status": "REGISTERED", "alerted": false, "connected": false,
			})
			return nil
		},
		show: func(_ *state, _ *call, shown object) { delete(shown, "organizationId") },
		gone: func(st *state, agent object) { st.tables.of(systemKind).remove("agentId", agent["id"]) },
		// Source: the integration tests of Make's SDK expect 400.
		absent: func(string) error { return absentAgent("agent") },
	}
}

func absentAgent(what string) error {
	return &apiError{
		status: http.StatusBadRequest, Code: "IM005", Message: "Invalid input.", Detail: fmt.Sprintf("The %s was not found.", what),
	}
}

// agentsOn is 403 unless the license has on-premise agents.
func (st *state) agentsOn(organization int64) error {
	if !licenseOf(st.organization(organization)).OnPremAgent {
		return featureOff("IM001", "The license of the organization does not include on-premise agents.")
	}
	return nil
}

func (s *Server) agentRoutes() []route {
	agents := s.serving(agentResource())
	const read, write = "agents:read", "agents:write"
	// version and the number of systems are not in the answers to creation and update.
	full := func(c *call, agent object) object {
		shown := agents.shown(&s.state, c, agent)
		shown["version"] = "1.0.0"
		shown["systemConnectionsCount"] = len(s.state.tables.of(systemKind).where("agentId", agent["id"]))
		return shown
	}
	list := agents.list(read, "agents get")
	list.do = func(c *call) (any, error) {
		organization, err := c.tenant(ofOrganization, nil)
		if err != nil {
			return nil, err
		}
		if err := s.state.enter(c, ofOrganization, organization); err != nil {
			return nil, err
		}
		rows := []object{}
		for _, agent := range s.state.tables.of(agentKind).where("organizationId", organization) {
			rows = append(rows, full(c, agent))
		}
		rows, _, err = page(rows, c.query(), "name")
		return object{"agents": rows}, err
	}
	register := agents.create(write, "agent edit")
	register.pattern = "POST /api/v2/agent/register"
	create := register.do
	register.do = func(c *call) (any, error) {
		answer, err := create(c)
		if created, ok := answer.(object); ok && err == nil {
			agent, _ := created["agent"].(object)
			agent["clientSecret"] = drawText("agent secrets", s.state.tables.of(agentKind).Last) // shown this one time
		}
		return answer, err
	}
	return []route{
		list,
		register,
		agents.on("GET", "", read, "agents get", func(c *call, agent object) (any, error) {
			return object{"agent": full(c, agent)}, nil
		}),
		agents.update(write, "agent edit"),
		agents.delete(write, "agent edit", !confirmed),
		agents.on("GET", "/apps/{appName}/config", read, "agents get", func(c *call, _ object) (any, error) {
			app, err := findSystemApp(c.r.PathValue("appName"))
			if err != nil {
				return nil, err
			}
			return object{"inputs": []object{{"name": "inputs", "label": "Inputs", "type": "collection", "spec": app["inputs"]}}}, nil
		}),
		{
			pattern: "GET /api/v2/enums/connected-system-apps", scopes: []string{read},
			do: func(*call) (any, error) {
				rows := []object{}
				for _, app := range systemApps() {
					rows = append(rows, picked(app, "name", "label", "icon"))
				}
				return object{"connectedSystemApps": rows}, nil
			},
		},
	}
}

func findSystemApp(name any) (object, error) {
	i := slices.IndexFunc(systemApps(), func(app object) bool { return app["name"] == name })
	if i < 0 {
		return nil, absentAgent("app")
	}
	return systemApps()[i], nil
}
