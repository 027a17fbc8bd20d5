package makesim_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	seededAgent  = "8b4e3d20-0000-4000-8000-000000000001"
	seededSystem = "8b4e3d20-0000-4000-8000-000000000011"
)

func TestAgentLife(t *testing.T) {
	s := start(t)
	created := s.send("POST", "/api/v2/agent/register?organizationId=42", root, `{"name":"Brno"}`)
	id := text(created, "agent", "id")
	if text(created, "agent", "status") != "REGISTERED" || len(text(created, "agent", "clientSecret")) != 32 {
		t.Errorf("created: %d %s", created.status, created.text)
	}
	if a := s.get("/api/v2/agents?organizationId=42", root); cmp.Diff([]any{"Brno", "Data centre Prague"}, column(a, "agents", "name")) != "" {
		t.Errorf("list: %s", a.text)
	}
	if a := s.send("PATCH", "/api/v2/agents/"+id+"?organizationId=42", root, `{"name":"Ostrava"}`); text(a, "agent", "name") != "Ostrava" {
		t.Errorf("update: %s", a.text)
	}
	system := s.send("POST", "/api/v2/connected-systems?organizationId=42", root,
		`{"name":"Shop","agentId":"`+id+`","appName":"http","inputs":{"baseUrl":"http://shop.local"}}`)
	want := map[string]any{"connectedSystem": map[string]any{
		"id": text(system, "connectedSystem", "id"), "name": "Shop", "agentId": id, "appName": "http",
		"inputs": []any{map[string]any{"name": "baseUrl", "value": "http://shop.local"}},
	}}
	if diff := cmp.Diff(want, system.json); diff != "" {
		t.Errorf("system: %d %s", system.status, diff)
	}
	got := s.get("/api/v2/agents/"+id+"?organizationId=42", root)
	if text(got, "agent", "name") != "Ostrava" || at(got, "agent", "systemConnectionsCount") != 1.0 || at(got, "agent", "clientSecret") != nil {
		t.Errorf("get: %s", got.text)
	}
	if a := s.send("DELETE", "/api/v2/agents/"+id+"?organizationId=42", root, ""); a.json["agent"] != id {
		t.Errorf("delete: %s", a.text)
	}
	if a := s.get("/api/v2/connected-systems/"+text(system, "connectedSystem", "id")+"?organizationId=42", root); a.status != 400 {
		t.Errorf("system of a deleted agent: %d", a.status)
	}
}

func TestConnectedSystemLife(t *testing.T) {
	s := start(t)
	path := "/api/v2/connected-systems/" + seededSystem + "?organizationId=42"
	updated := s.send("PATCH", path, root, `{"name":"SAP test","inputs":{"ashost":"a","sysnr":"01","client":200}}`)
	want := map[string]any{"connectedSystem": map[string]any{
		"id": seededSystem, "name": "SAP test", "agentId": seededAgent, "appName": "sap-agent",
	}}
	if diff := cmp.Diff(want, updated.json); diff != "" {
		t.Errorf("updated: %d %s", updated.status, diff)
	}
	inputs, _ := at(s.get(path, root), "connectedSystem", "inputs").([]any)
	if diff := cmp.Diff(map[string]any{"name": "client", "value": "200"}, inputs[2]); diff != "" {
		t.Error(diff)
	}
	if a := s.get("/api/v2/connected-systems?organizationId=42&agentId="+seededAgent, root); cmp.Diff([]any{"SAP test"}, column(a, "connectedSystems", "name")) != "" {
		t.Errorf("list: %s", a.text)
	}
	if a := s.send("DELETE", path, root, ""); a.json["connectedSystem"] != seededSystem {
		t.Errorf("delete: %s", a.text)
	}
	if a := s.get("/api/v2/enums/connected-system-apps", root); cmp.Diff([]any{"http", "sap-agent"}, column(a, "connectedSystemApps", "name")) != "" {
		t.Errorf("apps: %s", a.text)
	}
	config := s.get("/api/v2/agents/"+seededAgent+"/apps/sap-agent/config?organizationId=42", root)
	if diff := cmp.Diff([]any{"collection"}, column(config, "inputs", "type")); diff != "" {
		t.Errorf("config: %s", config.text)
	}
}

func TestAgentRefusals(t *testing.T) {
	s := start(t)
	member, manager := s.as(monitor, "agents:read agents:write"), s.as(1004, "agents:read agents:write")
	if a := s.send("PATCH", "/api/v2/agents/"+seededAgent+"?organizationId=42", manager, `{"name":"a"}`); a.status != 200 {
		t.Errorf("a custom role with the permission: %d %s", a.status, a.text)
	}
	s.refuses(map[string]refusal{
		"missing scope":        {"GET", "/agents?organizationId=42", reader, "", 403, "SC403", ""},
		"missing scope, apps":  {"GET", "/enums/connected-system-apps", reader, "", 403, "SC403", ""},
		"missing role":         {"DELETE", "/agents/" + seededAgent + "?organizationId=42", member, "", 403, "IM002", ""},
		"missing role, create": {"POST", "/agent/register?organizationId=42", member, `{"name":"a"}`, 403, "IM002", ""},
		"not found":            {"GET", "/agents/00000000-0000-4000-8000-000000000000?organizationId=42", root, "", 400, "IM005", "agent"},
		"other's":              {"GET", "/agents/" + seededAgent + "?organizationId=77", other, "", 400, "IM005", "agent"},
		"no organization":      {"GET", "/agents/" + seededAgent, root, "", 400, "SC400", "'organizationId'"},
		"license":              {"POST", "/agent/register?organizationId=77", other, `{"name":"a"}`, 403, "IM001", "license"},
		"no such app":          {"GET", "/agents/" + seededAgent + "/apps/nope/config?organizationId=42", root, "", 400, "IM005", "app"},
		"no such system":       {"GET", "/connected-systems/nope?organizationId=42", root, "", 400, "IM005", "connected system"},
		"list without agent":   {"GET", "/connected-systems?organizationId=42", root, "", 400, "SC400", "'agentId'"},
		"input missing": {
			"PATCH", "/connected-systems/" + seededSystem + "?organizationId=42", root, `{"inputs":{"ashost":"a","sysnr":"b","x":1}}`,
			400, "SC400", "Validation failed for 2 parameter(s).",
		},
		"system on no agent": {
			"PATCH", "/connected-systems/" + seededSystem + "?organizationId=42", root, `{"agentId":"nope"}`, 400, "IM005", "agent",
		},
	})
}
