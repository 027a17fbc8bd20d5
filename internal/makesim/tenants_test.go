package makesim_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makesim"
)

func TestOrganizationLife(t *testing.T) {
	s := start(t)
	created := s.send("POST", "/api/v2/organizations", root, `{"name":"New","regionId":1,"timezoneId":164,"countryId":5}`)
	if at(created, "organization", "id") != 1001.0 || at(created, "userOrganizationRole", "usersRoleId") != 11.0 ||
		at(created, "organization", "timezoneId") != 164.0 || at(created, "organization", "license", "apiLimit") != 30.0 {
		t.Fatalf("created: %d %s", created.status, created.text)
	}
	if diff := cmp.Diff([]any{"Acme", "New"}, column(s.get("/api/v2/organizations", root), "organizations", "name")); diff != "" {
		t.Error(diff)
	}
	if a := s.get("/api/v2/teams?organizationId=1001", root); cmp.Diff([]any{"My Team"}, column(a, "teams", "name")) != "" {
		t.Errorf("teams: %s", a.text)
	}
	updated := s.send("PATCH", "/api/v2/organizations/1001", root, `{"name":"Newer"}`)
	if got := s.get("/api/v2/organizations/1001?wait=true", root); text(updated, "organization", "name") != "Newer" ||
		text(got, "organization", "name") != "Newer" || at(got, "organization", "countryId") != 5.0 {
		t.Errorf("updated: %s, got %s", updated.text, got.text)
	}
	if a := s.send("DELETE", "/api/v2/organizations/1001?confirmed=true", root, ""); a.text != `{"organization":1001}` {
		t.Errorf("delete: %s", a.text)
	}
	if a := s.get("/api/v2/organizations/1001", root); a.status != 404 {
		t.Errorf("deleted: %d", a.status)
	}
	if a := s.get("/api/v2/organizations/42/user-organization-roles", root); cmp.Diff([]any{1001.0, 1003.0, 1004.0}, column(a, "userOrganizationRoles", "userId")) != "" {
		t.Errorf("users: %s", a.text)
	}
}

func TestTeamLife(t *testing.T) {
	s := start(t)
	created := s.send("POST", "/api/v2/teams", root, `{"name":"Bots","organizationId":42,"operationsLimit":100}`)
	want := map[string]any{
		"team": map[string]any{
			"id": 1001.0, "name": "Bots", "organizationId": 42.0, "operationsLimit": 100.0, "transferLimit": "107374182",
		},
		"userTeamRole": map[string]any{"usersRoleId": 1.0, "userId": float64(makesim.UserID), "teamId": 1001.0, "changeable": false},
	}
	if diff := cmp.Diff(want, created.json); diff != "" {
		t.Errorf("created: %d %s", created.status, diff)
	}
	s.send("POST", "/api/v2/keys", root, `{"teamId":1001,"name":"a","typeName":"basicauth","parameters":{}}`)
	if a := s.send("PATCH", "/api/v2/teams/1001", root, `{"name":"Robots"}`); text(a, "team", "name") != "Robots" {
		t.Errorf("update: %s", a.text)
	}
	if diff := cmp.Diff([]any{"Robots", "Sales", "Support"}, column(s.get("/api/v2/teams?organizationId=42", root), "teams", "name")); diff != "" {
		t.Error(diff)
	}
	if a := s.get("/api/v2/teams/1001", root); a.text != `{"team":{"id":1001,"name":"Robots","organizationId":42,"scenarioDrafts":false}}` {
		t.Errorf("get: %s", a.text)
	}
	if a := s.send("DELETE", "/api/v2/teams/1001?confirmed=true", root, ""); a.text != `{"team":1001}` {
		t.Errorf("delete: %s", a.text)
	}
	if team, key := s.get("/api/v2/teams/1001", root), s.get("/api/v2/keys/1001", root); team.status != 404 || key.status != 404 {
		t.Errorf("deleted: team %d, its key %d", team.status, key.status)
	}
	if a := s.get("/api/v2/teams/7/user-team-roles", root); cmp.Diff([]any{1001.0, 1003.0}, column(a, "userTeamRoles", "userId")) != "" {
		t.Errorf("users: %s", a.text)
	}
}

func TestTenantRefusals(t *testing.T) {
	s := start(t)
	member := s.as(monitor, "organizations:read organizations:write teams:read teams:write user:read private-spaces:read private-spaces:write")
	s.refuses(map[string]refusal{
		"create organization without scope": {"POST", "/organizations", reader, `{}`, 403, "SC403", ""},
		"create nothing":                    {"POST", "/organizations", root, `{}`, 400, "SC400", "4 parameter(s)"},
		"no such region":                    {"POST", "/organizations", root, `{"name":"a","regionId":9,"timezoneId":113,"countryId":1}`, 400, "SC400", "'regionId'"},
		"update as member":                  {"PATCH", "/organizations/42", member, `{"name":"a"}`, 403, "IM002", ""},
		"update other":                      {"PATCH", "/organizations/77", root, `{"name":"a"}`, 404, "SC404", ""},
		"no such time zone":                 {"PATCH", "/organizations/42", root, `{"timezoneId":9999}`, 400, "SC400", "'timezoneId'"},
		"delete as member":                  {"DELETE", "/organizations/42?confirmed=true", member, "", 403, "IM002", ""},
		"delete unconfirmed":                {"DELETE", "/organizations/42", root, "", 406, "IM004", `"status":406`},
		"delete other":                      {"DELETE", "/organizations/77?confirmed=true", root, "", 404, "SC404", ""},
		"create team as member":             {"POST", "/teams", member, `{"name":"a","organizationId":42}`, 403, "IM002", ""},
		"create team elsewhere":             {"POST", "/teams", root, `{"name":"a","organizationId":77}`, 403, "IM002", ""},
		"more teams than the plan has":      {"POST", "/teams", other, `{"name":"a","organizationId":77}`, 403, "IM011", "teams"},
		"delete team as member":             {"DELETE", "/teams/7?confirmed=true", member, "", 403, "IM002", ""},
		"team where one is not":             {"DELETE", "/teams/8?confirmed=true", member, "", 404, "SC404", ""},
		"delete team unconfirmed":           {"DELETE", "/teams/7", root, "", 406, "IM004", ""},
		"team without scope":                {"GET", "/teams/7", reader, "", 403, "SC403", ""},
		"users of nothing":                  {"GET", "/users", root, "", 400, "SC400", ""},
		"users of others":                   {"GET", "/users?organizationId=77", root, "", 403, "IM002", ""},
		"spaces without scope":              {"GET", "/private-spaces?organizationId=42", reader, "", 403, "SC403", ""},
		"spaces of others":                  {"GET", "/private-spaces?organizationId=77", root, "", 403, "IM002", ""},
		"spaces off":                        {"GET", "/private-spaces?organizationId=77", other, "", 403, "IM903", ""},
		"no such space":                     {"GET", "/private-spaces/999", root, "", 404, "SC404", ""},
		"space of others":                   {"GET", "/private-spaces/51", other, "", 404, "SC404", ""},
		"update space as its owner":         {"PATCH", "/private-spaces/51", member, `{"operationsLimit":1}`, 403, "IM002", ""},
		"limit below consumption":           {"PATCH", "/private-spaces/51", root, `{"operationsLimit":100}`, 406, "IM004", ""},
		"negative limit":                    {"PATCH", "/private-spaces/51", root, `{"operationsLimit":-1}`, 400, "SC400", ""},
	})
}

func TestUsers(t *testing.T) {
	s := start(t)
	for query, want := range map[string][]any{
		"organizationId=42":                 {"Ada Example", "Carl Connector", "Mona Monitor"},
		"organizationId=42&pg[limit]=1":     {"Ada Example"},
		"teamId=7":                          {"Ada Example", "Mona Monitor"},
		"teamId=7&cols[]=name&pg[offset]=1": {"Mona Monitor"},
	} {
		if diff := cmp.Diff(want, column(s.get("/api/v2/users?"+query, root), "users", "name")); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
}

func TestPrivateSpaces(t *testing.T) {
	s := start(t)
	owner := s.as(monitor, "private-spaces:read teams:read")
	for who, authorization := range map[string]string{"administrator": root, "owner": owner} {
		a := s.get("/api/v2/private-spaces?organizationId=42", authorization)
		if diff := cmp.Diff([]any{"mona@acme.example"}, column(a, "privateSpaces", "privateSpaceOwnerEmail")); diff != "" {
			t.Errorf("%s: %s", who, diff)
		}
		if a := s.get("/api/v2/private-spaces/51?cols[]=*", authorization); text(a, "privateSpace", "transferLimit") != "1073741824" {
			t.Errorf("%s: %s", who, a.text)
		}
	}
	if a := s.get("/api/v2/teams?organizationId=42&includePrivateSpaces=true", owner); cmp.Diff([]any{"Mona's space", "Sales"}, column(a, "teams", "name")) != "" {
		t.Errorf("teams: %s", a.text)
	}
	a := s.send("PATCH", "/api/v2/private-spaces/51?confirmed=true", root, `{"operationsLimit":100}`)
	if at(a, "privateSpace", "isPaused") != true || at(a, "privateSpace", "transferLimit") != 107374182.0 || at(a, "privateSpace", "deleted") != false {
		t.Errorf("paused: %s", a.text)
	}
	if a := s.send("PATCH", "/api/v2/private-spaces/51", root, `{"operationsLimit":null}`); at(a, "privateSpace", "isPaused") != false || at(a, "privateSpace", "operationsLimit") != nil {
		t.Errorf("no limit: %s", a.text)
	}
}

func TestEnums(t *testing.T) {
	s := start(t)
	for path, want := range map[string]struct {
		list, member string
		first        any
	}{
		"countries?pg[offset]=3":               {"countries", "code2", "af"},
		"timezones?pg[offset]=112&pg[limit]=1": {"timezones", "code", "Europe/Prague"},
		"imt-regions":                          {"imtRegions", "name", "EU"},
		"imt-zones":                            {"imtZones", "domain", "eu1.make.com"},
	} {
		a := s.get("/api/v2/enums/"+path, reader)
		if values := column(a, want.list, want.member); len(values) == 0 || values[0] != want.first {
			t.Errorf("%s: %.80s", path, a.text)
		}
	}
}
