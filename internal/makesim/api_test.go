package makesim_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/makeops/make-operator/internal/makesim"
)

func TestPing(t *testing.T) {
	a := start(t).get("/api/v2/ping", "")
	if a.status != 200 || a.text != "pong" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
		t.Errorf("got %d %q %q", a.status, a.text, a.header.Get("Content-Type"))
	}
}

func TestCredentialSchemes(t *testing.T) {
	s := start(t)
	access, refresh := s.tokens("user:read")
	for name, test := range map[string]struct {
		authorization string
		status        int
	}{
		"api token as Token":     {root, 200},
		"scheme in lower case":   {"token " + makesim.RootToken, 200},
		"api token as Bearer":    {"Bearer " + makesim.RootToken, 401},
		"access token as Bearer": {"Bearer " + access, 200},
		"access token as Token":  {"Token " + access, 401},
		"refresh token":          {"Bearer " + refresh, 401},
		"unknown":                {"Token 00000000-0000-4000-8000-000000000000", 401},
		"no value":               {"Token", 401},
		"none":                   {"", 401},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.get("/api/v2/users/me/current-authorization", test.authorization)
			if a.status != test.status {
				t.Fatalf("status %d, want %d", a.status, test.status)
			}
			if a.status == 401 {
				if diff := cmp.Diff(map[string]any{"code": "IM015", "message": "Unauthorized."}, a.json); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestCurrentAuthorization(t *testing.T) {
	s := start(t)
	a := s.get("/api/v2/users/me/current-authorization", reader)
	want := map[string]any{"authorization": map[string]any{"scope": []any{"scenarios:read", "user:read"}, "authUsed": "token"}}
	if diff := cmp.Diff(want, a.json); diff != "" {
		t.Error(diff)
	}
	access, _ := s.tokens("openid scenarios:read")
	a = s.get("/api/v2/users/me/current-authorization", "Bearer "+access)
	want = map[string]any{"authorization": map[string]any{"scope": []any{"scenarios:read"}, "authUsed": "oauth"}}
	if diff := cmp.Diff(want, a.json); diff != "" {
		t.Error(diff)
	}
}

func TestMe(t *testing.T) {
	s := start(t)
	if a := s.get("/api/v2/users/me", reader); at(a, "authUser", "email") != "ada@acme.example" || at(a, "authUser", "userOrganizationRoles") != nil {
		t.Errorf("without cols: %s", a.text)
	}
	a := s.get("/api/v2/users/me?cols%5B%5D=id&cols%5B%5D=userOrganizationRoles", reader)
	want := map[string]any{"authUser": map[string]any{
		"id": float64(makesim.UserID),
		"userOrganizationRoles": []any{map[string]any{
			"userId": float64(makesim.UserID), "organizationId": float64(makesim.OrganizationID), "usersRoleId": 11.0, "invitation": nil,
		}},
	}}
	if diff := cmp.Diff(want, a.json); diff != "" {
		t.Error(diff)
	}
	if a := s.get("/api/v2/users/me?cols[]=*", reader); at(a, "authUser", "userTeamRoles") == nil || at(a, "authUser", "email") == nil {
		t.Errorf("all columns: %s", a.text)
	}
}

func TestAPITokenLife(t *testing.T) {
	s := start(t)
	minted := s.send("POST", "/api/v2/users/me/api-tokens", root, `{"label":"crm","scope":["scenarios:read"]}`)
	value, created := text(minted, "apiToken", "token"), text(minted, "apiToken", "created")
	if id, err := uuid.Parse(value); minted.status != 200 || err != nil || id.Version() != 4 {
		t.Fatalf("minted: status %d, value is not a UUID of version 4", minted.status)
	}
	if a := s.get("/api/v2/users/me/current-authorization", "Token "+value); a.status != 200 || !s.TokenAlive(value) {
		t.Errorf("new token: status %d", a.status)
	}

	list := s.get("/api/v2/users/me/api-tokens", reader)
	if strings.Contains(list.text, value) || !strings.Contains(list.text, value[:8]+"-****-****-****-************") {
		t.Errorf("list is not masked: %s", list.text)
	}
	if diff := cmp.Diff([]any{"root", "reader", "crm"}, column(list, "apiTokens", "label")); diff != "" {
		t.Error(diff)
	}

	deleted := s.send("DELETE", "/api/v2/users/me/api-tokens/"+url.PathEscape(created), root, "")
	if deleted.status != 200 || deleted.json["apiToken"] != created {
		t.Errorf("delete: %d %s", deleted.status, deleted.text)
	}
	if a := s.get("/api/v2/users/me/current-authorization", "Token "+value); a.status != 401 || s.TokenState(value) != makesim.StateDeleted {
		t.Errorf("deleted token: status %d", a.status)
	}
	if a := s.send("DELETE", "/api/v2/users/me/api-tokens/"+created, root, ""); a.status != 404 || a.json["code"] != "SC404" {
		t.Errorf("second delete: %d %s", a.status, a.text)
	}
}

func TestTokensMintedAtOnceDifferInCreated(t *testing.T) {
	s := start(t)
	first := s.send("POST", "/api/v2/users/me/api-tokens", root, `{"label":"a","scope":[]}`)
	second := s.send("POST", "/api/v2/users/me/api-tokens", root, `{"label":"a","scope":[]}`)
	if text(first, "apiToken", "created") == text(second, "apiToken", "created") {
		t.Error("two tokens share the stamp that deletion goes by")
	}
}

func TestDeleteDoesNotReachOtherUsers(t *testing.T) {
	s := start(t)
	created, _ := column(s.get("/api/v2/users/me/api-tokens", other), "apiTokens", "created")[0].(string)
	s.send("POST", "/api/v2/users/me/api-tokens", root, `{"label":"a","scope":[]}`)
	s.send("DELETE", "/api/v2/users/me/api-tokens/"+created, root, "")
	if !s.TokenAlive(makesim.OtherToken) {
		t.Error("a user deleted somebody else's token")
	}
}

func TestMintRefusals(t *testing.T) {
	s := start(t)
	narrow := "Token " + text(s.send("POST", "/api/v2/users/me/api-tokens", root,
		`{"label":"narrow","scope":["user:write","scenarios:read"]}`), "apiToken", "token")
	for name, test := range map[string]struct {
		authorization, body string
		status              int
		code, says          string
	}{
		"no user:write":    {reader, `{"label":"a","scope":[]}`, 403, "SC403", "Access denied."},
		"scope it lacks":   {narrow, `{"label":"a","scope":["scenarios:run"]}`, 403, "SC403", "Access denied."},
		"no label":         {root, `{"scope":[]}`, 400, "SC400", "parameter 'label'"},
		"nothing":          {root, `{}`, 400, "SC400", "Validation failed for 2 parameter(s)."},
		"unknown scope":    {root, `{"label":"a","scope":["scenarios:fly"]}`, 400, "SC400", "parameter 'scope'"},
		"scope as text":    {root, `{"label":"a","scope":"user:read"}`, 400, "SC400", "parameter 'scope'"},
		"not JSON":         {root, `{`, 400, "SC400", "not valid JSON"},
		"a body too large": {root, `{"label":"` + strings.Repeat("a", 2_600_000) + `"}`, 400, "", "request entity too large"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.send("POST", "/api/v2/users/me/api-tokens", test.authorization, test.body)
			if code, _ := a.json["code"].(string); a.status != test.status || code != test.code || !strings.Contains(a.text, test.says) {
				t.Errorf("got %d %s", a.status, a.text)
			}
		})
	}
	s.knobs(func(k *makesim.Knobs) { k.MintMissingScopes = true })
	if a := s.send("POST", "/api/v2/users/me/api-tokens", narrow, `{"label":"a","scope":["scenarios:run"]}`); a.status != 200 {
		t.Errorf("with mintMissingScopes: %d %s", a.status, a.text)
	}
}

func TestMissingScope(t *testing.T) {
	s := start(t)
	a := s.get("/api/v2/organizations", reader)
	want := map[string]any{"code": "SC403", "message": "Permission denied", "detail": "Access denied."}
	if diff := cmp.Diff(want, a.json); a.status != 403 || diff != "" {
		t.Errorf("status %d %s", a.status, diff)
	}
	s.knobs(func(k *makesim.Knobs) { k.MissingScopeStatus = 401 })
	if a := s.get("/api/v2/organizations", reader); a.status != 401 {
		t.Errorf("with the knob at 401: status %d", a.status)
	}
}

func TestOrganizationsAndTeams(t *testing.T) {
	s := start(t)
	list := s.get("/api/v2/organizations", root)
	if diff := cmp.Diff([]any{42.0}, column(list, "organizations", "id")); diff != "" {
		t.Error(diff)
	}
	one := s.get("/api/v2/organizations/42", root)
	if at(one, "organization", "license", "apiLimit") != 1000.0 || at(one, "organization", "zone") != s.Zone {
		t.Errorf("organization: %s", one.text)
	}
	teams := s.get("/api/v2/teams?organizationId=42", root)
	if diff := cmp.Diff([]any{"Sales", "Support"}, column(teams, "teams", "name")); diff != "" {
		t.Error(diff)
	}
	if a := s.get("/api/v2/teams/7", root); at(a, "team", "organizationId") != 42.0 {
		t.Errorf("team: %s", a.text)
	}
}

func TestForeignAndUnknownObjects(t *testing.T) {
	s := start(t)
	for path, want := range map[string]struct {
		status int
		code   string
	}{
		"/api/v2/organizations/77":                     {404, "SC404"},
		"/api/v2/organizations/12345":                  {404, "SC404"},
		"/api/v2/organizations/x":                      {404, "SC404"},
		"/api/v2/teams/70":                             {404, "SC404"},
		"/api/v2/teams?organizationId=77":              {403, "IM002"},
		"/api/v2/teams":                                {400, "SC400"},
		"/api/v2/scenarios?teamId=70":                  {403, "IM002"},
		"/api/v2/scenarios?organizationId=77":          {403, "IM002"},
		"/api/v2/scenarios":                            {400, "SC400"},
		"/api/v2/scenarios?teamId=7&organizationId=42": {400, "SC400"},
		"/api/v2/scenarios?teamId=seven":               {400, "SC400"},
		"/api/v2/scenarios?teamId=7&isActive=maybe":    {400, "SC400"},
		"/api/v2/scenarios?teamId=7&pg[limit]=-1":      {400, "SC400"},
		"/api/v2/scenarios/901":                        {404, "SC404"},
		"/api/v2/scenarios/901/interface":              {404, "SC404"},
		"/api/v2/scenarios/501/executions/nope":        {404, "SC404"},
		"/api/v2/nothing":                              {404, "SC404"},
		"/nothing":                                     {404, "SC404"},
	} {
		if a := s.get(path, root); a.status != want.status || a.json["code"] != want.code {
			t.Errorf("%s: got %d %s", path, a.status, a.text)
		}
	}
}

func TestListScenarios(t *testing.T) {
	s := start(t)
	for query, want := range map[string][]any{
		"teamId=7":                                    {"Close a quarter", "Create a CRM lead", "Sync contacts"},
		"organizationId=42":                           {"Close a quarter", "Create a CRM lead", "Sync contacts"},
		"teamId=8":                                    {},
		"teamId=7&isActive=true":                      {"Create a CRM lead", "Sync contacts"},
		"teamId=7&id[]=501&id[]=502&id[]=901":         {"Close a quarter", "Create a CRM lead"},
		"teamId=7&pg%5Blimit%5D=2":                    {"Close a quarter", "Create a CRM lead"},
		"teamId=7&pg[limit]=2&pg[offset]=2":           {"Sync contacts"},
		"teamId=7&pg[offset]=9":                       {},
		"teamId=7&pg[sortBy]=id&pg[sortDir]=desc":     {"Sync contacts", "Close a quarter", "Create a CRM lead"},
		"teamId=7&cols[]=name&cols[]=nosuch&id[]=501": {"Create a CRM lead"},
	} {
		a := s.get("/api/v2/scenarios?"+query, reader)
		if diff := cmp.Diff(want, column(a, "scenarios", "name")); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	a := s.get("/api/v2/scenarios?teamId=7&cols[]=id&pg[limit]=1", reader)
	want := map[string]any{
		"scenarios": []any{map[string]any{"id": 502.0}},
		"pg":        map[string]any{"sortBy": "name", "sortDir": "asc", "limit": 1.0, "offset": 0.0, "returnTotalCount": false},
	}
	if diff := cmp.Diff(want, a.json); diff != "" {
		t.Error(diff)
	}
}

func TestScenarioAndInterface(t *testing.T) {
	s := start(t)
	a := s.get("/api/v2/scenarios/503", reader)
	if at(a, "scenario", "scheduling", "type") != "indefinitely" || at(a, "scenario", "isActive") != true || at(a, "scenario", "nextExec") == nil {
		t.Errorf("scenario: %s", a.text)
	}
	a = s.get("/api/v2/scenarios/501/interface", reader)
	inputs, _ := at(a, "interface", "input").([]any)
	want := map[string]any{"name": "email", "type": "text", "label": "E-mail", "default": nil, "required": true}
	if len(inputs) != 5 {
		t.Fatalf("interface: %s", a.text)
	}
	if diff := cmp.Diff(want, inputs[0]); diff != "" {
		t.Error(diff)
	}
	if a := s.get("/api/v2/scenarios/503/interface", reader); a.text != `{"interface":{"input":null,"output":null}}` {
		t.Errorf("no interface: %s", a.text)
	}
}

func TestTokenScopesEnum(t *testing.T) {
	a := start(t).get("/api/v2/enums/user-api-token-scopes", reader)
	names, err := json.Marshal(column(a, "userApiTokenScopes", "name"))
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range []string{"scenarios:run", "mcp:use", "admin:write", "team-variables:read"} {
		if !strings.Contains(string(names), `"`+scope+`"`) {
			t.Errorf("%s is not listed", scope)
		}
	}
	if strings.Contains(string(names), "openid") {
		t.Error("openid is not a scope of API tokens")
	}
}

func TestRateLimit(t *testing.T) {
	s := start(t)
	const plan = 60 // of the other organization
	spend := func() (last answer) {
		for range plan + 1 {
			last = s.get("/api/v2/users/me", other)
		}
		return last
	}
	a := spend()
	if a.status != http.StatusTooManyRequests || a.text != "Requests limit for organization exceeded, please try again later." || a.header.Get("Retry-After") != "" {
		t.Errorf("over the limit: %d %q", a.status, a.text)
	}
	if a := s.get("/api/v2/users/me", root); a.status != 200 {
		t.Errorf("another organization: %d", a.status)
	}
	if a := s.send("POST", "/api/v2/scenarios/901/run", other, `{}`); a.status != 200 {
		t.Errorf("a run is exempt: %d", a.status)
	}
	s.knobs(func(k *makesim.Knobs) { k.RateLimitJSON, k.RateLimitRetryAfter = true, true })
	s.Advance(45e9)
	a = s.get("/api/v2/users/me", other)
	if a.status != 429 || a.json["message"] == nil || a.header.Get("Retry-After") != "15" {
		t.Errorf("with both knobs: %d %q %q", a.status, a.text, a.header.Get("Retry-After"))
	}
	s.Advance(15e9)
	if a := s.get("/api/v2/users/me", other); a.status != 200 {
		t.Errorf("in the next minute: %d", a.status)
	}
}

func TestStrangersDoNotSpendTheBudget(t *testing.T) {
	s := start(t)
	for range 61 {
		s.get("/api/v2/teams?organizationId=77", root)
	}
	if a := s.get("/api/v2/users/me", other); a.status != 200 {
		t.Errorf("a stranger spent the organization's budget: %d", a.status)
	}
}
