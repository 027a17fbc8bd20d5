package mcp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"
	"k8s.io/utils/clock"

	"github.com/makeops/make-operator/internal/makeapi"
)

const (
	// scenarioAge is how old the list of scenarios may be when a caller lists tools.
	scenarioAge = time.Minute
	// scenarioRetry is the least time between two attempts to read it, unless Make asks for more.
	scenarioRetry = 5 * time.Second
	// scenarioTimeout bounds one refresh.
	scenarioTimeout = 20 * time.Second
	// maxScenarioTools bounds the list of tools; scenarios with lower IDs come first.
	maxScenarioTools = 500
	// interfaceCalls bounds the interface calls of one refresh, so that a refresh fits the smallest plan's budget of 30
	// calls a minute. Scenarios that have to wait are offered without a description of their inputs until then.
	interfaceCalls = 20
	// interfaceParallel is how many of them run at once.
	interfaceParallel = 4
)

// scenarioTools offers each active on-demand scenario as a tool. It reads on demand only: an idle server makes no call.
// One refresh is one listing and an interface call for each scenario that is new or was edited. While Make cannot be
// reached the tools of before stay.
type scenarioTools struct {
	api            makeAPI
	executor       *executor
	organizationID int64
	teamID         int64 // zero: all teams of the organization
	clock          clock.PassiveClock
	log            *slog.Logger
	metrics        *metrics
	flight         singleflight.Group

	mu        sync.Mutex
	snapshot  *snapshot // nil: never read
	notBefore time.Time // no attempt earlier than this
}

// snapshot is the tools as they were at one moment. It is never changed.
type snapshot struct {
	read  time.Time
	tools []*tool // by ascending scenario ID
	byID  map[int64]*tool
	faces map[int64]face
}

// face is a scenario's interface as of an edit.
type face struct {
	lastEdit string
	inputs   []makeapi.Parameter
}

// list returns the tools, at most scenarioAge old; fresh is false when they are older or missing.
func (s *scenarioTools) list(ctx context.Context) (tools []*tool, fresh bool) {
	at := s.current()
	if s.old(at) {
		_ = s.refresh(ctx) // logged; the tools of before serve
		at = s.current()
	}
	if at == nil {
		return nil, false
	}
	return at.tools, !s.old(at)
}

// find returns the tool of a scenario, nil when the scenario has none. A known scenario is never waited for: when its
// tool is old, it is refreshed behind the caller's back.
func (s *scenarioTools) find(ctx context.Context, id int64) (*tool, error) {
	at := s.current()
	if at != nil && at.byID[id] != nil {
		if s.old(at) {
			s.start(ctx)
		}
		return at.byID[id], nil
	}
	if !s.old(at) {
		return nil, nil
	}
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	if at = s.current(); at == nil {
		return nil, &makeapi.Error{Op: "list scenarios", Kind: makeapi.Transient, RetryAfter: scenarioRetry}
	}
	return at.byID[id], nil
}

// changed makes the next look at the scenarios ask Make again: a caller of this server may have edited them.
func (s *scenarioTools) changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.snapshot != nil {
		next := *s.snapshot
		next.read = time.Time{}
		s.snapshot = &next
	}
}

func (s *scenarioTools) current() *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.snapshot
}

func (s *scenarioTools) old(at *snapshot) bool {
	return at == nil || s.clock.Since(at.read) >= scenarioAge
}

// start begins a refresh unless one is under way or it is too early. The refresh serves all who wait, so it outlives the
// request that started it.
func (s *scenarioTools) start(ctx context.Context) <-chan singleflight.Result {
	return s.flight.DoChan("", func() (any, error) {
		s.mu.Lock()
		old, early := s.snapshot, s.clock.Now().Before(s.notBefore)
		s.mu.Unlock()
		if early || !s.old(old) {
			return nil, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), scenarioTimeout)
		defer cancel()
		next, err := s.read(ctx, old)
		s.keep(next, err)
		return nil, err
	})
}

func (s *scenarioTools) refresh(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case result := <-s.start(ctx):
		return result.Err
	}
}

// keep stores a new snapshot, or sets the time of the next attempt.
func (s *scenarioTools) keep(next *snapshot, err error) {
	s.metrics.refreshed(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.snapshot = next
		return
	}
	wait := scenarioRetry
	if failed, ok := errors.AsType[*makeapi.Error](err); ok {
		wait = max(wait, failed.RetryAfter)
	}
	s.notBefore = s.clock.Now().Add(wait)
	s.log.Warn("scenarios were not refreshed", "error", err, "retryAfter", wait.String())
}

func (s *scenarioTools) read(ctx context.Context, old *snapshot) (*snapshot, error) {
	scenarios, more, err := s.api.FirstScenarios(ctx, s.teamID, s.organizationID)
	if err != nil {
		return nil, fmt.Errorf("read scenarios: %w", err)
	}
	if more {
		s.log.Warn("too many scenarios for one listing, those beyond it are not offered as tools", "read", len(scenarios))
	}
	scenarios = slices.DeleteFunc(scenarios, func(sc makeapi.Scenario) bool {
		return !sc.Active || sc.Scheduling.Type != "on-demand" || sc.ID <= 0 || (s.teamID != 0 && sc.TeamID != s.teamID)
	})
	slices.SortFunc(scenarios, func(a, b makeapi.Scenario) int { return cmp.Compare(a.ID, b.ID) })
	scenarios = slices.CompactFunc(scenarios, func(a, b makeapi.Scenario) bool { return a.ID == b.ID })
	if len(scenarios) > maxScenarioTools {
		s.log.Warn("too many on-demand scenarios, some are not offered as tools", "scenarios", len(scenarios), "offered", maxScenarioTools)
		scenarios = scenarios[:maxScenarioTools]
	}
	next := &snapshot{read: s.clock.Now(), byID: make(map[int64]*tool, len(scenarios)), faces: s.readFaces(ctx, scenarios, old)}
	for _, sc := range scenarios {
		known, ok := next.faces[sc.ID]
		t, err := s.tool(sc, known.inputs, ok)
		if err != nil {
			s.log.Warn("scenario is not offered as a tool", "scenarioID", sc.ID, "error", err)
			continue
		}
		next.tools = append(next.tools, t)
		next.byID[sc.ID] = t
	}
	return next, nil
}

// readFaces returns the interfaces that are known after this refresh: those of before that still hold, and as many new
// ones as interfaceCalls allows. An interface that cannot be read is left for the next refresh.
func (s *scenarioTools) readFaces(ctx context.Context, scenarios []makeapi.Scenario, old *snapshot) map[int64]face {
	faces := make(map[int64]face, len(scenarios))
	var missing []makeapi.Scenario
	for _, sc := range scenarios {
		if old != nil {
			if known, ok := old.faces[sc.ID]; ok && known.lastEdit == sc.LastEdit {
				faces[sc.ID] = known
				continue
			}
		}
		missing = append(missing, sc)
	}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(interfaceParallel)
	for _, sc := range missing[:min(len(missing), interfaceCalls)] {
		group.Go(func() error {
			got, err := s.api.ScenarioInterface(ctx, sc.ID)
			if err != nil {
				s.log.Warn("scenario interface was not read", "scenarioID", sc.ID, "error", err)
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			faces[sc.ID] = face{lastEdit: sc.LastEdit, inputs: got.Inputs}
			return nil
		})
	}
	_ = group.Wait() // no call returns an error
	return faces
}
