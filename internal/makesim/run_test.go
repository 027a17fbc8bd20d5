package makesim_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	testclock "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/makesim"
)

const (
	leadRun  = "/api/v2/scenarios/501/run"
	leadData = `{"data":{"email":"a@b.example","name":"Ann"},"responsive":true}`
)

func TestRunResponsive(t *testing.T) {
	s := start(t)
	a := s.send("POST", leadRun, root, leadData)
	want := map[string]any{"leadId": "L-1001", "email": "a@b.example", "status": "created"}
	if diff := cmp.Diff(want, at(a, "outputs")); a.status != 200 || a.json["status"] != "1" || diff != "" {
		t.Errorf("status %d %s", a.status, diff)
	}
}

func TestRunCanBeFoundAgain(t *testing.T) {
	s := start(t)
	s.knobs(func(k *makesim.Knobs) { k.RunSeconds = 10 })
	run := s.send("POST", leadRun, root, strings.Replace(leadData, "true", "false", 1))
	id := text(run, "executionId")
	if id == "" || len(run.json) != 1 {
		t.Fatalf("run: %s", run.text)
	}
	path := "/api/v2/scenarios/501/executions/" + id
	if a := s.get(path, reader); a.json["status"] != "RUNNING" {
		t.Errorf("while it runs: %s", a.text)
	}
	if a := s.get("/api/v2/scenarios/501/logs", reader); len(column(a, "scenarioLogs", "id")) != 0 {
		t.Errorf("logs while it runs: %s", a.text)
	}
	if a := s.send("POST", leadRun, root, leadData); a.status != 422 || a.json["code"] != "IM016" || !strings.Contains(a.text, "already being executed") {
		t.Errorf("busy: %d %s", a.status, a.text)
	}
	s.Advance(10 * time.Second)
	if a := s.get(path, reader); a.json["status"] != "SUCCESS" || at(a, "outputs", "email") != "a@b.example" {
		t.Errorf("after it ran: %s", a.text)
	}
	if diff := cmp.Diff([]any{id}, column(s.get("/api/v2/scenarios/501/logs", reader), "scenarioLogs", "id")); diff != "" {
		t.Error(diff)
	}
	if a := s.get("/api/v2/scenarios/501/logs/"+id, reader); at(a, "scenarioLog", "duration") != 10000.0 {
		t.Errorf("log: %s", a.text)
	}
}

// watchedClock stands still and tells when it is read.
type watchedClock struct {
	*testclock.FakePassiveClock

	read chan struct{}
}

func (c watchedClock) Now() time.Time {
	select {
	case c.read <- struct{}{}:
	default:
	}
	return c.FakePassiveClock.Now()
}

func TestResponsiveRunWaitsForTheClock(t *testing.T) {
	for name, test := range map[string]struct {
		seconds int
		outputs bool
	}{
		"ends in time":     {20, true},
		"longer than 40 s": {60, false},
	} {
		t.Run(name, func(t *testing.T) {
			clock := watchedClock{testclock.NewFakePassiveClock(noon), make(chan struct{})}
			s := startWith(t, makesim.Options{Clock: clock})
			s.knobs(func(k *makesim.Knobs) { k.RunSeconds = test.seconds })
			got := make(chan answer, 1)
			go func() {
				a, _ := s.request("POST", leadRun, root, "application/json", strings.NewReader(leadData))
				got <- a
			}()
			for range 20 { // a request reads the clock a few times, only a run that waits goes on
				select {
				case <-clock.read:
				case a := <-got:
					t.Fatalf("answered before the clock moved: %s", a.text)
				}
			}
			s.Advance(40 * time.Second)
			a := <-got
			if a.status != 200 || text(a, "executionId") == "" || (at(a, "outputs") != nil) != test.outputs {
				t.Errorf("got %d %s", a.status, a.text)
			}
		})
	}
}

func TestRunRefusals(t *testing.T) {
	seed := makesim.DefaultSeed()
	seed.APITokens = append(seed.APITokens, makesim.APIToken{
		Value: monitorToken, UserID: 1003, Label: "monitor", EveryUserScope: true,
	})
	s := startWith(t, makesim.Options{Seed: seed})
	for name, test := range map[string]struct {
		path, authorization, body string
		status                    int
		code, says                string
	}{
		"missing inputs":  {leadRun, root, `{}`, 400, "SC400", "Validation failed for 2 parameter(s)."},
		"names the input": {leadRun, root, `{"data":{"name":"Ann"}}`, 400, "SC400", "Missing value of required parameter 'email'."},
		"wrong type":      {leadRun, root, `{"data":{"name":"Ann","email":7}}`, 400, "SC400", "Invalid text in parameter 'email'."},
		"wrong option":    {leadRun, root, `{"data":{"name":"Ann","email":"e","source":"tv"}}`, 400, "SC400", "Invalid select in parameter 'source'."},
		"data no object":  {leadRun, root, `{"data":[]}`, 400, "SC400", "parameter 'data'"},
		"inactive":        {"/api/v2/scenarios/502/run", root, `{"data":{"quarter":"Q1"}}`, 422, "IM016", "not activated"},
		"foreign":         {"/api/v2/scenarios/901/run", root, `{}`, 404, "SC404", "Not Found"},
		"no scope":        {leadRun, reader, leadData, 403, "SC403", "Access denied."},
		"no role":         {leadRun, "Token " + monitorToken, leadData, 403, "IM002", "Insufficient rights."},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.send("POST", test.path, test.authorization, test.body)
			if a.status != test.status || a.json["code"] != test.code || !strings.Contains(a.text, test.says) {
				t.Errorf("got %d %s", a.status, a.text)
			}
		})
	}
	if a := s.get("/api/v2/teams?organizationId=42", "Token "+monitorToken); len(column(a, "teams", "id")) != 1 {
		t.Errorf("a member sees teams without a role: %s", a.text)
	}
}

func TestInputTypes(t *testing.T) {
	types := map[string]any{
		"text": "a", "number": 1.5, "boolean": true, "date": "2026-03-01", "json": "{}", "select": "x",
		"collection": map[string]any{"a": "b"}, "array": []any{"a"},
	}
	asText := []string{"text", "date", "json", "select"}
	for fieldType := range types {
		seed := makesim.DefaultSeed()
		seed.Scenarios[0].Interface.Input = []makesim.Field{{Name: "x", Type: fieldType}}
		seed.Scenarios[0].Outputs = map[string]any{"x": "{{var.input.x}}"}
		s := startWith(t, makesim.Options{Seed: seed})
		for valueType, value := range types {
			body, err := json.Marshal(map[string]any{"responsive": true, "data": map[string]any{"x": value}})
			if err != nil {
				t.Fatal(err)
			}
			fits := fieldType == valueType || slices.Contains(asText, fieldType) && slices.Contains(asText, valueType)
			a := s.send("POST", leadRun, root, string(body))
			if (a.status == 200) != fits || fits && !cmp.Equal(at(a, "outputs", "x"), value) {
				t.Errorf("%s for %s: %d %s", valueType, fieldType, a.status, a.text)
			}
		}
	}
}

const monitorToken = "5a1f0e83-77b2-4c9d-a6e4-1b2c3d4e5f04"
