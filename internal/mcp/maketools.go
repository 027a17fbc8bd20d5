package mcp

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/jsonschema-go/jsonschema"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/makeops/make-operator/internal/audit"
	"github.com/makeops/make-operator/internal/makeapi"
)

// makeTools are the tools that exist whatever scenarios there are. Names, scopes, annotations and arguments follow the
// tools of Make's own SDK (npm @makehq/sdk 1.6.10), so that prompts and skills written for Make's servers work here.
// Two things differ on purpose: scenarios_run has no callbackUrl, which would let a caller send a scenario's outputs to
// any address; and where the server is limited to a team, teamId may be left out and must be that team.
type makeTools struct {
	api    makeAPI
	teamID int64 // zero: any team
}

// build returns all of them; which are offered is for the catalogue to say. Where the server is limited to a team, a
// scenario's team is looked up before it is run, which takes scenarios:read: without that scope there is no scenarios_run.
func (m makeTools) build(mayRead bool) ([]*tool, error) {
	builders := []func() (*tool, error){m.usersMe, m.scenariosList, m.scenariosGet}
	if m.teamID == 0 || mayRead {
		builders = append(builders, m.scenariosRun)
	}
	var tools []*tool
	for _, build := range builders {
		t, err := build()
		if err != nil {
			return nil, fmt.Errorf("build tool: %w", err)
		}
		tools = append(tools, t)
	}
	return tools, nil
}

func (m makeTools) usersMe() (*tool, error) {
	t, err := newTool(sdk.Tool{
		Name:        "users_me",
		Title:       "Get current user",
		Description: "Returns the Make user in whose name this server acts: id, name, e-mail and organizations.",
		Annotations: reads(),
	}, object(nil), "")
	if err != nil {
		return nil, err
	}
	t.run = func(ctx context.Context, _ map[string]any) (any, error) {
		user, err := m.api.Me(ctx)
		if err != nil {
			return nil, err
		}
		return userResult{ID: user.ID, Name: user.Name, Email: user.Email, OrganizationIDs: user.OrganizationIDs}, nil
	}
	return t, nil
}

func (m makeTools) scenariosList() (*tool, error) {
	team, required := whole("ID of the team whose scenarios are listed."), []string{"teamId"}
	if m.teamID != 0 {
		team.Enum = []any{float64(m.teamID)}
		team.Default = json.RawMessage(fmt.Sprint(m.teamID))
		required = nil
	}
	t, err := newTool(sdk.Tool{
		Name:        "scenarios_list",
		Title:       "List scenarios",
		Description: "Lists the scenarios of a Make team with their state and schedule.",
		Annotations: reads(),
	}, object(map[string]*jsonschema.Schema{"teamId": team}, required...), scopeScenariosRead)
	if err != nil {
		return nil, err
	}
	t.run = func(ctx context.Context, args map[string]any) (any, error) {
		teamID := number(args, "teamId")
		if teamID == 0 {
			teamID = m.teamID
		}
		scenarios, err := m.api.Scenarios(ctx, teamID, 0)
		if err != nil {
			return nil, err
		}
		out := scenarioListResult{Scenarios: make([]scenarioResult, 0, len(scenarios))}
		for _, s := range scenarios {
			out.Scenarios = append(out.Scenarios, describe(s))
		}
		return out, nil
	}
	return t, nil
}

func (m makeTools) scenariosGet() (*tool, error) {
	t, err := newTool(sdk.Tool{
		Name:        "scenarios_get",
		Title:       "Get scenario",
		Description: "Returns one Make scenario: name, description, state and schedule.",
		Annotations: reads(),
	}, object(map[string]*jsonschema.Schema{"scenarioId": whole("ID of the scenario.")}, "scenarioId"), scopeScenariosRead)
	if err != nil {
		return nil, err
	}
	t.run = func(ctx context.Context, args map[string]any) (any, error) {
		scenario, err := m.scenario(ctx, number(args, "scenarioId"))
		if err != nil {
			return nil, err
		}
		return struct {
			Scenario scenarioResult `json:"scenario"`
		}{describe(scenario)}, nil
	}
	return t, nil
}

func (m makeTools) scenariosRun() (*tool, error) {
	t, err := newTool(sdk.Tool{
		Name:  "scenarios_run",
		Title: "Run scenario",
		Description: "Runs an active Make scenario with the given input data. Waits up to 40 seconds for its outputs, " +
			"or, with responsive false, returns the execution ID at once.",
		Annotations: changes("Run scenario"),
	}, object(map[string]*jsonschema.Schema{
		"scenarioId": whole("ID of the scenario."),
		"data":       {Type: "object", Description: "Input values by name, as the scenario's interface declares them."},
		"responsive": {Type: "boolean", Default: json.RawMessage("true"), Description: "Wait for the outputs."},
	}, "scenarioId"), scopeScenariosRun)
	if err != nil {
		return nil, err
	}
	t.run = func(ctx context.Context, args map[string]any) (any, error) {
		id := number(args, "scenarioId")
		if m.teamID != 0 {
			if _, err := m.scenario(ctx, id); err != nil {
				return nil, err
			}
		}
		data, _ := args["data"].(map[string]any)
		responsive, given := args["responsive"].(bool)
		return runScenario(ctx, m.api, id, data, responsive || !given)
	}
	return t, nil
}

// scenario reads a scenario and hides those of other teams.
func (m makeTools) scenario(ctx context.Context, id int64) (makeapi.Scenario, error) {
	scenario, err := m.api.Scenario(ctx, id)
	if err != nil {
		return makeapi.Scenario{}, err
	}
	if m.teamID != 0 && scenario.TeamID != m.teamID {
		return makeapi.Scenario{}, &makeapi.Error{Op: "get scenario", Kind: makeapi.NotFound, Reason: "another team's"}
	}
	return scenario, nil
}

// runScenario runs a scenario and notes in the audit line what was run.
func runScenario(ctx context.Context, api makeAPI, id int64, data map[string]any, responsive bool) (any, error) {
	rec := recordFrom(ctx)
	rec.Note(func(e *audit.Entry) { e.ScenarioID = id })
	run, err := api.RunScenario(ctx, id, data, responsive)
	if err != nil {
		return nil, err
	}
	rec.Note(func(e *audit.Entry) { e.ExecutionID = run.ExecutionID })
	out := runResult{ExecutionID: run.ExecutionID, Status: string(run.Status), Outputs: run.Outputs, Error: run.Error}
	if run.Status == makeapi.RunError {
		return out, errRunFailed
	}
	return out, nil
}

// reads annotates a tool that changes nothing at Make.
func reads() *sdk.ToolAnnotations {
	return &sdk.ToolAnnotations{ReadOnlyHint: true, DestructiveHint: new(false), OpenWorldHint: new(false)}
}

// changes annotates a tool that may change anything, within Make and beyond.
func changes(title string) *sdk.ToolAnnotations {
	return &sdk.ToolAnnotations{Title: title, DestructiveHint: new(true), OpenWorldHint: new(true)}
}

// object is the schema of an object with exactly these properties.
func object(properties map[string]*jsonschema.Schema, required ...string) *jsonschema.Schema {
	return &jsonschema.Schema{
		Type:                 "object",
		Properties:           properties,
		Required:             required,
		AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}}, // marshals as false
	}
}

// whole is the schema of an ID: a positive whole number that JSON can carry exactly.
func whole(description string) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "integer", Minimum: new(1.0), Maximum: new(float64(1<<53 - 1)), Description: description}
}
