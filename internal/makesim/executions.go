package makesim

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// execution is one run of a scenario, kept as a row of the scenario's own table.
type execution struct {
	ID string `json:"id"`
	// Type is how it was started.
	Type    startedBy `json:"type"`
	Author  *int64    `json:"author"` // nil: nobody, it runs by itself
	Instant bool      `json:"instant"`
	Started time.Time `json:"started"`
	// Ends is when the run ends or ended on the simulator's clock; how it ends is decided when it starts.
	Ends    time.Time `json:"ends"`
	Status  status    `json:"status"`
	Inputs  object    `json:"inputs"`
	Outputs object    `json:"outputs"`
	Error   *runError `json:"error"`
}

type startedBy string

const (
	manually      startedBy = "manual" // by somebody, also through the API
	automatically startedBy = "auto"   // by schedule or webhook
)

// status is how a run ended. Source: the API's OpenAPI document.
type status int

const (
	succeeded status = 1
	warned    status = 2
	failed    status = 3
)

// String is the name in the detail of an execution.
func (s status) String() string { return [...]string{"", "SUCCESS", "WARNING", "ERROR"}[s] }

// runError is what went wrong in a run.
type runError struct {
	Name        string       `json:"name"`
	Message     string       `json:"message"`
	CauseModule *causeModule `json:"causeModule,omitempty"`
}

type causeModule struct {
	Name    string `json:"name"`
	AppName string `json:"appName"`
}

func (e execution) running(now time.Time) bool { return now.Before(e.Ends) }

// keptExecutions is how many runs of a scenario, and of an incomplete execution, are remembered.
const keptExecutions = 500

func executionsOf(scenario int64) string { return fmt.Sprintf("executions/%d", scenario) }

// executions are those of a scenario, oldest first.
func (st *state) executions(scenario int64) []execution {
	return readExecutions(st.tables[executionsOf(scenario)])
}

func readExecutions(t *table) []execution {
	if t == nil {
		return nil
	}
	all := make([]execution, len(t.Rows))
	for i, row := range t.Rows {
		decodeRow(row, &all[i])
	}
	return all
}

// consumed is what the remembered runs of a scenario used: one operation each.
func (st *state) consumed(scenario int64) (operations, transfer int) {
	if t := st.tables[executionsOf(scenario)]; t != nil {
		operations = len(t.Rows)
	}
	return operations, 0
}

// busy tells whether a run of the scenario is under way.
func (st *state) busy(scenario int64, now time.Time) bool {
	t := st.tables[executionsOf(scenario)]
	return t != nil && slices.ContainsFunc(t.Rows, func(row object) bool { return now.Before(moment(row["ends"])) })
}

// execute runs a scenario. The caller says when, how and with what it starts.
func (st *state) execute(sc object, e execution) execution {
	seconds := cmp.Or(int64(st.knobs.RunSeconds), integer(sc["_runSeconds"]))
	e.Ends = e.Started.Add(time.Duration(seconds) * time.Second)
	b := blueprintOf(sc)
	e.Status, e.Error = st.failure(sc, b)
	if e.Error == nil {
		returned, _ := b.find(returnModule)
		e.Outputs = fillOutputs(returned.Mapper, e.Inputs)
	}
	e = st.tables.of(executionsOf(integer(sc["id"]))).addExecution(executionsOf(integer(sc["id"])), e)
	if e.Status == failed && b.Metadata.Scenario.KeepIncomplete {
		st.keepIncomplete(sc, b, e)
	}
	return e
}

// addExecution gives a run its identifier and forgets the oldest ones.
func (t *table) addExecution(kind string, e execution) execution {
	e.ID = drawText(kind, t.number())
	t.add(plain(e))
	t.Rows = t.Rows[max(0, len(t.Rows)-keptExecutions):]
	return e
}

// failure is how a run that starts now will end other than well; nil if it will succeed.
func (st *state) failure(sc object, b blueprint) (status, *runError) {
	var f Failure
	decodeRow(sc["_failure"], &f)
	if st.knobs.RunFails != "" {
		f = Failure{Message: st.knobs.RunFails}
	}
	if f.Message == "" {
		return succeeded, nil
	}
	app, name, _ := strings.Cut(b.failing().Module, ":")
	problem := &runError{
		Name: cmp.Or(f.Name, "RuntimeError"), Message: f.Message, CauseModule: &causeModule{Name: name, AppName: app},
	}
	if f.Warning {
		return warned, problem
	}
	return failed, problem
}

// caughtUpRuns is how many runs that nobody looked at are made up for at most.
const caughtUpRuns = 20

// runDue starts the scenarios that run by themselves, as often as they were due since the last time.
func (st *state) runDue(now time.Time) {
	for _, sc := range st.tables.of(scenarioKind).Rows {
		every := interval(sc)
		next := moment(sc["_next"])
		if sc["isActive"] != true || every == 0 || next.IsZero() || next.After(now) {
			continue
		}
		if missed := now.Sub(next) / every; missed > caughtUpRuns {
			next = next.Add((missed - caughtUpRuns) * every)
		}
		for ; !next.After(now); next = next.Add(every) {
			st.runBySchedule(sc, next)
		}
		sc["_next"] = next.Format(timeLayout)
	}
}

// runBySchedule runs a scenario once, or once for each item in the queue of its webhook.
func (st *state) runBySchedule(sc object, at time.Time) {
	if hook := st.tables.of(hookKind).find(sc["hookId"]); hook != nil {
		st.drain(hook, sc, at)
		return
	}
	st.execute(sc, execution{Type: automatically, Started: at})
}

// executionRoutes run scenarios and find the runs again.
func (s *Server) executionRoutes() []route {
	scenarios := s.serving(scenarioResource())
	// Runs do not count against the budget. Source: Make's page on rate limiting.
	run := scenarios.on("POST", "/run", "scenarios:run", "scenario start", s.runScenario)
	run.exempt = true
	return s.caughtUp([]route{
		run,
		scenarios.on("POST", "/replay", "scenarios:run", "scenario start", s.replayExecution),
		scenarios.on("POST", "/executions/{executionId}/stop", "scenarios:run", "scenario stop", s.stopExecution),
		scenarios.on("GET", "/executions/{executionId}", "scenarios:read", "scenario logs get", s.getExecution),
		scenarios.on("GET", "/logs", "scenarios:read", "scenario logs get", s.listLogs),
		scenarios.on("GET", "/logs/{executionId}", "scenarios:read", "scenario logs get", s.getLog),
	})
}

// findExecution is the run that the path names.
func (s *Server) findExecution(c *call, sc object) (e execution, row object, err error) {
	row = s.state.tables.of(executionsOf(integer(sc["id"]))).find(c.r.PathValue("executionId"))
	if row == nil {
		return e, nil, notFound()
	}
	decodeRow(row, &e)
	return e, row, nil
}

// getExecution leaves out outputs that are larger than maxBytes.
func (s *Server) getExecution(c *call, sc object) (any, error) {
	e, _, err := s.findExecution(c, sc)
	if err != nil {
		return nil, err
	}
	most, err := pageNumber(c.query(), "maxBytes", maxBody)
	if err != nil {
		return nil, err
	}
	if e.running(c.now) {
		return object{"status": "RUNNING"}, nil
	}
	detail := object{"status": e.Status.String()}
	maps.Copy(detail, e.result())
	if len(encode(e.Outputs)) > most {
		delete(detail, "outputs")
	}
	return detail, nil
}

// result are the outputs or the error.
func (e execution) result() object {
	if e.Error != nil {
		return object{"error": e.Error}
	}
	return object{"outputs": e.Outputs}
}

func (s *Server) stopExecution(c *call, sc object) (any, error) {
	if _, err := c.fields(may("force", boolean)); err != nil {
		return nil, err
	}
	e, row, err := s.findExecution(c, sc)
	if err != nil {
		return nil, err
	}
	if !e.running(c.now) {
		return nil, notAllowedNow("The execution is not running.")
	}
	e.stop(row, c.now)
	return object{}, nil
}

// stop ends a run in its row.
func (e execution) stop(row object, now time.Time) {
	e.Ends, e.Status, e.Outputs = now, failed, nil
	e.Error = &runError{Name: "ExecutionInterruptedError", Message: "The scenario execution was stopped."}
	maps.Copy(row, plain(e))
}

// replayExecution runs a scenario again with the inputs of an earlier run, the first that is named.
func (s *Server) replayExecution(c *call, sc object) (any, error) {
	body, err := c.fields(must("executionIds", list))
	if err != nil {
		return nil, err
	}
	ids := texts(body["executionIds"])
	if len(ids) == 0 {
		return nil, badRequest(missing("executionIds"))
	}
	row := s.state.tables.of(executionsOf(integer(sc["id"]))).find(ids[0])
	if row == nil {
		return nil, notFound()
	}
	if err := s.mayStart(c, sc); err != nil {
		return nil, err
	}
	var e execution
	decodeRow(row, &e)
	s.state.execute(sc, execution{Type: manually, Author: &c.user.ID, Instant: true, Started: c.now, Inputs: e.Inputs})
	return reply{status: 202}, nil
}

// awaitExecution waits on the simulator's clock, which has no alarm, so it looks often. ended is false when the
// limit passed, the caller is gone or the run was forgotten.
func (s *Server) awaitExecution(ctx context.Context, scenario int64, id string, limit time.Duration) (e execution, ended bool) {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		found, now := s.lookAt(scenario, id)
		switch {
		case found == nil:
			return e, false
		case !found.running(now):
			return *found, true
		case now.Sub(found.Started) >= limit:
			return *found, false
		}
		select {
		case <-ctx.Done():
			return *found, false
		case <-look.C:
		}
	}
}

func (s *Server) lookAt(scenario int64, id string) (*execution, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row := s.state.tables.of(executionsOf(scenario)).find(id)
	if row == nil {
		return nil, s.now()
	}
	e := &execution{}
	decodeRow(row, e)
	return e, s.now()
}
