package makesim_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makesim"
)

// blueprint is one with an answer that repeats an input; more is put before its end.
func blueprint(name, more string) string {
	return `{"name":"` + name + `","flow":[
		{"id":1,"module":"scenario-service:StartSubscenario","parameters":{},"mapper":{}},
		{"id":3,"module":"scenario-service:ReturnData","mapper":{"said":"{{var.input.word}}","fixed":7}}` + more + `],
		"metadata":{"scenario":{"dlq":true}}}`
}

// hooked is a blueprint that a webhook starts.
func hooked(name string, hook int64, more string) string {
	return fmt.Sprintf(`{"name":%q,"flow":[{"id":1,"module":"gateway:CustomWebHook","parameters":{"hook":%d}}%s],"metadata":{}}`, name, hook, more)
}

const onDemand = `{"type":"on-demand"}`

// scenarioBody is the body of a creation in team 7.
func scenarioBody(t *testing.T, blueprint, scheduling, more string) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"teamId": 7, "blueprint": blueprint, "scheduling": scheduling})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(body), "}") + more + "}"
}

// scenario creates one and returns its path.
func (s *sim) scenario(blueprint, scheduling, more string) string {
	s.t.Helper()
	a := s.send("POST", "/api/v2/scenarios?confirmed=true", root, scenarioBody(s.t, blueprint, scheduling, more))
	if a.status != 200 {
		s.t.Fatalf("create scenario: %d %s", a.status, a.text)
	}
	return fmt.Sprintf("/api/v2/scenarios/%v", at(a, "scenario", "id"))
}

const wordInterface = `,"metadata":{"input_spec":[{"name":"word","type":"text","required":true}],"output_spec":[{"name":"said","type":"text"}]}`

func TestScenarioLife(t *testing.T) {
	s := start(t)
	path := s.scenario(blueprint("Echo", ""), onDemand, wordInterface+`,"folderId":61`)
	a := s.get(path, root)
	want := map[string]any{
		"id": 1001.0, "name": "Echo", "teamId": 7.0, "hookId": nil, "deviceId": nil, "deviceScope": nil, "concept": false,
		"description": "", "folderId": 61.0, "isinvalid": false, "islinked": false, "isActive": false, "islocked": false,
		"isPaused": false, "usedPackages": []any{"scenario-service"}, "scheduling": map[string]any{"type": "on-demand"},
		"iswaiting": false, "dlqCount": 0.0, "nextExec": nil, "operations": 0.0, "transfer": 0.0, "type": "scenario",
		"created": "2026-03-01T12:00:00.000Z", "lastEdit": "2026-03-01T12:00:00.000Z",
		"createdByUser": map[string]any{"id": 1001.0, "name": "Ada Example", "email": "ada@acme.example"},
		"updatedByUser": map[string]any{"id": 1001.0, "name": "Ada Example", "email": "ada@acme.example"},
	}
	if diff := cmp.Diff(want, at(a, "scenario")); diff != "" {
		t.Errorf("created: %s", diff)
	}
	if a := s.send("POST", path+"/run", root, `{"data":{"word":"hi"}}`); a.status != 422 {
		t.Errorf("run before it is active: %d %s", a.status, a.text)
	}
	if a := s.send("POST", path+"/start", root, ""); a.text != `{"scenario":{"id":1001,"isActive":true,"islinked":true}}` {
		t.Errorf("start: %s", a.text)
	}
	if a := s.send("POST", path+"/run", root, `{"responsive":true,"data":{"word":"hi"}}`); at(a, "outputs", "said") != "hi" || at(a, "outputs", "fixed") != 7.0 {
		t.Errorf("run: %s", a.text)
	}
	s.Advance(time.Minute)
	if a := s.send("PATCH", path+"?confirmed=true", root, `{"name":"Echo 2","description":"says it again"}`); text(a, "scenario", "name") != "Echo 2" || text(a, "scenario", "lastEdit") != "2026-03-01T12:01:00.000Z" {
		t.Errorf("update: %s", a.text)
	}
	if a := s.get(path+"/interface", root); !strings.Contains(a.text, `"name":"word"`) {
		t.Errorf("a new name took the interface: %s", a.text)
	}
	if a := s.get(path+"/blueprint", root); text(a, "response", "blueprint", "name") != "Echo 2" || at(a, "response", "idSequence") != 4.0 {
		t.Errorf("blueprint: %s", a.text)
	}
	if a := s.send("POST", path+"/stop", root, ""); at(a, "scenario", "isActive") != false {
		t.Errorf("stop: %s", a.text)
	}
	if a := s.send("DELETE", path, root, ""); a.text != `{"scenario":1001}` {
		t.Errorf("delete: %s", a.text)
	}
	for _, gone := range []string{path, path + "/logs", path + "/interface"} {
		if a := s.get(gone, root); a.status != 404 {
			t.Errorf("deleted %s: %d", gone, a.status)
		}
	}
}

func TestScenarioFilters(t *testing.T) {
	s := start(t)
	s.scenario(blueprint("Filed", ""), onDemand, `,"folderId":61`)
	for query, want := range map[string][]any{
		"teamId=7&folderId=61":                 {"Filed"},
		"teamId=7&folderId=62":                 {"Close a quarter"},
		"teamId=7&islinked=false":              {"Close a quarter", "Filed"},
		"teamId=7&type=tool":                   {},
		"teamId=7&type=scenario&id[]=503":      {"Sync contacts"},
		"teamId=7&concept=true":                {},
		"organizationId=42&cols[]=*&id[]=501":  {"Create a CRM lead"},
		"organizationId=42&isActive=1&id[]=9":  {},
		"teamId=7&pg[sortBy]=id&pg[limit]=1":   {"Create a CRM lead"},
		"teamId=7&pg[sortBy]=created&id[]=501": {"Create a CRM lead"},
	} {
		if diff := cmp.Diff(want, column(s.get("/api/v2/scenarios?"+query, root), "scenarios", "name")); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
}

func TestBlueprintVersions(t *testing.T) {
	s := start(t)
	path := s.scenario(blueprint("Echo", ""), onDemand, wordInterface)
	body, err := json.Marshal(map[string]any{"blueprint": blueprint("Echo", `,{"id":9,"module":"json:ParseJSON"}`)})
	if err != nil {
		t.Fatal(err)
	}
	if a := s.send("PATCH", path, root, string(body)); a.status != 200 {
		t.Fatalf("update: %s", a.text)
	}
	if diff := cmp.Diff([]any{2.0, 1.0}, column(s.get(path+"/blueprints", root), "scenariosBlueprints", "version")); diff != "" {
		t.Error(diff)
	}
	if a := s.get(path+"/blueprint", root); !strings.Contains(a.text, "ParseJSON") || at(a, "response", "idSequence") != 10.0 {
		t.Errorf("current: %s", a.text)
	}
	if a := s.get(path+"/blueprint?blueprintId=1", root); a.status != 200 || strings.Contains(a.text, "ParseJSON") {
		t.Errorf("first: %s", a.text)
	}
	if a := s.get(path+"/interface", root); !strings.Contains(a.text, `"word"`) {
		t.Errorf("a blueprint without interface took the one that was there: %s", a.text)
	}
	if a := s.get(path+"/data/9", root); a.text != `{"exists":true}` {
		t.Errorf("module data: %s", a.text)
	}
	if a := s.get(path+"/blueprint?blueprintId=7", root); a.status != 404 {
		t.Errorf("no such version: %d", a.status)
	}
}

func TestInterfaceIsForScenariosOnDemand(t *testing.T) {
	s := start(t)
	path := s.scenario(blueprint("Echo", ""), onDemand, "")
	set := `{"interface":{"input":[{"name":"apps","type":"array","spec":{"type":"text"}},
		{"name":"who","type":"collection","spec":[{"name":"id","type":"number","required":true}]},
		{"name":"tone","type":"select","options":[{"label":"Loud","value":"loud"}]}],"output":null}}`
	a := s.send("PATCH", path+"/interface", root, set)
	if a.status != 200 || at(a, "interface", "output") != nil || a.text != s.get(path+"/interface", root).text {
		t.Fatalf("set: %d %s", a.status, a.text)
	}
	s.send("POST", path+"/start", root, "")
	for data, says := range map[string]string{
		`{"apps":["a","b"],"who":{"id":4},"tone":"loud"}`: "",
		`{"apps":["a",5]}`:   "Invalid text in parameter 'apps[1]'.",
		`{"who":{}}`:         "Missing value of required parameter 'who.id'.",
		`{"who":{"id":"4"}}`: "Invalid number in parameter 'who.id'.",
		`{"tone":"Loud"}`:    "Invalid select in parameter 'tone'.",
	} {
		a := s.send("POST", path+"/run", root, `{"data":`+data+`}`)
		if (a.status == 200) != (says == "") || !strings.Contains(a.text, says) {
			t.Errorf("%s: %d %s", data, a.status, a.text)
		}
	}
	if a := s.send("PATCH", path+"/interface", root, `{"interface":{"input":"","output":""}}`); a.text != `{"interface":{"input":null,"output":null}}` {
		t.Errorf("switched off: %s", a.text)
	}
}

func TestClone(t *testing.T) {
	s := start(t)
	path := s.scenario(hooked("Orders", makesim.HookID, ""), `{"type":"immediately"}`, "")
	s.refuses(map[string]refusal{
		"unmapped webhook": {"POST", strings.TrimPrefix(path, "/api/v2") + "/clone?organizationId=42", root, `{"name":"Copy","teamId":8,"states":false}`, 400, "IM005", "webhook 11 is not mapped"},
		"other team":       {"POST", "/scenarios/501/clone?organizationId=77", root, `{"name":"Copy","teamId":70,"states":false}`, 403, "IM002", ""},
		"not its team":     {"POST", "/scenarios/501/clone?organizationId=42", root, `{"name":"Copy","teamId":70,"states":false}`, 400, "IM005", ""},
	})
	a := s.send("POST", path+"/clone?organizationId=42", root, `{"name":"Copy","teamId":8,"states":false,"hook":{"11":null}}`)
	if a.status != 200 || at(a, "scenario", "hookId") != nil || text(a, "scenario", "name") != "Copy" || at(a, "scenario", "teamId") != 8.0 {
		t.Errorf("without webhook: %d %s", a.status, a.text)
	}
	a = s.send("POST", "/api/v2/scenarios/501/clone?organizationId=42", root, `{"name":"Lead 2","teamId":8,"states":false}`)
	copied := fmt.Sprintf("/api/v2/scenarios/%v", at(a, "scenario", "id"))
	if at(a, "scenario", "isActive") != false || s.get(copied+"/interface", root).text != s.get("/api/v2/scenarios/501/interface", root).text {
		t.Errorf("copy: %d %s", a.status, a.text)
	}
}

func TestNewAppsAskForConfirmation(t *testing.T) {
	s := start(t)
	body := scenarioBody(t, blueprint("New", `,{"id":5,"module":"airtable:CreateRecord"}`), onDemand, "")
	s.refuses(map[string]refusal{
		"unconfirmed": {"POST", "/scenarios", root, body, 406, "IM004", `"metadata":[{"type":"app"}]`},
	})
	for range 2 { // the second one is not the first in the organization
		if a := s.send("POST", "/api/v2/scenarios?confirmed=true", root, body); a.status != 200 {
			t.Fatalf("confirmed: %s", a.text)
		}
	}
	if a := s.send("POST", "/api/v2/scenarios", root, body); a.status != 200 {
		t.Errorf("known app: %d %s", a.status, a.text)
	}
}

func TestScenarioRefusals(t *testing.T) {
	s := start(t)
	watcher := s.as(monitor, "scenarios:read scenarios:write scenarios:run")
	create := func(blueprint, scheduling, more string) string { return scenarioBody(t, blueprint, scheduling, more) }
	good := blueprint("Good", "")
	s.refuses(map[string]refusal{
		"missing scope to create":  {"POST", "/scenarios", reader, create(good, onDemand, ""), 403, "SC403", ""},
		"missing scope to start":   {"POST", "/scenarios/502/start", reader, "", 403, "SC403", ""},
		"missing scope to replay":  {"POST", "/scenarios/501/replay", reader, `{}`, 403, "SC403", ""},
		"missing role to create":   {"POST", "/scenarios", watcher, create(good, onDemand, ""), 403, "IM002", ""},
		"missing role to start":    {"POST", "/scenarios/502/start", watcher, "", 403, "IM002", ""},
		"missing role to delete":   {"DELETE", "/scenarios/502", watcher, "", 403, "IM002", ""},
		"other company's":          {"PATCH", "/scenarios/901", root, `{"name":"x"}`, 404, "SC404", ""},
		"other company's team":     {"POST", "/scenarios", root, `{"teamId":70,"blueprint":"{}","scheduling":"{}"}`, 403, "IM002", ""},
		"nothing":                  {"POST", "/scenarios", root, `{}`, 400, "SC400", "Validation failed for 3 parameter(s)."},
		"blueprint as an object":   {"POST", "/scenarios", root, `{"teamId":7,"blueprint":{},"scheduling":"{}"}`, 400, "SC400", "'blueprint': JSON string expected"},
		"blueprint not JSON":       {"POST", "/scenarios", root, create("{", onDemand, ""), 400, "SC400", "'blueprint'"},
		"blueprint without name":   {"POST", "/scenarios", root, create(`{"flow":[]}`, onDemand, ""), 500, "SC500", ""},
		"blueprint without flow":   {"POST", "/scenarios", root, create(`{"name":"a"}`, onDemand, ""), 400, "SC400", "'blueprint.flow'"},
		"flow of texts":            {"POST", "/scenarios", root, create(`{"name":"a","flow":["x"]}`, onDemand, ""), 400, "SC400", "'blueprint.flow"},
		"module without app":       {"POST", "/scenarios", root, create(blueprint("a", `,{"id":4,"module":"x"}`), onDemand, ""), 400, "SC400", "Invalid module name 'x'"},
		"module twice":             {"POST", "/scenarios", root, create(blueprint("a", `,{"id":3,"module":"json:Parse"}`), onDemand, ""), 400, "SC400", "Module ID 3 is not unique"},
		"module without ID":        {"POST", "/scenarios", root, create(blueprint("a", `,{"module":"json:Parse"}`), onDemand, ""), 400, "SC400", "has no ID"},
		"no scheduling type":       {"POST", "/scenarios", root, create(good, `{}`, ""), 400, "SC400", "'scheduling.type'"},
		"unknown scheduling":       {"POST", "/scenarios", root, create(good, `{"type":"never"}`, ""), 400, "SC400", "'scheduling.type'"},
		"no interval":              {"POST", "/scenarios", root, create(good, `{"type":"indefinitely"}`, ""), 400, "SC400", "'scheduling.interval'"},
		"short interval":           {"POST", "/scenarios", root, create(good, `{"type":"indefinitely","interval":5}`, ""), 400, "SC400", "at least 60"},
		"no such folder":           {"POST", "/scenarios", root, create(good, onDemand, `,"folderId":999`), 400, "IM005", "Folder 999"},
		"another team's folder":    {"PATCH", "/scenarios/502", root, `{"folderId":63}`, 400, "IM005", "Folder 63"},
		"no such webhook":          {"POST", "/scenarios", root, create(hooked("a", 999, ""), `{"type":"immediately"}`, ""), 400, "IM005", "Webhook 999"},
		"interface of another":     {"POST", "/scenarios", root, create(good, `{"type":"daily","time":"09:00"}`, wordInterface), 422, "IM016", "on demand"},
		"interface not on demand":  {"PATCH", "/scenarios/503/interface", root, `{"interface":{"input":[{"name":"a","type":"text"}]}}`, 422, "IM016", "on demand"},
		"interface with bad type":  {"PATCH", "/scenarios/501/interface", root, `{"interface":{"input":[{"name":"a","type":"blob"}]}}`, 400, "SC400", "Invalid type 'blob'"},
		"interface not a list":     {"PATCH", "/scenarios/501/interface", root, `{"interface":{"input":{"a":1}}}`, 400, "SC400", "'interface.input'"},
		"interface without name":   {"PATCH", "/scenarios/501/interface", root, `{"interface":{"input":[{"type":"text"}]}}`, 400, "SC400", "Missing name"},
		"interface with bad spec":  {"PATCH", "/scenarios/501/interface", root, `{"interface":{"input":[{"name":"a","type":"array","spec":{"type":"blob"}}]}}`, 400, "SC400", "Invalid type 'blob'"},
		"no trigger":               {"GET", "/scenarios/501/triggers", root, "", 404, "IM007", ""},
		"unknown member of update": {"PATCH", "/scenarios/501", root, `{"isActive":true}`, 400, "SC400", "Unknown parameter 'isActive'."},
	})
}

func TestFolders(t *testing.T) {
	s := start(t)
	a := s.send("POST", "/api/v2/scenarios-folders", root, `{"name":"Old","teamId":7,"parentId":62}`)
	want := map[string]any{"scenarioFolder": map[string]any{
		"id": 1001.0, "name": "Old", "path": "Sales/Archive/Old", "parentId": 62.0, "position": nil,
		"scenariosTotal": 0.0, "scenariosSubtreeTotal": 0.0, "hasChildren": false,
	}}
	if diff := cmp.Diff(want, a.json); diff != "" {
		t.Errorf("created: %s", diff)
	}
	if a := s.send("PATCH", "/api/v2/scenarios/503", root, `{"folderId":1001}`); at(a, "scenario", "folderId") != 1001.0 {
		t.Errorf("file a scenario: %s", a.text)
	}
	list := s.get("/api/v2/scenarios-folders?cols[]=*&teamId=7&childrenDepth=all", root)
	if diff := cmp.Diff([]any{"Sales"}, column(list, "scenariosFolders", "name")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]any{2.0}, column(list, "scenariosFolders", "scenariosSubtreeTotal")); diff != "" || !strings.Contains(list.text, "Sales/Archive/Old") {
		t.Errorf("tree: %s", list.text)
	}
	if a := s.get("/api/v2/scenarios-folders?teamId=7", root); strings.Contains(a.text, "Sales/Archive/Old") || !strings.Contains(a.text, "Sales/Archive") {
		t.Errorf("one level of children: %s", a.text)
	}
	if a := s.get("/api/v2/scenarios-folders?teamId=7&parentId=62", root); len(column(a, "scenariosFolders", "id")) != 1 {
		t.Errorf("children: %s", a.text)
	}
	if a := s.send("PATCH", "/api/v2/scenarios-folders/1001", root, `{"parentId":null,"name":"Older"}`); text(a, "scenarioFolder", "path") != "Older" {
		t.Errorf("move: %s", a.text)
	}
	if a := s.send("DELETE", "/api/v2/scenarios-folders/61", root, ""); a.text != `{"scenarioFolder":61}` {
		t.Errorf("delete: %s", a.text)
	}
	if a := s.get("/api/v2/scenarios-folders?teamId=7", root); len(column(a, "scenariosFolders", "id")) != 2 {
		t.Errorf("children of a deleted folder: %s", a.text)
	}
	watcher := s.as(monitor, "scenarios:read scenarios:write")
	s.refuses(map[string]refusal{
		"missing scope":     {"POST", "/scenarios-folders", reader, `{}`, 403, "SC403", ""},
		"missing role":      {"PATCH", "/scenarios-folders/62", watcher, `{}`, 403, "IM002", ""},
		"other team":        {"GET", "/scenarios-folders?teamId=70", root, "", 403, "IM002", ""},
		"other's folder":    {"DELETE", "/scenarios-folders/63", root, "", 404, "SC404", ""},
		"other's parent":    {"POST", "/scenarios-folders", root, `{"name":"a","teamId":7,"parentId":63}`, 400, "IM005", ""},
		"into itself":       {"PATCH", "/scenarios-folders/62", root, `{"parentId":62}`, 400, "IM005", "into itself"},
		"name too long":     {"POST", "/scenarios-folders", root, `{"teamId":7,"name":"` + strings.Repeat("a", 101) + `"}`, 400, "SC400", "at most 100"},
		"unknown depth":     {"GET", "/scenarios-folders?teamId=7&childrenDepth=some", root, "", 400, "SC400", "childrenDepth"},
		"no such parent":    {"GET", "/scenarios-folders?teamId=7&parentId=999", root, "", 400, "IM005", ""},
		"nothing to create": {"POST", "/scenarios-folders", root, `{}`, 400, "SC400", "2 parameter(s)"},
	})
}

func TestPlanLimitsScenarios(t *testing.T) {
	seed := makesim.DefaultSeed()
	seed.Organizations[0].Plan = "free"
	seed.Users = seed.Users[:3] // the fourth has a role of the organization's own, which the plan does not allow
	seed.Objects = map[string][]map[string]any{"hooks": seed.Objects["hooks"], "folders": seed.Objects["folders"]}
	s := startWith(t, makesim.Options{Seed: seed}) // with two that are active
	s.refuses(map[string]refusal{
		"third active one": {"POST", "/scenarios/502/start", root, "", 403, "IM011", "active scenarios"},
		"too often":        {"PATCH", "/scenarios/502", root, `{"scheduling":"{\"type\":\"indefinitely\",\"interval\":300}"}`, 403, "IM011", "15 minutes"},
	})
	s.send("POST", "/api/v2/scenarios/503/stop", root, "")
	if a := s.send("POST", "/api/v2/scenarios/502/start", root, ""); a.status != 200 {
		t.Errorf("in place of another: %d %s", a.status, a.text)
	}
	if a := s.get("/api/v2/hooks/11", root); at(a, "hook", "queueLimit") != 66.0 {
		t.Errorf("queue of the free plan: %s", a.text)
	}
}

func TestTeamTakesItsScenariosAlong(t *testing.T) {
	s := start(t)
	s.get("/api/v2/scenarios/503", root)
	if a := s.send("DELETE", "/api/v2/teams/7?confirmed=true", root, ""); a.status != 200 {
		t.Fatalf("delete: %s", a.text)
	}
	for _, path := range []string{"/api/v2/scenarios/501", "/api/v2/scenarios/503/logs", "/api/v2/hooks/11", incomplete} {
		if a := s.get(path, root); a.status != 404 {
			t.Errorf("%s: %d %s", path, a.status, a.text)
		}
	}
	if a := s.get("/api/v2/scenarios?organizationId=42", root); len(column(a, "scenarios", "id")) != 0 {
		t.Errorf("left: %s", a.text)
	}
}
