package makesim

import (
	"cmp"
	"fmt"
	"time"
)

// Scenario is something that can be run.
type Scenario struct {
	ID          int64      `json:"id"`
	TeamID      int64      `json:"teamID"`
	Name        string     `json:"name"`
	Description string     `json:"description,omitempty"`
	Active      bool       `json:"active"`
	Scheduling  Scheduling `json:"scheduling"`
	Interface   Interface  `json:"interface"`
	// Outputs is what a run answers. A text "{{var.input.NAME}}" is replaced by that input.
	Outputs map[string]any `json:"outputs,omitempty"`
	// RunSeconds is how long a run takes on the simulator's clock; zero means no time.
	RunSeconds int `json:"runSeconds,omitempty"`
	// Failure is how every run ends; its zero value means well.
	Failure Failure `json:"failure,omitzero"`
	// KeepIncomplete keeps runs that failed as incomplete executions.
	KeepIncomplete bool `json:"keepIncomplete,omitempty"`
	// FolderID is zero for none. HookID is the webhook that starts the scenario, zero for none.
	FolderID int64 `json:"folderID,omitempty"`
	HookID   int64 `json:"hookID,omitempty"`
	// CustomProperties are values for the custom properties of the organization.
	CustomProperties map[string]any `json:"customProperties,omitempty"`
}

// Failure is how a run ends other than well.
type Failure struct {
	// Name is the kind of error; empty means RuntimeError.
	Name string `json:"name,omitempty"`
	// Message says what went wrong; without it there is no failure.
	Message string `json:"message"`
	// Warning ends the run with a warning in place of an error.
	Warning bool `json:"warning,omitempty"`
}

// Scheduling says when a scenario runs.
type Scheduling struct {
	// Type is immediately, indefinitely, once, daily, weekly, monthly, yearly or on-demand.
	Type string `json:"type"`
	// Interval is in seconds, for indefinitely; zero means 900.
	Interval int `json:"interval,omitempty"`
	// Time is the hour and minute for daily, weekly, monthly and yearly, Date the date and time for once.
	Time string `json:"time,omitempty"`
	Date string `json:"date,omitempty"`
}

// Interface is what a scenario takes and gives; an absent list is null on the wire.
type Interface struct {
	Input  []Field `json:"input"`
	Output []Field `json:"output"`
}

// Field is one input or output of a scenario.
type Field struct {
	Name string `json:"name"`
	// Type is text, number, boolean, date, json, select, collection or array.
	Type      string `json:"type"`
	Label     string `json:"label,omitempty"`
	Help      string `json:"help,omitempty"`
	Default   any    `json:"default"`
	Required  bool   `json:"required"`
	Multiline bool   `json:"multiline,omitempty"`
	// Options are the values that a select accepts, alone or as objects with label and value.
	Options []any `json:"options,omitempty"`
	// Spec describes what is inside: a list of fields for a collection or for each element of an array, or one
	// field without a name for the elements of an array.
	Spec any `json:"spec,omitempty"`
}

// seedScenarios adds scenarios like the requests that create them would.
func (st *state) seedScenarios(seeded []Scenario, now time.Time) error {
	for i, sc := range seeded {
		c := &call{now: now, user: st.firstUser(ofTeam, sc.TeamID)}
		if _, err := scenarioResource().add(st, c, sc.row()); err != nil {
			return fmt.Errorf("scenarios[%d]: %w", i, err)
		}
	}
	return nil
}

// row is the body of a creation, and what only seeds can give.
func (sc Scenario) row() object {
	if sc.Scheduling.Type == "indefinitely" {
		sc.Scheduling.Interval = cmp.Or(sc.Scheduling.Interval, 900)
	}
	row := object{
		"id": sc.ID, "teamId": sc.TeamID, "description": sc.Description, "isActive": sc.Active, "folderId": nullable(sc.FolderID),
		"blueprint": encode(sc.blueprint()), "scheduling": encode(sc.Scheduling),
		"metadata":    object{"input_spec": sc.Interface.Input, "output_spec": sc.Interface.Output},
		"_runSeconds": sc.RunSeconds, "_failure": sc.Failure,
	}
	if sc.CustomProperties != nil {
		row["_properties"] = sc.CustomProperties
	}
	return plain(row)
}

// blueprint is a program that does what the seed says: a trigger, one step, and the outputs.
func (sc Scenario) blueprint() object {
	trigger := object{"id": 1, "module": "util:SetVariables", "version": 1, "parameters": object{}, "mapper": object{}}
	switch {
	case sc.HookID != 0:
		trigger["module"], trigger["parameters"] = "gateway:CustomWebHook", object{"hook": sc.HookID, "maxResults": 1}
	case sc.Scheduling.Type == "on-demand":
		trigger["module"] = "scenario-service:StartSubscenario"
	}
	flow := []object{trigger, {
		"id": 2, "module": "http:ActionSendData", "version": 3, "parameters": object{"handleErrors": true},
		"mapper": object{"url": "https://example.com/", "method": "post"},
	}}
	if sc.Outputs != nil {
		flow = append(flow, object{"id": 3, "module": returnModule, "version": 1, "parameters": object{}, "mapper": sc.Outputs})
	}
	return object{"name": sc.Name, "flow": flow, "metadata": object{
		"version": 1, "instant": sc.HookID != 0, "designer": object{"orphans": []any{}},
		"scenario": object{
			"roundtrips": 1, "maxErrors": 3, "autoCommit": true, "autoCommitTriggerLast": true, "sequential": false,
			"confidential": false, "dataloss": false, "dlq": sc.KeepIncomplete, "freshVariables": false,
		},
	}}
}
