package mcp

import (
	"encoding/json"

	"github.com/makeops/make-operator/internal/makeapi"
)

// userResult is the structured content of users_me.
type userResult struct {
	ID              int64   `json:"id"`
	Name            string  `json:"name"`
	Email           string  `json:"email"`
	OrganizationIDs []int64 `json:"organizationIds"`
}

// scenarioListResult is the structured content of scenarios_list.
type scenarioListResult struct {
	Scenarios []scenarioResult `json:"scenarios"`
}

// scenarioResult is a scenario as tools show it, in Make's own words.
type scenarioResult struct {
	ID          int64              `json:"id"`
	Name        string             `json:"name"`
	Description string             `json:"description,omitempty"`
	TeamID      int64              `json:"teamId"`
	IsActive    bool               `json:"isActive"`
	IsPaused    bool               `json:"isPaused"`
	IsInvalid   bool               `json:"isInvalid"`
	Scheduling  makeapi.Scheduling `json:"scheduling"`
	LastEdit    string             `json:"lastEdit,omitempty"`
}

func describe(s makeapi.Scenario) scenarioResult {
	return scenarioResult{
		ID: s.ID, Name: s.Name, Description: s.Description, TeamID: s.TeamID,
		IsActive: s.Active, IsPaused: s.Paused, IsInvalid: s.Invalid,
		Scheduling: s.Scheduling, LastEdit: s.LastEdit,
	}
}

// runResult is the structured content of a run.
type runResult struct {
	ExecutionID string `json:"executionId"`
	// Status is started, success, warning or error.
	Status  string          `json:"status"`
	Outputs json.RawMessage `json:"outputs,omitempty"`
	Error   string          `json:"error,omitempty"`
}
