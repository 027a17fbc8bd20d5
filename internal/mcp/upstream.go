package mcp

import (
	"context"

	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makeapi/catalogue"
	"github.com/makeops/make-operator/internal/mcp/credential"
)

// makeAPI is what tools ask of Make. *makeapi.Zone implements it for one credential, upstream for the current one.
type makeAPI interface {
	CallTool(ctx context.Context, tool catalogue.Tool, args map[string]any) (makeapi.Answer, error)
	FirstScenarios(ctx context.Context, teamID, organizationID int64) (first []makeapi.Scenario, more bool, err error)
	Scenario(ctx context.Context, id int64) (makeapi.Scenario, error)
	ScenarioInterface(ctx context.Context, id int64) (makeapi.Interface, error)
}

// upstream makes each call with the credential of the moment. A call that Make refuses because the credential is dead is
// made once more if the mounted Secret holds another one by now: such a refusal is certain, nothing was executed, so a
// run may be repeated too.
type upstream struct {
	credentials    *credential.Dir
	client         *makeapi.Client
	organizationID int64 // whose budget the calls count against
	metrics        *metrics
}

func (u *upstream) do(priority makeapi.Priority, call func(api makeAPI) error) error {
	used, err := u.credentials.Current()
	if err != nil {
		return err
	}
	err = call(u.client.Zone(used.Zone, used.Auth).For(u.organizationID, priority))
	if makeapi.KindOf(err) != makeapi.DeadCredential {
		return err
	}
	u.metrics.credentialRejected()
	next, found := u.credentials.Replacement(used)
	if !found {
		return err
	}
	return call(u.client.Zone(next.Zone, next.Auth).For(u.organizationID, priority))
}

// CallTool implements makeAPI.
func (u *upstream) CallTool(ctx context.Context, tool catalogue.Tool, args map[string]any) (answer makeapi.Answer, err error) {
	err = u.do(makeapi.Interactive, func(api makeAPI) (err error) {
		answer, err = api.CallTool(ctx, tool, args)
		return err
	})
	return answer, err
}

// FirstScenarios implements makeAPI.
func (u *upstream) FirstScenarios(ctx context.Context, teamID, organizationID int64) (first []makeapi.Scenario, more bool, err error) {
	err = u.do(makeapi.Interactive, func(api makeAPI) (err error) {
		first, more, err = api.FirstScenarios(ctx, teamID, organizationID)
		return err
	})
	return first, more, err
}

// Scenario implements makeAPI.
func (u *upstream) Scenario(ctx context.Context, id int64) (one makeapi.Scenario, err error) {
	err = u.do(makeapi.Interactive, func(api makeAPI) (err error) {
		one, err = api.Scenario(ctx, id)
		return err
	})
	return one, err
}

// ScenarioInterface implements makeAPI. It is asked once per scenario to list the tools, so it gives way to the callers' own calls.
func (u *upstream) ScenarioInterface(ctx context.Context, id int64) (face makeapi.Interface, err error) {
	err = u.do(makeapi.Background, func(api makeAPI) (err error) {
		face, err = api.ScenarioInterface(ctx, id)
		return err
	})
	return face, err
}
