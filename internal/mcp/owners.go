package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makeapi/catalogue"
)

// ownerTools read the object that an argument names; its teamId says whose it is. scenarios_get would read the blueprint too, so
// scenarios are read by themselves.
var ownerTools = map[string]string{
	"scenarioId":      "scenarios_get",
	"hookId":          "hooks_get",
	"connectionId":    "connections_get",
	"keyId":           "keys_get",
	"dataStoreId":     "data-stores_get",
	"dataStructureId": "data-structures_get",
	"functionId":      "functions_get",
}

// ownerless are arguments that name an object of some team, which Make does not tell.
var ownerless = []string{"folderId", "requestId", "credentialId", "incompleteExecutionId"}

const (
	// ownerAge is for how long a team is remembered: objects do not change teams.
	ownerAge = 15 * time.Minute
	// maxOwners bounds what is remembered.
	maxOwners = 4096
)

// owners keeps a server that is limited to a team within it: the token reaches every team of its user. It asks Make once per object.
type owners struct {
	api    makeAPI
	teamID int64 // zero: no limit, and nothing is asked
	clock  clock.PassiveClock

	mu    sync.Mutex
	known map[ownerKey]owner
}

type ownerKey struct {
	argument string
	id       int64
}

type owner struct {
	teamID int64 // zero: none
	read   time.Time
}

// reachable reports whether the objects that a tool takes can be checked with the scopes of the server's token.
func (o *owners) reachable(t catalogue.Tool, scopes []string) bool {
	if o.teamID == 0 {
		return true
	}
	for _, a := range t.Arguments {
		by, owned := ownerTools[a.Name]
		if owned && !slices.Contains(scopes, builtInTool(by).Scope) {
			return false
		}
	}
	return !slices.Contains(ownerless, t.ScopeID)
}

// check returns NotFound for an object that does not belong to the team.
func (o *owners) check(ctx context.Context, args map[string]any) error {
	if o.teamID == 0 {
		return nil
	}
	for argument := range ownerTools {
		id := number(args, argument)
		if id == 0 {
			continue
		}
		teamID, err := o.team(ctx, ownerKey{argument, id})
		if err != nil {
			return err
		}
		if teamID != o.teamID {
			return &makeapi.Error{Op: "check " + argument, Kind: makeapi.NotFound, Reason: "another team's"}
		}
	}
	return nil
}

func (o *owners) team(ctx context.Context, key ownerKey) (int64, error) {
	o.mu.Lock()
	known, ok := o.known[key]
	o.mu.Unlock()
	if ok && o.clock.Since(known.read) < ownerAge {
		return known.teamID, nil
	}
	teamID, err := o.ask(ctx, key)
	if err != nil {
		return 0, fmt.Errorf("check %s: %w", key.argument, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known == nil || len(o.known) >= maxOwners {
		o.known = map[ownerKey]owner{}
	}
	o.known[key] = owner{teamID: teamID, read: o.clock.Now()}
	return teamID, nil
}

func (o *owners) ask(ctx context.Context, key ownerKey) (int64, error) {
	if key.argument == "scenarioId" {
		scenario, err := o.api.Scenario(ctx, key.id)
		return scenario.TeamID, err
	}
	answer, err := o.api.CallTool(ctx, builtInTool(ownerTools[key.argument]), map[string]any{key.argument: key.id})
	if err != nil {
		return 0, err
	}
	var wrapped map[string]json.RawMessage
	if err := json.Unmarshal(answer.Body, &wrapped); err != nil {
		return 0, &makeapi.Error{Op: "read owner", Kind: makeapi.Transient, Reason: "answer not understood"}
	}
	for _, member := range wrapped {
		var object struct {
			TeamID int64 `json:"teamId"`
		}
		if json.Unmarshal(member, &object) == nil && object.TeamID != 0 {
			return object.TeamID, nil
		}
	}
	return 0, nil
}
