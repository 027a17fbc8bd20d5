package makesim

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// responsiveLimit is how long a responsive run is waited for. Source: the API's OpenAPI document.
const responsiveLimit = 40 * time.Second

// execution is one run of a scenario.
type execution struct {
	id      string
	author  int64
	started time.Time
	ends    time.Time
	outputs map[string]any
}

func (e *execution) running(now time.Time) bool { return now.Before(e.ends) }

// executionRoutes find a run again.
func (s *Server) executionRoutes() []route {
	read := []string{"scenarios:read"}
	return []route{
		{pattern: "GET /api/v2/scenarios/{scenarioId}/executions/{executionId}", scopes: read, do: s.getExecution},
		{pattern: "GET /api/v2/scenarios/{scenarioId}/logs", scopes: read, do: s.listLogs},
		{pattern: "GET /api/v2/scenarios/{scenarioId}/logs/{executionId}", scopes: read, do: s.getLog},
	}
}

func (s *Server) runScenario(c *call) (any, error) {
	sc, role, err := s.reachable(c)
	if err != nil {
		return nil, err
	}
	if !mayRun(role) {
		return nil, insufficientRights()
	}
	var body struct {
		Data       map[string]any `json:"data"`
		Responsive bool           `json:"responsive"`
	}
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	inputs, err := readInputs(sc.Interface.Input, body.Data)
	if err != nil {
		return nil, err
	}
	if !sc.Active {
		return nil, notAllowedNow("The scenario is not activated.")
	}
	if n := len(sc.executions); n > 0 && sc.executions[n-1].running(c.now) {
		return nil, notAllowedNow("The scenario is already being executed.")
	}
	e := s.execute(c, sc, inputs)
	if !body.Responsive {
		return object{"executionId": e.id}, nil
	}
	return waiting(func(ctx context.Context) any { return s.awaitExecution(ctx, e) }), nil
}

func (s *Server) execute(c *call, sc *scenario, inputs map[string]any) *execution {
	seconds := sc.RunSeconds
	if s.state.knobs.RunSeconds > 0 {
		seconds = s.state.knobs.RunSeconds
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails, see crypto/rand
	e := &execution{
		id: hex.EncodeToString(id), author: c.user.ID, started: c.now,
		ends: c.now.Add(time.Duration(seconds) * time.Second), outputs: fillOutputs(sc.Outputs, inputs),
	}
	sc.executions = append(sc.executions, e)
	return e
}

// awaitExecution waits on the simulator's clock, which has no alarm, so it looks often.
func (s *Server) awaitExecution(ctx context.Context, e *execution) any {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		now := s.Now()
		if !e.running(now) {
			return object{"executionId": e.id, "status": "1", "outputs": e.outputs}
		}
		if now.Sub(e.started) >= responsiveLimit {
			return object{"executionId": e.id}
		}
		select {
		case <-ctx.Done():
			return object{"executionId": e.id} // the client is gone, the run goes on
		case <-look.C:
		}
	}
}

// readInputs checks the inputs against the interface and fills in defaults.
func readInputs(fields []Field, data map[string]any) (map[string]any, error) {
	inputs := maps.Clone(data)
	if inputs == nil {
		inputs = map[string]any{}
	}
	var problems []string
	for _, f := range fields {
		value := inputs[f.Name]
		if value == nil {
			value = f.Default
			inputs[f.Name] = value
		}
		switch {
		case value == nil && f.Required:
			problems = append(problems, missing(f.Name))
		case value != nil && !f.accepts(value):
			problems = append(problems, fmt.Sprintf("Invalid %s in parameter '%s'.", f.Type, f.Name))
		}
	}
	if len(problems) > 0 {
		return nil, badRequest(problems...)
	}
	return inputs, nil
}

// accepts checks a JSON value against the field's type. Dates and JSON travel as text.
func (f Field) accepts(value any) bool {
	switch v := value.(type) {
	case string:
		if f.Type == "select" {
			return len(f.Options) == 0 || slices.Contains(f.Options, v)
		}
		return f.Type == "text" || f.Type == "date" || f.Type == "json"
	case float64:
		return f.Type == "number"
	case bool:
		return f.Type == "boolean"
	case map[string]any:
		return f.Type == "collection"
	case []any:
		return f.Type == "array"
	}
	return false
}

// fillOutputs replaces each text "{{var.input.NAME}}" by that input.
func fillOutputs(outputs, inputs map[string]any) map[string]any {
	filled := map[string]any{}
	for name, value := range outputs {
		if text, ok := value.(string); ok {
			inner, isInput := strings.CutPrefix(text, "{{var.input.")
			input, closed := strings.CutSuffix(inner, "}}")
			if isInput && closed {
				value = inputs[input]
			}
		}
		filled[name] = value
	}
	return filled
}

func (s *Server) findExecution(c *call) (*scenario, *execution, error) {
	sc, _, err := s.reachable(c)
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(sc.executions, func(e *execution) bool { return e.id == c.r.PathValue("executionId") })
	if i < 0 {
		return nil, nil, notFound()
	}
	return sc, sc.executions[i], nil
}

func (s *Server) getExecution(c *call) (any, error) {
	_, e, err := s.findExecution(c)
	if err != nil {
		return nil, err
	}
	if e.running(c.now) {
		return object{"status": "RUNNING"}, nil
	}
	return object{"status": "SUCCESS", "outputs": e.outputs}, nil
}

// listLogs answers newest first, runs that have ended only.
func (s *Server) listLogs(c *call) (any, error) {
	sc, _, err := s.reachable(c)
	if err != nil {
		return nil, err
	}
	rows := []object{}
	for _, e := range slices.Backward(sc.executions) {
		if !e.running(c.now) {
			rows = append(rows, s.logObject(sc, e))
		}
	}
	return object{"scenarioLogs": rows, "pg": object{"limit": defaultLimit, "sortDir": "desc"}}, nil
}

func (s *Server) getLog(c *call) (any, error) {
	sc, e, err := s.findExecution(c)
	if err != nil {
		return nil, err
	}
	if e.running(c.now) {
		return nil, notFound()
	}
	return object{"scenarioLog": s.logObject(sc, e)}, nil
}

func (s *Server) logObject(sc *scenario, e *execution) object {
	o, _ := s.state.team(sc.TeamID)
	return object{
		"imtId": e.id, "id": e.id, "type": "manual", "status": 1, "duration": e.ends.Sub(e.started).Milliseconds(),
		"operations": 1, "centicredits": 100, "transfer": 0, "organizationId": o.ID, "teamId": sc.TeamID,
		"authorId": e.author, "instant": true, "timestamp": e.started.Format(timeLayout),
	}
}
