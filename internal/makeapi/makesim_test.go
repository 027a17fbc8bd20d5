package makeapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makesim"
)

// Identities of the simulator's default seed.
const (
	simOrganization = 42
	simTeam         = 7
	simUser         = 1001
)

// simulate starts a simulator and a client for it.
func simulate(t *testing.T) (*makesim.TLSServer, *makeapi.Client) {
	t.Helper()
	clock := clocktesting.NewFakePassiveClock(now)
	sim, err := makesim.NewTLSServer(makesim.Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	client, err := makeapi.New(makeapi.Config{ExtraZones: []string{sim.Zone}, RootCAs: sim.CAPool(), Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	return sim, client
}

// setFault makes the next request to a path fail.
func setFault(t *testing.T, sim *makesim.TLSServer, fault makesim.Fault) {
	t.Helper()
	knobs := sim.Knobs()
	fault.Count = 1
	knobs.Faults = []makesim.Fault{fault}
	if err := sim.SetKnobs(knobs); err != nil {
		t.Fatal(err)
	}
}

// must stops the test at an error and passes the value on.
func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// A minted token lives from CreateToken to DeleteToken and holds what was asked for.
func TestMintedTokenLife(t *testing.T) {
	sim, client := simulate(t)
	root := client.Zone(sim.Zone, makeapi.APIToken(makesim.RootToken))
	want := []string{"scenarios:read", "user:read"}

	minted := must[makeapi.MintedToken](t)(root.CreateToken(t.Context(), "sales/crm", want))
	narrow := client.Zone(sim.Zone, makeapi.APIToken(minted.Value))
	held := must[makeapi.Authorization](t)(narrow.CurrentAuthorization(t.Context()))
	if !slices.Equal(slices.Sorted(slices.Values(held.Scopes)), want) {
		t.Errorf("scopes are %v, want %v", held.Scopes, want)
	}
	listed := must[[]makeapi.TokenInfo](t)(root.ListTokens(t.Context()))
	if !slices.ContainsFunc(listed, func(i makeapi.TokenInfo) bool { return i.Created == minted.Created && i.Label == "sales/crm" }) {
		t.Error("the minted token is not listed")
	}
	if _, err := narrow.RunScenario(t.Context(), 501, nil, false); makeapi.KindOf(err) != makeapi.MissingScope {
		t.Errorf("run without the scope: %v", err)
	}
	for range 2 { // the second time it is gone already
		if err := root.DeleteToken(t.Context(), minted.Created); err != nil {
			t.Fatal(err)
		}
	}
	if sim.TokenAlive(minted.Value) {
		t.Error("the token outlives its deletion")
	}
	if _, err := narrow.Scenarios(t.Context(), simTeam, 0); makeapi.KindOf(err) != makeapi.DeadCredential {
		t.Errorf("call with a deleted token: %v", err)
	}
}

func TestReading(t *testing.T) {
	sim, client := simulate(t)
	z := client.Zone(sim.Zone, makeapi.APIToken(makesim.RootToken))

	me := must[makeapi.User](t)(z.Me(t.Context()))
	if me.ID != simUser || !slices.Contains(me.OrganizationIDs, simOrganization) {
		t.Errorf("user is %+v", me)
	}
	organization := must[makeapi.Organization](t)(z.Organization(t.Context(), simOrganization))
	if organization.ID != simOrganization || organization.APILimit != 1000 {
		t.Errorf("organization is %+v", organization)
	}
	teams := must[[]makeapi.Team](t)(z.Teams(t.Context(), simOrganization))
	if !slices.ContainsFunc(teams, func(team makeapi.Team) bool { return team.ID == simTeam && team.OrganizationID == simOrganization }) {
		t.Errorf("teams are %+v", teams)
	}
	ofTeam := must[[]makeapi.Scenario](t)(z.Scenarios(t.Context(), simTeam, 0))
	ofAll := must[[]makeapi.Scenario](t)(z.Scenarios(t.Context(), 0, simOrganization))
	if len(ofTeam) == 0 || len(ofAll) < len(ofTeam) {
		t.Errorf("%d scenarios of the team, %d of the organization", len(ofTeam), len(ofAll))
	}
	first := must[makeapi.Scenario](t)(z.Scenario(t.Context(), 501))
	if first.TeamID != simTeam || !first.Active || first.Scheduling.Type != makeapi.OnDemand {
		t.Errorf("scenario is %+v", first)
	}
	io := must[makeapi.Interface](t)(z.ScenarioInterface(t.Context(), 501))
	source := io.Inputs[slices.IndexFunc(io.Inputs, func(p makeapi.Parameter) bool { return p.Name == "source" })]
	if len(source.Options) != 3 || string(source.Options[0]) != `"web"` {
		t.Errorf("options are %s", source.Options)
	}
}

func TestRunning(t *testing.T) {
	sim, client := simulate(t)
	z := client.Zone(sim.Zone, makeapi.APIToken(makesim.RootToken))
	data := map[string]any{"email": "a@example.com", "name": "Ada"}

	run := must[makeapi.Run](t)(z.RunScenario(t.Context(), 501, data, true))
	var outputs map[string]string
	if err := json.Unmarshal(run.Outputs, &outputs); err != nil || outputs["email"] != "a@example.com" || run.Status != makeapi.RunSuccess {
		t.Errorf("run is %+v with outputs %s", run, run.Outputs)
	}
	if _, err := z.RunScenario(t.Context(), 502, map[string]any{"quarter": "Q1"}, false); makeapi.KindOf(err) != makeapi.Conflict {
		t.Errorf("run of an inactive scenario: %v", err)
	}
	if _, err := z.RunScenario(t.Context(), 501, nil, false); makeapi.KindOf(err) != makeapi.Invalid {
		t.Errorf("run without required inputs: %v", err)
	}
	if _, err := z.Scenario(t.Context(), 999999); makeapi.KindOf(err) != makeapi.NotFound {
		t.Errorf("scenario that does not exist: %v", err)
	}
	setFault(t, sim, makesim.Fault{Kind: makesim.FaultResetAfter, PathPrefix: "/api/v2/scenarios/501/run"})
	if _, err := z.RunScenario(t.Context(), 501, data, true); makeapi.KindOf(err) != makeapi.UnknownOutcome {
		t.Errorf("run whose answer is lost: %v", err)
	}
}

// consent gets a first pair of tokens the way a browser would.
func consent(ctx context.Context, t *testing.T, sim *makesim.TLSServer, o *makeapi.OAuth) makeapi.TokenResponse {
	t.Helper()
	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	back, err := sim.Approve(ctx, o.AuthCodeURL("state-value", verifier, []string{"scenarios:read", "user:read"}), simUser)
	if err != nil {
		t.Fatal(err)
	}
	if got := back.Query().Get("state"); got != "state-value" {
		t.Fatalf("state came back as %q", got)
	}
	return must[makeapi.TokenResponse](t)(o.Exchange(ctx, back.Query().Get("code"), verifier))
}

func TestOAuthLife(t *testing.T) {
	sim, client := simulate(t)
	o := client.OAuth(sim.Zone, makeapi.OAuthClient{
		ID: makesim.OAuthClientID, Secret: makesim.OAuthClientSecret, RedirectURL: makesim.RedirectURL,
	})
	first := consent(t.Context(), t, sim, o)
	if first.ExpiresIn != 5*time.Minute || !first.Received.Equal(now) {
		t.Errorf("first access token lives %v from %v", first.ExpiresIn, first.Received)
	}
	if _, err := client.Zone(sim.Zone, makeapi.AccessToken(first.AccessToken)).Scenarios(t.Context(), simTeam, 0); err != nil {
		t.Errorf("call with the access token: %v", err)
	}
	second := must[makeapi.TokenResponse](t)(o.Refresh(t.Context(), first.RefreshToken))
	if second.RefreshToken == first.RefreshToken {
		t.Error("the refresh token was not rotated")
	}
	if again, err := makeapi.ParseTokenResponse(second.Raw, second.Received); err != nil || again.RefreshToken != second.RefreshToken {
		t.Errorf("stored response reads differently: %v", err)
	}
	if _, err := o.Refresh(t.Context(), first.RefreshToken); makeapi.KindOf(err) != makeapi.InvalidGrant {
		t.Errorf("refresh with a used token: %v", err)
	}
	if err := o.Revoke(t.Context(), second.RefreshToken); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Refresh(t.Context(), second.RefreshToken); makeapi.KindOf(err) != makeapi.InvalidGrant {
		t.Errorf("refresh with a revoked token: %v", err)
	}
	stranger := client.OAuth(sim.Zone, makeapi.OAuthClient{ID: makesim.OAuthClientID, Secret: "wrong", RedirectURL: makesim.RedirectURL})
	if _, err := stranger.Refresh(t.Context(), second.RefreshToken); makeapi.KindOf(err) != makeapi.InvalidClient {
		t.Errorf("refresh with a wrong secret: %v", err)
	}
}

// When the answer to a refresh is lost after the token was rotated, the client
// reports it and presents the token exactly once.
func TestLostRefreshIsPresentedOnce(t *testing.T) {
	for _, fault := range []makesim.FaultKind{makesim.FaultResetBefore, makesim.FaultResetAfter} {
		t.Run(string(fault), func(t *testing.T) {
			sim, client := simulate(t)
			o := client.OAuth(sim.Zone, makeapi.OAuthClient{
				ID: makesim.OAuthClientID, Secret: makesim.OAuthClientSecret, RedirectURL: makesim.RedirectURL,
			})
			first := consent(t.Context(), t, sim, o)
			setFault(t, sim, makesim.Fault{Kind: fault, PathPrefix: "/oauth/v2/token", Method: http.MethodPost})
			if _, err := o.Refresh(t.Context(), first.RefreshToken); makeapi.KindOf(err) != makeapi.UnknownOutcome {
				t.Errorf("refresh: %v", err)
			}
			if left := sim.Knobs().Faults; len(left) != 0 && left[0].Count != 0 {
				t.Errorf("the fault was not met: %+v", left)
			}
			if again := makesim.RepresentedAfterUse(sim.Ledger()); len(again) != 0 {
				t.Errorf("refresh token presented again: %+v", again)
			}
		})
	}
}

func TestRateLimit(t *testing.T) {
	sim, client := simulate(t)
	setFault(t, sim, makesim.Fault{Kind: makesim.FaultStatus, Status: http.StatusTooManyRequests, RetryAfterSeconds: 7, PathPrefix: "/api/v2/teams"})
	_, err := client.Zone(sim.Zone, makeapi.APIToken(makesim.RootToken)).Teams(t.Context(), simOrganization)
	e, ok := errors.AsType[*makeapi.Error](err)
	if !ok || e.Kind != makeapi.RateLimited || e.RetryAfter != 7*time.Second {
		t.Errorf("error %v, want %v after 7s", err, makeapi.RateLimited)
	}
}
