package makesim_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makesim"
)

func TestSeedFileIsTheDefaultSeed(t *testing.T) {
	file, err := os.Open("seed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	seed, err := makesim.ReadSeed(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(makesim.DefaultSeed(), seed); diff != "" {
		t.Error(diff)
	}
}

// The constants are the contract of other packages' tests with seed.yaml.
func TestDefaultSeedConstants(t *testing.T) {
	s := start(t)
	for path, authorization := range map[string]string{
		"/api/v2/organizations/42":               root,
		"/api/v2/teams/7":                        root,
		"/api/v2/organizations/77":               other,
		"/api/v2/teams/70":                       other,
		"/api/v2/scenarios/501":                  root,
		"/api/v2/scenarios/502":                  root,
		"/api/v2/scenarios/503":                  root,
		"/api/v2/scenarios/901":                  other,
		"/api/v2/users/me/current-authorization": reader,
	} {
		if a := s.get(path, authorization); a.status != 200 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	constants := []int64{
		makesim.OrganizationID, makesim.TeamID, makesim.OtherOrganizationID, makesim.OtherTeamID,
		makesim.LeadScenarioID, makesim.InactiveScenarioID, makesim.SyncScenarioID, makesim.OtherScenarioID,
		makesim.UserID, makesim.OtherUserID,
	}
	if diff := cmp.Diff([]int64{42, 7, 77, 70, 501, 502, 503, 901, 1001, 1002}, constants); diff != "" {
		t.Error(diff)
	}
	for _, client := range makesim.DefaultSeed().OAuthClients {
		if client.RedirectURIs[0] != makesim.RedirectURL {
			t.Errorf("%s: %s", client.ID, client.RedirectURIs[0])
		}
	}
}

func TestServersDoNotShareASeed(t *testing.T) {
	seed := makesim.DefaultSeed()
	first := startWith(t, makesim.Options{Seed: seed})
	second := startWith(t, makesim.Options{Seed: seed})
	first.RevokeToken(makesim.RootToken)
	if !second.TokenAlive(makesim.RootToken) {
		t.Error("a token died in another server")
	}
}

const minimalUsers = `[{id: 3, name: U, email: u@a.example, organizations: [{id: 1, role: Member}], teams: [{id: 2, role: Team Member}]}]`

const minimalSeed = `
organizations: [{id: 1, name: A, plan: pro, teams: [{id: 2, name: T}]}]
users: ` + minimalUsers + `
apiTokens: [{value: 7d0f3a52-5c1e-4b8a-9f36-2e8b1c4d6a01, userID: 3, label: l, scopes: ["user:read"]}]
oauthClients: [{id: c, name: C, redirectURIs: ["http://127.0.0.1/cb"]}]
scenarios: [{id: 4, teamID: 2, name: S, active: true, scheduling: {type: on-demand}, interface: {input: [{name: who, type: text}]}}]
`

func TestSeedErrors(t *testing.T) {
	if _, err := makesim.ReadSeed(strings.NewReader(minimalSeed)); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ from, to, says string }{
		"not YAML":          {"organizations: [", "organizations: {", "parse seed"},
		"unknown field":     {"plan: pro", "plann: pro", `unknown field "plann"`},
		"no organization":   {"[{id: 1, name: A, plan: pro, teams: [{id: 2, name: T}]}]", "[]", "organizations: at least one"},
		"no user":           {minimalUsers, "[]", "users: at least one"},
		"unknown plan":      {"plan: pro", "plan: gold", `organizations[0].plan: "gold" is none of core, enterprise`},
		"missing id":        {"{id: 1, name: A", "{name: A", "organizations[0]: organization id is missing"},
		"negative id":       {"{id: 2, name: T", "{id: -2, name: T", "organizations[0].teams[0]: team id"},
		"repeated id":       {"{id: 2, name: T}", "{id: 2, name: T}, {id: 2, name: V}", "teams[1]: another object"},
		"unknown role":      {"role: Member", "role: King", `users[0].organizations[0].role: "King"`},
		"unknown team":      {"{id: 2, role", "{id: 9, role", "users[0].teams[0].id: no team 9"},
		"token of nobody":   {"userID: 3", "userID: 9", "apiTokens[0].userID: no user 9"},
		"no version 4":      {"4b8a-9f36", "1b8a-9f36", "apiTokens[0].value: not a UUID of version 4"},
		"braces":            {"7d0f3a52-5c1e-4b8a-9f36-2e8b1c4d6a01", "'{7d0f3a52-5c1e-4b8a-9f36-2e8b1c4d6a01}'", "apiTokens[0].value"},
		"unknown scope":     {`"user:read"`, `"user:fly"`, `apiTokens[0].scopes: unknown scope "user:fly"`},
		"two ways of scope": {"label: l", "label: l, everyUserScope: true", "exclude each other"},
		"no redirect":       {`["http://127.0.0.1/cb"]`, "[]", "oauthClients[0].redirectURIs: at least one"},
		"relative redirect": {`"http://127.0.0.1/cb"`, `"/cb"`, "oauthClients[0].redirectURIs[0]"},
		"scenario's team":   {"teamID: 2", "teamID: 9", "scenarios[0].teamID: no team 9"},
		"scheduling":        {"on-demand", "never", `scenarios[0].scheduling.type: "never"`},
		"field type":        {"type: text", "type: blob", `scenarios[0].interface: field "who": type "blob"`},
		"run time":          {"active: true", "active: true, runSeconds: -1", "scenarios[0].runSeconds"},
	} {
		t.Run(name, func(t *testing.T) {
			broken := strings.Replace(minimalSeed, test.from, test.to, 1)
			_, err := makesim.ReadSeed(strings.NewReader(broken))
			if broken == minimalSeed || err == nil || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("got %v", err)
			}
			if strings.Contains(err.Error(), "5c1e") {
				t.Error("the error repeats a token")
			}
		})
	}
	if _, err := makesim.New(makesim.Options{Seed: makesim.Seed{Users: makesim.DefaultSeed().Users}}); err == nil {
		t.Error("New took a broken seed")
	}
}
