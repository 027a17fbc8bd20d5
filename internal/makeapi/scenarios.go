package makeapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// runTimeout is the deadline of a responsive run: Make itself waits up to 40 s.
const runTimeout = 55 * time.Second

// OnDemand is the Scheduling.Type of scenarios that run only when asked.
const OnDemand = "on-demand"

// Scenario is an automation as the lists show it.
type Scenario struct {
	// ID is unique within the zone.
	ID int64 `json:"id"`
	// Name and Description are for people; Description may be "".
	Name        string `json:"name"`
	Description string `json:"description"`
	// TeamID is the team that the scenario belongs to.
	TeamID int64 `json:"teamId"`
	// Active scenarios run; an inactive one refuses to.
	Active bool `json:"isActive"`
	// Paused is set by Make when an account is out of quota.
	Paused bool `json:"isPaused"`
	// Invalid scenarios have a module that is not configured.
	Invalid bool `json:"isinvalid"`
	// Scheduling says what starts the scenario.
	Scheduling Scheduling `json:"scheduling"`
	// LastEdit is Make's time stamp (ISO 8601); "" when it names none.
	LastEdit string `json:"lastEdit"`
}

// Scheduling says what starts a scenario.
type Scheduling struct {
	// Type is one of immediately, indefinitely, once, daily, weekly, monthly, yearly, on-demand.
	Type string `json:"type"`
	// Interval is in seconds; zero where the type has none.
	Interval int `json:"interval,omitempty"`
}

// Scenarios lists the scenarios of a team or, where teamID is zero, of an
// organization. It needs scenarios:read.
// Source: GET /scenarios, which takes only one of the two.
func (z *Zone) Scenarios(ctx context.Context, teamID, organizationID int64) ([]Scenario, error) {
	query := url.Values{"teamId": {strconv.FormatInt(teamID, 10)}}
	if teamID == 0 {
		query = url.Values{"organizationId": {strconv.FormatInt(organizationID, 10)}}
	}
	var all []Scenario
	r := request{op: "list scenarios", method: http.MethodGet, path: "/scenarios", query: query, scope: "scenarios:read"}
	err := z.list(ctx, r, func(raw []byte) (int, error) {
		var got struct {
			Scenarios []Scenario `json:"scenarios"`
		}
		err := json.Unmarshal(raw, &got)
		all = append(all, got.Scenarios...)
		return len(got.Scenarios), err
	})
	return all, err
}

// maxFirst is the largest page that FirstScenarios asks for. Source: Make's own MCP server asks for as many.
const maxFirst = 1000

// FirstScenarios is Scenarios with a single call: the first thousand scenarios, or fewer where Make caps a page below that. more reports
// that there may be others.
// Source: npm @makehq/mcp-server 0.5.0 (pg[limit]=1000).
func (z *Zone) FirstScenarios(ctx context.Context, teamID, organizationID int64) (first []Scenario, more bool, err error) {
	query := url.Values{"teamId": {strconv.FormatInt(teamID, 10)}, "pg[limit]": {strconv.Itoa(maxFirst)}}
	if teamID == 0 {
		query = url.Values{"organizationId": {strconv.FormatInt(organizationID, 10)}, "pg[limit]": query["pg[limit]"]}
	}
	var got struct {
		Scenarios []Scenario `json:"scenarios"`
		page
	}
	r := request{op: "list scenarios", method: http.MethodGet, path: "/scenarios", query: query, scope: "scenarios:read"}
	if err := z.call(ctx, r, &got); err != nil {
		return nil, false, err
	}
	full := maxFirst
	if got.Pg.Limit > 0 {
		full = min(full, got.Pg.Limit)
	}
	return got.Scenarios, len(got.Scenarios) >= full, nil
}

// Scenario reads one scenario. It needs scenarios:read.
// Source: GET /scenarios/{id}.
func (z *Zone) Scenario(ctx context.Context, id int64) (Scenario, error) {
	var got struct {
		Scenario Scenario `json:"scenario"`
	}
	r := request{op: "get scenario", method: http.MethodGet, path: scenarioPath(id), scope: "scenarios:read"}
	err := z.call(ctx, r, &got)
	return got.Scenario, err
}

// Run is the outcome of a scenario run.
type Run struct {
	// ExecutionID names the run in the scenario's logs.
	ExecutionID string
	// Status is RunStarted unless the call waited for the end.
	Status RunStatus
	// Outputs are the scenario's outputs as JSON; nil when it has none or was not waited for.
	Outputs json.RawMessage
	// Error is what the scenario failed with, in its own words; "" otherwise.
	Error string
}

// RunStatus is how far a run came.
type RunStatus string

// How far a run came. Source: POST /scenarios/{id}/run answers "1", "2" or "3".
const (
	RunStarted RunStatus = "started"
	RunSuccess RunStatus = "success"
	RunWarning RunStatus = "warning"
	RunError   RunStatus = "error"
)

// RunScenario starts an active scenario with data as its inputs (nil = none) and,
// if responsive, waits for its end, up to 40 s. It needs scenarios:run. A run that
// failed is a Run with Status RunError, not an error; after UnknownOutcome the
// scenario may be running.
// Make does not count it against the organization's limit.
// Sources: POST /scenarios/{id}/run; developers.make.com/api-documentation/rate-limiting.
func (z *Zone) RunScenario(ctx context.Context, id int64, data map[string]any, responsive bool) (Run, error) {
	body := struct {
		Data       map[string]any `json:"data,omitempty"`
		Responsive bool           `json:"responsive"`
	}{data, responsive}
	var got json.RawMessage
	r := request{
		op: "run scenario", method: http.MethodPost, path: scenarioPath(id) + "/run",
		body: body, scope: "scenarios:run", once: true, free: true, wait: runTimeout,
	}
	if err := z.call(ctx, r, &got); err != nil {
		return Run{}, err
	}
	return parseRun(got)
}

// parseRun reads the answer to a run.
func parseRun(raw []byte) (Run, error) {
	var got struct {
		ExecutionID string          `json:"executionId"`
		Status      json.RawMessage `json:"status"`
		Outputs     json.RawMessage `json:"outputs"`
		Error       struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		return Run{}, &Error{Op: "run scenario", Kind: UnknownOutcome, Reason: "answer not understood"}
	}
	run := Run{ExecutionID: got.ExecutionID, Status: runStatus(got.Status), Error: got.Error.Message}
	if string(got.Outputs) != "null" {
		run.Outputs = got.Outputs
	}
	return run, nil
}

// runStatus reads a status that is documented as a digit in a string.
func runStatus(raw json.RawMessage) RunStatus {
	switch string(raw) {
	case `"1"`, `1`:
		return RunSuccess
	case `"2"`, `2`:
		return RunWarning
	case `"3"`, `3`:
		return RunError
	default:
		return RunStarted
	}
}

func scenarioPath(id int64) string { return "/scenarios/" + strconv.FormatInt(id, 10) }
