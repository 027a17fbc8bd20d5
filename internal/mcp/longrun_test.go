package mcp_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/makeops/make-operator/internal/makesim"
)

// slow makes every run at Make take a while, on the simulator's own clock, which stands still until it is advanced.
func (e *env) slow(length time.Duration) {
	e.t.Helper()
	knobs := e.make.Knobs()
	knobs.RunSeconds = int(length.Seconds())
	if err := e.make.SetKnobs(knobs); err != nil {
		e.t.Fatal(err)
	}
}

// begin calls a tool and returns once the server has taken the call up.
func (e *env) begin(ctx context.Context, session *sdk.ClientSession, params *sdk.CallToolParams) <-chan *sdk.CallToolResult {
	e.t.Helper()
	params.SetProgressToken("run")
	done := make(chan *sdk.CallToolResult, 1)
	go func() {
		res, err := session.CallTool(ctx, params)
		if err != nil {
			res = &sdk.CallToolResult{IsError: true, Content: []sdk.Content{&sdk.TextContent{Text: err.Error()}}}
		}
		done <- res
	}()
	eventually(e.t, e.clock.HasWaiters) // for the next progress notification
	return done
}

// finish lets time pass at Make until the call ends. It looks at a page of Make's for each second, so that a run that is waited for is not
// jumped over.
func (e *env) finish(done <-chan *sdk.CallToolResult) *sdk.CallToolResult {
	e.t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: e.make.CAPool(), MinVersion: tls.VersionTLS12}}}
	for range 10_000 {
		select {
		case res := <-done:
			return res
		default:
		}
		resp, err := client.Get("https://" + e.make.Zone + "/api/v2/ping")
		if err != nil {
			e.t.Fatal(err)
		}
		_ = resp.Body.Close()
		e.make.Advance(time.Second)
	}
	e.t.Fatal("the call does not end")
	return nil
}

// TestLongRunTellsItsExecution: after Make's time limit the caller gets the execution's ID, with which executions_get finds it.
func TestLongRunTellsItsExecution(t *testing.T) {
	for _, tool := range []string{"scenarios_run", lead} {
		t.Run(tool, func(t *testing.T) {
			e := start(t, nil)
			e.slow(30 * time.Minute)
			session := e.connect(agent, "")
			args := map[string]any{"email": "a@b.c", "name": "A"}
			if tool == "scenarios_run" {
				args = map[string]any{"scenarioId": makesim.LeadScenarioID, "data": args}
			}
			done := e.begin(t.Context(), session, &sdk.CallToolParams{Name: tool, Arguments: args})
			res := e.finish(done)
			var run struct {
				ExecutionID, Status, Instruction string
				ScenarioID                       int64
			}
			raw, err := json.Marshal(res.StructuredContent)
			if err == nil {
				err = json.Unmarshal(raw, &run)
			}
			if err != nil || res.IsError || run.Status != "started" || run.ExecutionID == "" || !strings.Contains(run.Instruction, "executions_get") {
				t.Fatalf("error %v, %v: %s", err, res.IsError, raw)
			}
			of := map[string]any{"scenarioId": run.ScenarioID, "executionId": run.ExecutionID}
			if found := e.call(session, "executions_get", of); found.IsError || !strings.Contains(text(found), `"RUNNING"`) {
				t.Errorf("while it runs: %s", text(found))
			}
			e.make.Advance(time.Hour)
			if found := e.call(session, "executions_get", of); found.IsError || !strings.Contains(text(found), run.ExecutionID) {
				t.Errorf("when it has ended: %s", text(found))
			}
		})
	}
}

// TestProgressWhileWaiting: a caller who asks for progress is told at intervals, whatever revision it speaks.
func TestProgressWhileWaiting(t *testing.T) {
	for _, version := range []string{"2026-07-28", "2025-11-25"} {
		t.Run(version, func(t *testing.T) {
			e := start(t, nil)
			e.slow(20 * time.Second)
			var mu sync.Mutex
			var seconds []float64
			session := e.connectAs(agent, version, &sdk.ClientOptions{
				ProgressNotificationHandler: func(_ context.Context, req *sdk.ProgressNotificationClientRequest) {
					mu.Lock()
					defer mu.Unlock()
					seconds = append(seconds, req.Params.Progress)
				},
			})
			params := &sdk.CallToolParams{Name: "scenarios_run", Arguments: map[string]any{
				"scenarioId": makesim.LeadScenarioID, "data": map[string]any{"email": "a@b.c", "name": "A"},
			}}
			done := e.begin(t.Context(), session, params)
			for n := 1; n <= 3; n++ {
				e.clock.Step(5 * time.Second)
				eventually(t, func() bool {
					mu.Lock()
					defer mu.Unlock()
					return len(seconds) == n
				})
			}
			if res := e.finish(done); res.IsError || !strings.Contains(text(res), `"status":"success"`) {
				t.Error(text(res))
			}
			if seconds[0] != 5 || seconds[1] != 10 || seconds[2] != 15 {
				t.Errorf("progress %v", seconds)
			}
		})
	}
}

// TestCancellationStopsTheWait: a caller who leaves is not waited for; the scenario runs on.
func TestCancellationStopsTheWait(t *testing.T) {
	e := start(t, nil)
	e.slow(20 * time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	done := e.begin(ctx, e.connect(agent, ""), &sdk.CallToolParams{Name: lead, Arguments: map[string]any{"email": "a@b.c", "name": "A"}})
	cancel()
	<-done
	eventually(t, func() bool { return strings.Contains(e.audit.String(), `"reason":"canceled"`) })
	if n := e.requests("POST", "/scenarios/501/run"); n > 1 {
		t.Errorf("the run was made %d times", n)
	}
}
