package makesim_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makesim"
)

func TestCustomPropertyLife(t *testing.T) {
	s := start(t)
	const items = "/api/v2/custom-property-structures/custom-property-structure-items/"
	created := s.send("POST", "/api/v2/custom-property-structures/71/custom-property-structure-items", root,
		`{"name":"priority","label":"Priority","type":"dropdown","required":true,"options":[{"value":"high"},{"value":"low"}]}`)
	want := map[string]any{"customPropertyStructureItem": map[string]any{
		"id": 1001.0, "structureId": 71.0, "name": "priority", "label": "Priority", "description": "", "type": "dropdown",
		"options": []any{map[string]any{"value": "high"}, map[string]any{"value": "low"}}, "required": true,
	}}
	if diff := cmp.Diff(want, created.json); diff != "" {
		t.Errorf("created: %d %s", created.status, diff)
	}
	if a := s.send("PATCH", items+"1001", root, `{"label":"Urgency","required":false}`); text(a, "customPropertyStructureItem", "label") != "Urgency" {
		t.Errorf("update: %s", a.text)
	}
	for query, names := range map[string][]any{
		"":                             {"owner", "companyTeam", "priority"},
		"?type=dropdown":               {"companyTeam", "priority"},
		"?required=false&id=72":        {"owner"},
		"?pg[sortBy]=name&cols[]=name": {"companyTeam", "owner", "priority"},
	} {
		a := s.get("/api/v2/custom-property-structures/71/custom-property-structure-items"+query, root)
		if diff := cmp.Diff(names, column(a, "customPropertyStructureItems", "name")); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	if a := s.send("DELETE", items+"1001", root, ""); a.text != `{"customPropertyStructureItem":1001}` {
		t.Errorf("delete: %s", a.text)
	}
	if a := s.send("DELETE", items+"1001", root, ""); a.status != 404 {
		t.Errorf("deleted: %d", a.status)
	}
}

func TestCustomPropertyStructures(t *testing.T) {
	seed := makesim.DefaultSeed()
	delete(seed.Objects, "customPropertyStructures")
	delete(seed.Objects, "customPropertyStructureItems")
	s := startWith(t, makesim.Options{Seed: seed})
	created := s.send("POST", "/api/v2/custom-property-structures", root, `{"associatedType":"scenario","belongerType":"organization","belongerId":42}`)
	want := map[string]any{"customPropertyStructure": map[string]any{
		"id": 1001.0, "created": "2026-03-01T12:00:00.000Z",
		"belongers": []any{map[string]any{"belongerId": 42.0, "belongerType": "organization", "associatedTypes": []any{"scenario"}}},
	}}
	if diff := cmp.Diff(want, created.json); diff != "" {
		t.Errorf("created: %d %s", created.status, diff)
	}
	list := s.get("/api/v2/custom-property-structures?organizationId=42", root)
	if diff := cmp.Diff([]any{1001.0}, column(list, "customPropertyStructures", "id")); diff != "" {
		t.Error(diff)
	}
}

func TestCustomPropertyRefusals(t *testing.T) {
	s := start(t)
	member := s.as(monitor, "custom-property-structures:read custom-property-structures:write")
	const list, item = "/custom-property-structures/71/custom-property-structure-items", "/custom-property-structures/custom-property-structure-items/72"
	s.refuses(map[string]refusal{
		"missing scope":   {"GET", "/custom-property-structures?organizationId=42", reader, "", 403, "SC403", ""},
		"missing role":    {"PATCH", item, member, `{"label":"a"}`, 403, "IM002", ""},
		"feature off":     {"GET", "/custom-property-structures?organizationId=77", other, "", 403, "IM027", ""},
		"a second one":    {"POST", "/custom-property-structures", root, `{"associatedType":"scenario","belongerType":"organization","belongerId":42}`, 400, "IM005", "already"},
		"for others":      {"POST", "/custom-property-structures", root, `{"associatedType":"scenario","belongerType":"organization","belongerId":77}`, 403, "IM002", ""},
		"not found":       {"GET", "/custom-property-structures/999/custom-property-structure-items", root, "", 404, "SC404", ""},
		"other's":         {"GET", list, other, "", 404, "SC404", ""},
		"other's item":    {"DELETE", item, other, "", 404, "SC404", ""},
		"same name":       {"POST", list, root, `{"name":"owner","label":"a","type":"number","required":false}`, 400, "IM005", "already"},
		"unknown type":    {"POST", list, root, `{"name":"a","label":"a","type":"text","required":false}`, 400, "SC400", "'type'"},
		"no options":      {"POST", list, root, `{"name":"a","label":"a","type":"dropdown","required":false}`, 400, "SC400", "'options'"},
		"option no value": {"POST", list, root, `{"name":"a","label":"a","type":"dropdown","required":false,"options":[{}]}`, 400, "SC400", "options[0].value"},
	})
}

func TestAuditLogsAndAnalytics(t *testing.T) {
	s := start(t)
	member := s.as(monitor, "organizations:read analytics:read")
	list := s.get("/api/v2/audit-logs/organization/42", root)
	if diff := cmp.Diff([]any{"webhook_created"}, column(list, "auditLogs", "eventName")); diff != "" {
		t.Errorf("%d %s", list.status, diff)
	}
	if a := s.get("/api/v2/audit-logs/42/c37c729235cd4dc4911321b23beaea7d", root); text(a, "auditLog", "team", "name") != "Sales" {
		t.Errorf("get: %s", a.text)
	}
	if a := s.get("/api/v2/analytics/42", root); a.status != 200 {
		t.Errorf("analytics: %d", a.status)
	}
	s.refuses(map[string]refusal{
		"audit logs on the plan":   {"GET", "/audit-logs/organization/77", other, "", 402, "SC402", "audit logs"},
		"audit logs as member":     {"GET", "/audit-logs/organization/42", member, "", 403, "IM002", ""},
		"audit logs elsewhere":     {"GET", "/audit-logs/organization/77", root, "", 404, "SC404", ""},
		"audit logs without scope": {"GET", "/audit-logs/organization/42", reader, "", 403, "SC403", ""},
		"no such log":              {"GET", "/audit-logs/42/nope", root, "", 404, "SC404", ""},
		"analytics on the plan":    {"GET", "/analytics/77", other, "", 402, "SC402", "analytics"},
		"analytics as member":      {"GET", "/analytics/42", member, "", 403, "IM002", ""},
	})
}
