package makesim

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"time"
)

// responsiveLimit is how long a responsive run is waited for. Source: the API's OpenAPI document.
const responsiveLimit = 40 * time.Second

func (s *Server) runScenario(c *call, sc object) (any, error) {
	body, err := c.fields(may("data", document), may("responsive", boolean), may("callbackUrl", text))
	if err != nil {
		return nil, err
	}
	data, _ := body["data"].(object)
	inputs, err := readInputs(interfaceOf(sc).Input, data)
	if err != nil {
		return nil, err
	}
	callback, _ := body["callbackUrl"].(string)
	if err := checkCallback(callback); err != nil {
		return nil, err
	}
	if err := s.mayStart(c, sc); err != nil {
		return nil, err
	}
	e := s.state.execute(sc, execution{Type: manually, Author: &c.user.ID, Instant: true, Started: c.now, Inputs: inputs})
	back := callbackTo{
		url: callback, scenario: integer(sc["id"]), execution: e.ID,
		statusURL: fmt.Sprintf("https://%s/api/v2/scenarios/%v/executions/%s", c.r.Host, sc["id"], e.ID),
	}
	if body["responsive"] != true {
		s.callBack(back)
		return object{"executionId": e.ID}, nil
	}
	return waiting(func(ctx context.Context) any { return s.respond(ctx, back) }), nil
}

// mayStart refuses a scenario that is inactive or busy.
func (s *Server) mayStart(c *call, sc object) error {
	if sc["isActive"] != true {
		return notAllowedNow("The scenario is not activated.")
	}
	if s.state.busy(integer(sc["id"]), c.now) {
		return notAllowedNow("The scenario is already being executed.")
	}
	return nil
}

// respond waits for a run. The callback is for those that take too long.
func (s *Server) respond(ctx context.Context, back callbackTo) any {
	e, ended := s.awaitExecution(ctx, back.scenario, back.execution, responsiveLimit)
	answer := object{"executionId": back.execution}
	if !ended {
		s.callBack(back)
		return answer
	}
	answer["status"] = strconv.Itoa(int(e.Status))
	maps.Copy(answer, e.result())
	return answer
}

// startScenario activates a scenario. One that runs by itself runs at once, and what waits for a webhook is
// processed.
func (s *Server) startScenario(c *call, sc object) (any, error) {
	if sc["isActive"] != true {
		o, _ := s.state.team(integer(sc["teamId"]))
		if limit := licenseOf(o).activeScenarios; limit > 0 && s.state.activeScenarios(o.Teams...) >= limit {
			return nil, limitExceeded("active scenarios")
		}
		sc["isActive"] = true
		schedule(sc, c.now)
		s.state.runDue(c.now)
		if hook := s.state.tables.of(hookKind).find(sc["hookId"]); hook != nil {
			s.state.drain(hook, sc, c.now)
		}
	}
	return activation(sc), nil
}

// stopScenario deactivates a scenario and stops what runs.
func (s *Server) stopScenario(c *call, sc object) (any, error) {
	sc["isActive"] = false
	delete(sc, "_next")
	for _, row := range s.state.tables.of(executionsOf(integer(sc["id"]))).Rows {
		var e execution
		if decodeRow(row, &e); e.running(c.now) {
			e.stop(row, c.now)
		}
	}
	return activation(sc), nil
}

func activation(sc object) object {
	return object{"scenario": object{"id": sc["id"], "isActive": sc["isActive"], "islinked": sc["isActive"]}}
}
