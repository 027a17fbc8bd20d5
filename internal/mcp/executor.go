package mcp

import (
	"context"
	"encoding/json"

	"github.com/makeops/make-operator/internal/audit"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makeapi/catalogue"
)

// executor makes the calls of every tool: those of the catalogue by their own requests, those of scenarios through scenarios_run.
type executor struct {
	api    makeAPI
	owners *owners
	// organizationID and teamID are the tenant; a teamID of zero is every team.
	organizationID, teamID int64
	// scenariosChanged is told when a call may have changed which scenarios there are.
	scenariosChanged func()
}

// fixed are the arguments that name the tenant: they have one value only. What custom properties belong to is always an organization.
func (x *executor) fixed() map[string]int64 {
	fixed := map[string]int64{"organizationId": x.organizationID, "belongerId": x.organizationID}
	if x.teamID != 0 {
		fixed["teamId"] = x.teamID
	}
	return fixed
}

// run makes the call of a tool of the catalogue. args fit its schema.
func (x *executor) run(ctx context.Context, t catalogue.Tool, args map[string]any) (*output, error) {
	wholeNumbers(args)
	if err := x.owners.check(ctx, args); err != nil {
		return nil, err
	}
	scenario := number(args, "scenarioId")
	recordFrom(ctx).Note(func(e *audit.Entry) { e.ScenarioID = scenario })
	answer, err := x.api.CallTool(ctx, t, args)
	if t.Name == executionTool && makeapi.KindOf(err) == makeapi.NotFound { // Make has an execution there only when it has ended
		answer, err = x.api.CallTool(ctx, builtInTool(executionDetailTool), args)
	}
	if t.Scope == scopeScenariosWrite {
		x.scenariosChanged() // also after an error: the call may have been executed
	}
	if err != nil {
		return nil, err
	}
	if t.Name == runTool {
		responsive, given := args["responsive"].(bool)
		return runOutput(ctx, answer, scenario, responsive || !given)
	}
	return outputOf(answer), nil
}

// runScenario runs a scenario that is known to be within the tenant, and waits for its outputs.
func (x *executor) runScenario(ctx context.Context, id int64, data map[string]any) (*output, error) {
	recordFrom(ctx).Note(func(e *audit.Entry) { e.ScenarioID = id })
	args := map[string]any{"scenarioId": id, "responsive": true}
	if len(data) > 0 {
		args["data"] = data
	}
	answer, err := x.api.CallTool(ctx, builtInTool(runTool), args)
	if err != nil {
		return nil, err
	}
	return runOutput(ctx, answer, id, true)
}

// runOutput notes in the audit line what was run. A run that outlasts Make's patience is told by its execution's ID.
func runOutput(ctx context.Context, answer makeapi.Answer, scenario int64, waited bool) (*output, error) {
	run, err := answer.Run()
	if err != nil {
		return nil, err
	}
	recordFrom(ctx).Note(func(e *audit.Entry) { e.ExecutionID = run.ExecutionID })
	out := runResult{ExecutionID: run.ExecutionID, ScenarioID: scenario, Status: string(run.Status), Outputs: run.Outputs, Error: run.Error}
	if waited && run.Status == makeapi.RunStarted {
		out.Instruction = "The scenario is still running. Ask executions_get with this scenarioId and executionId how it ended; do not run it again meanwhile."
	}
	if run.Status == makeapi.RunError {
		return &output{structured: out}, errRunFailed
	}
	return &output{structured: out}, nil
}

// wholeNumbers writes whole numbers without fraction and exponent, as Make wants them in a path.
func wholeNumbers(args map[string]any) {
	for name, value := range args {
		n, ok := value.(json.Number)
		if !ok {
			continue
		}
		if f, err := n.Float64(); err == nil && f == float64(int64(f)) && f >= -maxID && f <= maxID {
			args[name] = int64(f)
		}
	}
}
