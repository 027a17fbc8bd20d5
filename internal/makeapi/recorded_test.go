package makeapi_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makesim"
)

// account is what the recorded calls work on: the first of each kind that the credential sees.
type account struct {
	zone           *makeapi.Zone
	organizationID int64
	teamID         int64
	scenarioID     int64
	missing        int64  // the ID of no scenario
	created        string // of the token that was minted last
}

// recordedCase is one call whose exchanges are recorded in testdata/recorded.
type recordedCase struct {
	name    string
	changes bool // not made with a real account
	call    func(context.Context, *account) error
}

func typed[T any](call func(context.Context, *makeapi.Zone, *account) (T, error)) func(context.Context, *account) error {
	return func(ctx context.Context, a *account) error {
		_, err := call(ctx, a.zone, a)
		return err
	}
}

func toolCase(t *testing.T, name string, changes bool, args func(*account) map[string]any) recordedCase {
	return recordedCase{name: "tool-" + name, changes: changes, call: func(ctx context.Context, a *account) error {
		_, err := a.zone.CallTool(ctx, lookup(t, name), args(a))
		return err
	}}
}

func recordedCases(t *testing.T) []recordedCase {
	none := func(*account) map[string]any { return nil }
	team := func(a *account) map[string]any { return map[string]any{"teamId": a.teamID} }
	organization := func(a *account) map[string]any { return map[string]any{"organizationId": a.organizationID} }
	scenario := func(a *account) map[string]any { return map[string]any{"scenarioId": a.scenarioID} }
	return []recordedCase{
		{name: "current-authorization", call: typed(func(ctx context.Context, z *makeapi.Zone, _ *account) (makeapi.Authorization, error) {
			return z.CurrentAuthorization(ctx)
		})},
		{name: "me", call: typed(func(ctx context.Context, z *makeapi.Zone, _ *account) (makeapi.User, error) { return z.Me(ctx) })},
		{name: "organization", call: typed(func(ctx context.Context, z *makeapi.Zone, a *account) (makeapi.Organization, error) {
			return z.Organization(ctx, a.organizationID)
		})},
		{name: "teams", call: typed(func(ctx context.Context, z *makeapi.Zone, a *account) ([]makeapi.Team, error) {
			return z.Teams(ctx, a.organizationID)
		})},
		{name: "scenarios-of-team", call: typed(func(ctx context.Context, z *makeapi.Zone, a *account) ([]makeapi.Scenario, error) {
			return z.Scenarios(ctx, a.teamID, 0)
		})},
		{name: "scenarios-of-organization", call: typed(func(ctx context.Context, z *makeapi.Zone, a *account) ([]makeapi.Scenario, error) {
			return z.Scenarios(ctx, 0, a.organizationID)
		})},
		{name: "scenario", call: typed(func(ctx context.Context, z *makeapi.Zone, a *account) (makeapi.Scenario, error) {
			return z.Scenario(ctx, a.scenarioID)
		})},
		{name: "scenario-not-found", call: typed(func(ctx context.Context, z *makeapi.Zone, a *account) (makeapi.Scenario, error) {
			return z.Scenario(ctx, a.missing)
		})},
		{name: "scenario-interface", call: typed(func(ctx context.Context, z *makeapi.Zone, a *account) (makeapi.Interface, error) {
			return z.ScenarioInterface(ctx, a.scenarioID)
		})},
		{name: "run-scenario", changes: true, call: typed(func(ctx context.Context, z *makeapi.Zone, a *account) (makeapi.Run, error) {
			return z.RunScenario(ctx, a.scenarioID, map[string]any{"email": "lena@customer.example", "name": "Lena"}, false)
		})},
		{name: "run-scenario-responsive", changes: true, call: typed(func(ctx context.Context, z *makeapi.Zone, a *account) (makeapi.Run, error) {
			return z.RunScenario(ctx, a.scenarioID, map[string]any{"email": "lena@customer.example", "name": "Lena"}, true)
		})},
		{name: "run-scenario-without-inputs", changes: true, call: typed(func(ctx context.Context, z *makeapi.Zone, a *account) (makeapi.Run, error) {
			return z.RunScenario(ctx, a.scenarioID, nil, false)
		})},
		{name: "list-tokens", call: typed(func(ctx context.Context, z *makeapi.Zone, _ *account) ([]makeapi.TokenInfo, error) {
			return z.ListTokens(ctx)
		})},
		{name: "create-token", changes: true, call: func(ctx context.Context, a *account) error {
			minted, err := a.zone.CreateToken(ctx, "recorded", []string{"scenarios:read", "user:read"})
			a.created = minted.Created
			return err
		}},
		{name: "delete-token", changes: true, call: func(ctx context.Context, a *account) error { return a.zone.DeleteToken(ctx, a.created) }},
		toolCase(t, "users_me", false, none),
		toolCase(t, "enums_regions", false, none),
		toolCase(t, "organizations_list", false, none),
		toolCase(t, "teams_list", false, organization),
		toolCase(t, "roles_list", false, func(*account) map[string]any { return map[string]any{"category": "team", "excludeRole": []int{1, 3}} }),
		toolCase(t, "scenarios_list", false, team),
		toolCase(t, "scenarios_get", false, scenario),
		toolCase(t, "executions_list", false, scenario),
		toolCase(t, "incomplete-executions_list", false, scenario),
		toolCase(t, "folders_list", false, team),
		toolCase(t, "hooks_list", false, team),
		toolCase(t, "connections_list", false, func(a *account) map[string]any {
			return map[string]any{"teamId": a.teamID, "type": []string{"google-email"}, "scopes": map[string]any{"google-email": []string{"https://mail.google.com/"}}}
		}),
		toolCase(t, "keys_list", false, team),
		toolCase(t, "data-stores_list", false, team),
		toolCase(t, "functions_list", false, team),
		toolCase(t, "public-templates_list", false, func(*account) map[string]any { return map[string]any{"usedApps": []string{"http"}, "includeEn": true} }),
		toolCase(t, "sdk-apps_list", false, none),
		toolCase(t, "scenarios_create", true, func(a *account) map[string]any {
			return map[string]any{"teamId": a.teamID, "confirmed": true, "scheduling": map[string]any{"type": "on-demand"}, "blueprint": map[string]any{
				"name": "Recorded", "flow": []any{}, "metadata": map[string]any{"version": 1}, "interface": map[string]any{"input": []any{}, "output": []any{}},
			}}
		}),
		toolCase(t, "hooks_create", true, func(a *account) map[string]any {
			return map[string]any{"teamId": a.teamID, "name": "Recorded", "typeName": "gateway-webhook", "data": map[string]any{"method": true, "headers": false, "stringify": false}}
		}),
		toolCase(t, "folders_create", true, func(a *account) map[string]any { return map[string]any{"teamId": a.teamID, "name": "Recorded"} }),
		toolCase(t, "connections_update", true, func(*account) map[string]any {
			return map[string]any{"connectionId": 62, "name": "Recorded", "data": map[string]any{"host": "mail.example"}}
		}),
		toolCase(t, "sdk-apps_set-section", true, func(*account) map[string]any {
			return map[string]any{"name": "webshop", "version": 1, "section": "base", "body": `{"baseUrl": "https://shop.example"}`}
		}),
	}
}

// The exchanges that testdata/recorded shows are those of makesim; -update records them again. Every value is replaced by
// what kind of value it is, so that an account at Make gives the same text where makesim is faithful.
func TestRecorded(t *testing.T) {
	sim, err := makesim.New(makesim.Options{Clock: clocktesting.NewFakePassiveClock(now)})
	if err != nil {
		t.Fatal(err)
	}
	playRecorded(t, sim, makesim.RootToken, true)
}

// The same calls, as far as they change nothing, made to Make itself: what differs is where makesim is not faithful. With
// -update, Make's answers take the place of makesim's.
func TestRecordedAtMake(t *testing.T) {
	token, zone := os.Getenv("MAKE_API_KEY"), os.Getenv("MAKE_ZONE")
	if token == "" || zone == "" {
		t.Skip("MAKE_API_KEY and MAKE_ZONE are not set: Make itself is not asked")
	}
	target := &url.URL{Scheme: "https", Host: zone}
	playRecorded(t, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}, token, false)
}

func playRecorded(t *testing.T, server http.Handler, token string, mayChange bool) {
	var exchanges []string
	front, zone := serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
		request, answer := recordRequest(t, r), httptest.NewRecorder()
		server.ServeHTTP(answer, r)
		exchanges = append(exchanges, request+separator+recordAnswer(answer))
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
	client, err := makeapi.New(makeapi.Config{ExtraZones: []string{zone}, RootCAs: pool(front.Certificate()), UserAgent: "make-operator/test"})
	if err != nil {
		t.Fatal(err)
	}
	a := discover(t, client.Zone(zone, makeapi.APIToken(token)))
	for _, tt := range recordedCases(t) {
		t.Run(tt.name, func(t *testing.T) {
			if tt.changes && !mayChange {
				t.Skip("it would change the account")
			}
			exchanges = nil
			err := tt.call(t.Context(), a)
			got := strings.Join(exchanges, separator) + "\n"
			if err != nil {
				got += "\n==== " + err.Error() + "\n"
			}
			compareRecorded(t, filepath.Join("testdata", "recorded", tt.name+".http"), got)
		})
	}
}

// discover finds something to work on.
func discover(t *testing.T, zone *makeapi.Zone) *account {
	t.Helper()
	a := &account{zone: zone, missing: 999_999_999}
	me := must[makeapi.User](t)(zone.Me(t.Context()))
	if len(me.OrganizationIDs) == 0 {
		t.Fatal("the account belongs to no organization")
	}
	a.organizationID = me.OrganizationIDs[0]
	teams := must[[]makeapi.Team](t)(zone.Teams(t.Context(), a.organizationID))
	for _, team := range teams {
		scenarios := must[[]makeapi.Scenario](t)(zone.Scenarios(t.Context(), team.ID, 0))
		if len(scenarios) > 0 {
			slices.SortFunc(scenarios, func(a, b makeapi.Scenario) int { return int(a.ID - b.ID) })
			a.teamID, a.scenarioID = team.ID, scenarios[0].ID
			return a
		}
	}
	t.Fatal("the account has no scenario")
	return nil
}

func compareRecorded(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("exchanges (-recorded +now):\n%s", diff)
	}
}

// recordRequest writes a request down and leaves it to be read again.
func recordRequest(t *testing.T, r *http.Request) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", r.Method, kindsOfPath(r.URL))
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	fmt.Fprintf(&b, "Accept: %s\nAuthorization: %s <token>\n", r.Header.Get("Accept"), scheme)
	if contentType := r.Header.Get("Content-Type"); contentType != "" {
		fmt.Fprintf(&b, "Content-Type: %s\n", contentType)
	}
	fmt.Fprintf(&b, "User-Agent: %s\n", r.UserAgent())
	if len(body) > 0 {
		fmt.Fprintf(&b, "\n%s", kindsOfBody(body))
	}
	return b.String()
}

func recordAnswer(answer *httptest.ResponseRecorder) string {
	mediaType, _, _ := strings.Cut(answer.Header().Get("Content-Type"), ";")
	return fmt.Sprintf("%d %s\n\n%s", answer.Code, mediaType, kindsOfBody(answer.Body.Bytes()))
}
