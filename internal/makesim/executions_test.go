package makesim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	testclock "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/makesim"
)

const syncScenario = "/api/v2/scenarios/503"

func TestRunsByItself(t *testing.T) {
	s := start(t)
	if a := s.get(syncScenario, reader); text(a, "scenario", "nextExec") != "2026-03-01T12:15:00.000Z" {
		t.Errorf("next run: %s", a.text)
	}
	s.Advance(31 * time.Minute)
	a := s.get(syncScenario+"/logs", reader)
	if diff := cmp.Diff([]any{"2026-03-01T12:30:00.000Z", "2026-03-01T12:15:00.000Z", "2026-03-01T12:00:00.000Z"}, column(a, "scenarioLogs", "timestamp")); diff != "" {
		t.Error(diff)
	}
	log, _ := a.json["scenarioLogs"].([]any)[0].(map[string]any)
	id, _ := log["id"].(string)
	want := map[string]any{
		"imtId": fmt.Sprintf("%d_scenario.503.auto.%s", noon.Add(30*time.Minute).UnixMilli(), id), "id": id, "type": "auto", "status": 1.0,
		"duration": 0.0, "operations": 1.0, "centicredits": 100.0, "transfer": 0.0, "organizationId": 42.0, "teamId": 7.0,
		"authorId": nil, "instant": false, "timestamp": "2026-03-01T12:30:00.000Z",
	}
	if diff := cmp.Diff(want, log); diff != "" {
		t.Error(diff)
	}
	if a := s.get(syncScenario+"/usage", reader); a.text != `{"data":[{"centicredits":300,"dataTransfer":0,"date":"2026-03-01","operations":3}]}` {
		t.Errorf("usage: %s", a.text)
	}
	s.send("POST", syncScenario+"/stop", root, "")
	s.Advance(time.Hour)
	if a := s.get(syncScenario+"/logs", reader); len(column(a, "scenarioLogs", "id")) != 3 {
		t.Error("runs although it was stopped")
	}
	s.send("POST", syncScenario+"/start", root, "")
	if a := s.get(syncScenario+"/logs", reader); len(column(a, "scenarioLogs", "id")) != 4 {
		t.Error("does not run when it is started")
	}
	s.Advance(365 * 24 * time.Hour)
	if n := len(column(s.get(syncScenario+"/logs?pg[limit]=1000", reader), "scenarioLogs", "id")); n > 40 {
		t.Errorf("made up %d runs for a year that nobody looked at", n)
	}
}

func TestLogPages(t *testing.T) {
	s := start(t)
	s.get(syncScenario, reader)
	s.Advance(time.Hour)
	all := column(s.get(syncScenario+"/logs", reader), "scenarioLogs", "imtId")
	if len(all) != 5 {
		t.Fatalf("logs: %v", all)
	}
	key, _ := all[1].(string)
	from, to := noon.Add(15*time.Minute).UnixMilli(), noon.Add(30*time.Minute).UnixMilli()
	for query, want := range map[string][]any{
		"pg[limit]=2":                          all[:2],
		"pg[last]=" + key:                      all[2:],
		"pg[last]=" + key + "&pg[limit]=1":     all[2:3],
		"pg[showLast]=true&pg[last]=" + key:    all[1:],
		"pg[offset]=4":                         all[4:],
		"pg[offset]=9":                         {},
		"pg[sortDir]=asc&pg[limit]=1":          all[4:],
		"status=1":                             all,
		"status=3":                             {},
		fmt.Sprintf("from=%d", from):           all[:4],
		fmt.Sprintf("from=%d&to=%d", from, to): all[2:4],
	} {
		if diff := cmp.Diff(want, column(s.get(syncScenario+"/logs?"+query, reader), "scenarioLogs", "imtId")); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	a := s.get(syncScenario+"/logs?pg[limit]=1", reader)
	want := map[string]any{"sortBy": "imtId", "sortDir": "desc", "limit": 1.0, "last": all[0], "showLast": false}
	if diff := cmp.Diff(want, a.json["pg"]); diff != "" {
		t.Error(diff)
	}
	s.refuses(map[string]refusal{
		"unknown key":    {"GET", "/scenarios/503/logs?pg[last]=x", reader, "", 400, "SC400", "pg[last]"},
		"unknown status": {"GET", "/scenarios/503/logs?status=4", reader, "", 400, "SC400", "'status'"},
		"no number":      {"GET", "/scenarios/503/logs?from=today", reader, "", 400, "SC400", "'from'"},
		"no such log":    {"GET", "/scenarios/503/logs/nope", reader, "", 404, "SC404", ""},
	})
}

func TestStopAndReplay(t *testing.T) {
	s := start(t)
	s.knobs(func(k *makesim.Knobs) { k.RunSeconds = 60 })
	run := func() string {
		return text(s.send("POST", leadRun, root, strings.Replace(leadData, "true", "false", 1)), "executionId")
	}
	id := run()
	stop := "/scenarios/501/executions/" + id + "/stop"
	if a := s.send("POST", "/api/v2"+stop, root, `{"force":true}`); a.status != 200 || a.text != "{}" {
		t.Errorf("stop: %d %s", a.status, a.text)
	}
	if a := s.get("/api/v2/scenarios/501/executions/"+id, reader); a.json["status"] != "ERROR" || a.json["outputs"] != nil || text(a, "error", "message") == "" {
		t.Errorf("stopped: %s", a.text)
	}
	if a := s.send("POST", "/api/v2/scenarios/501/replay", root, `{"executionIds":["`+id+`"]}`); a.status != 202 || a.text != "" {
		t.Errorf("replay: %d %q", a.status, a.text)
	}
	s.refuses(map[string]refusal{
		"stop twice":        {"POST", stop, root, `{}`, 422, "IM016", "not running"},
		"stop nothing":      {"POST", "/scenarios/501/executions/nope/stop", root, `{}`, 404, "SC404", ""},
		"replay while busy": {"POST", "/scenarios/501/replay", root, `{"executionIds":["` + id + `"]}`, 422, "IM016", "already being executed"},
		"replay nothing":    {"POST", "/scenarios/501/replay", root, `{"executionIds":["nope"]}`, 404, "SC404", ""},
		"replay no list":    {"POST", "/scenarios/501/replay", root, `{"executionIds":[]}`, 400, "SC400", "'executionIds'"},
	})
	s.Advance(time.Minute)
	logs := column(s.get("/api/v2/scenarios/501/logs", reader), "scenarioLogs", "id")
	if len(logs) != 2 {
		t.Fatalf("logs: %v", logs)
	}
	if a := s.get(fmt.Sprintf("/api/v2/scenarios/501/executions/%v", logs[0]), reader); at(a, "outputs", "email") != "a@b.example" {
		t.Errorf("replayed with other inputs: %s", a.text)
	}
	id = run()
	s.send("POST", "/api/v2/scenarios/501/stop", root, "")
	if a := s.get("/api/v2/scenarios/501/executions/"+id, reader); a.json["status"] != "ERROR" {
		t.Errorf("a stopped scenario still runs: %s", a.text)
	}
}

func TestFailures(t *testing.T) {
	for name, test := range map[string]struct {
		failure         makesim.Failure
		status, outcome string
		incomplete      int
	}{
		"error":   {makesim.Failure{Message: "No route to host."}, "ERROR", "3", 1},
		"warning": {makesim.Failure{Name: "DataError", Message: "Half of it.", Warning: true}, "WARNING", "2", 0},
	} {
		t.Run(name, func(t *testing.T) {
			seed := makesim.DefaultSeed()
			seed.Scenarios[0].Failure, seed.Scenarios[0].KeepIncomplete = test.failure, true
			s := startWith(t, makesim.Options{Seed: seed})
			run := s.send("POST", leadRun, root, leadData)
			if run.json["status"] != test.outcome || text(run, "error", "message") != test.failure.Message || run.json["outputs"] != nil {
				t.Errorf("run: %s", run.text)
			}
			a := s.get("/api/v2/scenarios/501/executions/"+text(run, "executionId"), reader)
			if a.json["status"] != test.status || text(a, "error", "causeModule", "appName") == "" {
				t.Errorf("execution: %s", a.text)
			}
			if a := s.get("/api/v2/scenarios/501/logs?status="+test.outcome, reader); len(column(a, "scenarioLogs", "id")) != 1 {
				t.Errorf("log: %s", a.text)
			}
			kept := s.get("/api/v2/dlqs?scenarioId=501", root)
			if n := len(column(kept, "dlqs", "id")); n != test.incomplete {
				t.Errorf("incomplete executions: %s", kept.text)
			}
			if a := s.get("/api/v2/scenarios/501", root); at(a, "scenario", "dlqCount") != float64(test.incomplete) {
				t.Errorf("dlqCount: %s", a.text)
			}
		})
	}
}

func TestFailureKnob(t *testing.T) {
	s := start(t)
	s.knobs(func(k *makesim.Knobs) { k.RunFails = "The CRM is down." })
	if a := s.send("POST", leadRun, root, leadData); text(a, "error", "message") != "The CRM is down." {
		t.Errorf("with the knob: %s", a.text)
	}
	s.knobs(func(k *makesim.Knobs) { k.RunFails = "" })
	if a := s.send("POST", leadRun, root, leadData); a.json["status"] != "1" {
		t.Errorf("without: %s", a.text)
	}
}

func TestScopesOfRunKnob(t *testing.T) {
	s := start(t)
	narrow := "Token " + text(s.send("POST", "/api/v2/users/me/api-tokens", root, `{"label":"run","scope":["scenarios:run"]}`), "apiToken", "token")
	if a := s.send("POST", leadRun, narrow, leadData); a.status != 200 {
		t.Errorf("scenarios:run: %d %s", a.status, a.text)
	}
	s.knobs(func(k *makesim.Knobs) { k.RunNeedsReadWrite = true })
	if a := s.send("POST", leadRun, narrow, leadData); a.status != 403 || a.json["code"] != "SC403" {
		t.Errorf("with the knob: %d %s", a.status, a.text)
	}
}

func TestMaxBytes(t *testing.T) {
	s := start(t)
	id := text(s.send("POST", leadRun, root, leadData), "executionId")
	for query, shown := range map[string]bool{"": true, "?maxBytes=1000": true, "?maxBytes=10": false} {
		a := s.get("/api/v2/scenarios/501/executions/"+id+query, reader)
		if (a.json["outputs"] != nil) != shown || a.json["status"] != "SUCCESS" {
			t.Errorf("%q: %s", query, a.text)
		}
	}
}

// receiver is who is called back.
func receiver(t *testing.T) (url string, got chan map[string]any) {
	t.Helper()
	got = make(chan map[string]any, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if r.Method == http.MethodPost && json.NewDecoder(r.Body).Decode(&body) == nil {
			got <- body
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, got
}

func TestCallback(t *testing.T) {
	s := start(t)
	url, got := receiver(t)
	s.knobs(func(k *makesim.Knobs) { k.RunSeconds = 30 })
	data := strings.Replace(leadData, `true`, `false,"callbackUrl":"`+url+`"`, 1)
	run := s.send("POST", leadRun, root, data)
	if len(got) != 0 {
		t.Error("called back before the end")
	}
	s.Advance(30 * time.Second)
	id := text(run, "executionId")
	want := map[string]any{"executionId": id, "statusUrl": s.URL + "/api/v2/scenarios/501/executions/" + id}
	if diff := cmp.Diff(want, <-got); diff != "" {
		t.Error(diff)
	}
	if a := s.get(strings.TrimPrefix(want["statusUrl"].(string), s.URL), reader); a.json["status"] != "SUCCESS" {
		t.Errorf("status URL: %s", a.text)
	}
}

func TestCallbackOfResponsiveRuns(t *testing.T) {
	url, got := receiver(t)
	data := strings.Replace(leadData, `true`, `true,"callbackUrl":"`+url+`"`, 1)
	clock := watchedClock{testclock.NewFakePassiveClock(noon), make(chan struct{})}
	s := startWith(t, makesim.Options{Clock: clock})
	if a := s.send("POST", leadRun, root, data); at(a, "outputs", "status") != "created" {
		t.Fatalf("in time: %s", a.text)
	}
	s.knobs(func(k *makesim.Knobs) { k.RunSeconds = 60 })
	answered := make(chan answer, 1)
	go func() {
		a, _ := s.request("POST", leadRun, root, "application/json", strings.NewReader(data))
		answered <- a
	}()
	for range 20 {
		<-clock.read
	}
	s.Advance(40 * time.Second)
	a := <-answered
	s.Advance(20 * time.Second)
	if body := <-got; body["executionId"] != text(a, "executionId") {
		t.Errorf("the callback is for %v, the run that took long is %s", body, a.text)
	}
	s.Close() // waits for callbacks
	if len(got) != 0 {
		t.Error("a run whose result was in the answer called back too")
	}
}

func TestCallbackGoesNowhereElse(t *testing.T) {
	s := start(t)
	for _, url := range []string{"https://example.com/", "http://10.0.0.1/", "ftp://127.0.0.1/", "http://", "::"} {
		a := s.send("POST", leadRun, root, `{"callbackUrl":"`+url+`","data":{"email":"e","name":"n"}}`)
		if a.status != 400 || !strings.Contains(a.text, "'callbackUrl'") {
			t.Errorf("%s: %d %s", url, a.status, a.text)
		}
	}
	if a := s.get("/api/v2/scenarios/501/logs", reader); len(column(a, "scenarioLogs", "id")) != 0 {
		t.Error("ran all the same")
	}
}

func TestCloseEndsCallbacks(t *testing.T) {
	s := start(t)
	url, got := receiver(t)
	s.knobs(func(k *makesim.Knobs) { k.RunSeconds = 600 })
	s.send("POST", leadRun, root, strings.Replace(leadData, `true`, `false,"callbackUrl":"`+url+`"`, 1))
	s.Server.Close()
	s.Server.Close()
	if len(got) != 0 {
		t.Error("called back although the run goes on")
	}
}
