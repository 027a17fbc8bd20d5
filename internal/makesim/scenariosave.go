package makesim

import (
	"encoding/json"
	"time"
)

// savedScenario is a scenario in the form that it has in a state file.
type savedScenario struct {
	Scenario   Scenario         `json:"scenario"`
	Created    time.Time        `json:"created"`
	Executions []savedExecution `json:"executions"`
}

type savedExecution struct {
	ID      string         `json:"id"`
	Author  int64          `json:"author"`
	Started time.Time      `json:"started"`
	Ends    time.Time      `json:"ends"`
	Outputs map[string]any `json:"outputs"`
}

// MarshalJSON is for state files; clients get scenarioObject.
func (sc *scenario) MarshalJSON() ([]byte, error) {
	saved := savedScenario{Scenario: sc.Scenario, Created: sc.created}
	for _, e := range sc.executions {
		saved.Executions = append(saved.Executions, savedExecution{e.id, e.author, e.started, e.ends, e.outputs})
	}
	return json.Marshal(saved)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (sc *scenario) UnmarshalJSON(data []byte) error {
	var saved savedScenario
	if err := json.Unmarshal(data, &saved); err != nil {
		return err
	}
	*sc = scenario{Scenario: saved.Scenario, created: saved.Created}
	for _, e := range saved.Executions {
		sc.executions = append(sc.executions, &execution{e.ID, e.Author, e.Started, e.Ends, e.Outputs})
	}
	return nil
}
