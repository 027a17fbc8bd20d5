package makesim_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makesim"
)

func TestRoles(t *testing.T) {
	s := start(t)
	for query, want := range map[string][]any{
		"":               {1.0, 3.0, 4.0, 6.0, 11.0, 12.0, 13.0, 14.0},
		"?category=team": {1.0, 3.0, 4.0, 6.0},
		"?roleId=13":     {13.0},
		"?excludeRole[]=1&excludeRole[]=11&excludeRole[]=14": {3.0, 4.0, 6.0, 12.0, 13.0},
		"?organizationId=42":              {1.0, 3.0, 4.0, 6.0, 11.0, 12.0, 13.0, 14.0, 41.0},
		"?teamId=7&category=organization": {11.0, 12.0, 13.0, 14.0, 41.0},
	} {
		if diff := cmp.Diff(want, column(s.get("/api/v2/users/roles"+query, root), "usersRoles", "id")); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	monitoring := s.get("/api/v2/users/roles/4", root)
	want := []any{
		"team view", "scenarios get", "scenario view", "scenario logs get", "scenario notifications",
		"scenario reset counters", "dlq view", "templates get", "template view",
	}
	if diff := cmp.Diff(want, at(monitoring, "usersRole", "permissions")); diff != "" {
		t.Error(diff)
	}
	permissions := s.get("/api/v2/users/roles/permissions?roleCategory=organization", root)
	if all := column(permissions, "usersRolesPermissions", "roleCategory"); len(all) == 0 || slices.Contains(all, any("team")) {
		t.Errorf("permissions: %s", permissions.text)
	}
	s.refuses(map[string]refusal{
		"missing scope":      {"GET", "/users/roles", s.as(makesim.UserID, "teams:read"), "", 403, "SC403", ""},
		"other organization": {"GET", "/users/roles?organizationId=77", root, "", 403, "IM002", ""},
		"no such role":       {"GET", "/users/roles/2", root, "", 404, "SC404", ""},
		"other's role":       {"GET", "/users/roles/41", other, "", 404, "SC404", ""},
	})
}

func TestCustomRoleLife(t *testing.T) {
	s := start(t)
	created := s.send("POST", "/api/v2/users/custom-roles", root, `{"name":"Viewer","category":"team","organizationId":42,"permissions":[1,5]}`)
	want := map[string]any{"role": map[string]any{
		"id": 1001.0, "name": "Viewer", "category": "team", "managementType": "custom_managed", "description": nil,
		"permissions": []any{map[string]any{"id": 1.0, "name": "team view"}, map[string]any{"id": 5.0, "name": "scenarios get"}},
	}}
	if diff := cmp.Diff(want, created.json); diff != "" {
		t.Errorf("created: %d %s", created.status, diff)
	}
	updated := s.send("PATCH", "/api/v2/users/custom-roles/1001", root, `{"organizationId":42,"name":"Looker","permissions":[]}`)
	if text(updated, "role", "name") != "Looker" || !strings.Contains(updated.text, `"permissions":[]`) {
		t.Errorf("updated: %s", updated.text)
	}
	if a := s.get("/api/v2/users/roles/1001", root); text(a, "usersRole", "name") != "Looker" || at(a, "usersRole", "organizationId") != 42.0 {
		t.Errorf("get: %s", a.text)
	}
	if a := s.send("DELETE", "/api/v2/users/custom-roles/1001", root, `{"organizationId":42}`); a.text != `{"roleId":1001}` {
		t.Errorf("delete: %s", a.text)
	}
	if a := s.get("/api/v2/users/roles/1001", root); a.status != 404 {
		t.Errorf("deleted: %d", a.status)
	}
}

func TestCustomRoleRefusals(t *testing.T) {
	s := start(t)
	member := s.as(monitor, "user:write")
	s.refuses(map[string]refusal{
		"missing scope": {"POST", "/users/custom-roles", reader, `{}`, 403, "SC403", ""},
		"missing role":  {"POST", "/users/custom-roles", member, `{"name":"a","category":"team","organizationId":42}`, 403, "IM002", ""},
		"plan":          {"POST", "/users/custom-roles", other, `{"name":"a","category":"team","organizationId":77}`, 403, "IM001", "license"},
		"category":      {"POST", "/users/custom-roles", root, `{"name":"a","category":"admin","organizationId":42}`, 400, "SC400", "'category'"},
		"permission of the other category": {
			"POST", "/users/custom-roles", root, `{"name":"a","category":"team","organizationId":42,"permissions":[101]}`, 400, "SC400", "no permission 101",
		},
		"no organization":    {"DELETE", "/users/custom-roles/41", root, `{}`, 400, "SC400", "'organizationId'"},
		"other organization": {"DELETE", "/users/custom-roles/41", root, `{"organizationId":77}`, 404, "SC404", ""},
		"not found":          {"PATCH", "/users/custom-roles/999", root, `{"organizationId":42}`, 404, "SC404", ""},
		"assigned":           {"DELETE", "/users/custom-roles/41", root, `{"organizationId":42}`, 422, "IM016", "assigned"},
	})
}

// Carl has the role "Connector manager", which may see and change agents and nothing else.
func TestCustomRoleAllows(t *testing.T) {
	s := start(t)
	carl := s.as(1004, "organizations:read organizations:write user:read user:write")
	if a := s.get("/api/v2/users/me?cols[]=userOrganizationRoles", carl); !strings.Contains(a.text, `"usersRoleId":41`) {
		t.Errorf("me: %s", a.text)
	}
	s.refuses(map[string]refusal{
		"not among its permissions": {"POST", "/users/custom-roles", carl, `{"name":"a","category":"team","organizationId":42}`, 403, "IM002", ""},
	})
}
