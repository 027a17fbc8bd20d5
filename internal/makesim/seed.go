package makesim

import (
	_ "embed"
	"fmt"
	"io"

	"sigs.k8s.io/yaml"
)

// Fixed values of the default seed (seed.yaml). They open nothing but a simulator.
const (
	// OrganizationID is on the plan with 1,000 requests per minute; TeamID is its first team.
	OrganizationID int64 = 42
	TeamID         int64 = 7
	// OtherOrganizationID belongs to another user; OtherTeamID is its only team.
	OtherOrganizationID int64 = 77
	OtherTeamID         int64 = 70

	// RootToken holds every user-kind scope, user:write among them, in OrganizationID.
	RootToken = "7d0f3a52-5c1e-4b8a-9f36-2e8b1c4d6a01"
	// ReaderToken holds scenarios:read and user:read of the same user.
	ReaderToken = "3b9e6c10-8a47-4d25-b1f0-95d7e2a8c302"
	// OtherToken holds every user-kind scope in OtherOrganizationID.
	OtherToken = "c4a81f7e-2d93-4e60-8b5c-0f1d7a6e9b03"

	// UserID owns OrganizationID and both of its tokens; OtherUserID owns OtherOrganizationID.
	UserID      int64 = 1001
	OtherUserID int64 = 1002

	// OAuthClientID and OAuthClientSecret are the confidential client; PublicClientID has no secret.
	OAuthClientID     = "makesim-confidential"
	OAuthClientSecret = "makesim-confidential-secret"
	PublicClientID    = "makesim-public"
	// RedirectURL is registered for both clients. Its host is loopback, so any port will do.
	RedirectURL = "http://127.0.0.1/oauth/callback"

	// LeadScenarioID is active and on demand, with interface and outputs; InactiveScenarioID is on demand
	// and not active; SyncScenarioID runs by itself; OtherScenarioID is in OtherTeamID.
	LeadScenarioID     int64 = 501
	InactiveScenarioID int64 = 502
	SyncScenarioID     int64 = 503
	OtherScenarioID    int64 = 901

	// FolderID is at the top; InactiveScenarioID is in a folder of it.
	FolderID int64 = 61
	// HookID is a webhook that no scenario uses; HookUDID is in its address.
	HookID   int64 = 11
	HookUDID       = "1gqnexkk1vwxg2wpj39kg30pzp6uhe7h"
	// IncompleteID is an incomplete execution of SyncScenarioID.
	IncompleteID = "a07e16f2ad134bf49cf83a00aa95c0a5"
)

// Seed is the state that a simulator starts from. See seed.yaml for an example with every field.
type Seed struct {
	Organizations []Organization `json:"organizations"`
	Users         []User         `json:"users"`
	APITokens     []APIToken     `json:"apiTokens"`
	OAuthClients  []OAuthClient  `json:"oauthClients"`
	Scenarios     []Scenario     `json:"scenarios"`
	// Objects are all others, by kind: each has the members that its creation takes, and optionally an id.
	Objects map[string][]map[string]any `json:"objects,omitempty"`
}

// Organization is a tenant.
type Organization struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	// Plan sets the requests per minute: free, core, pro, teams or enterprise.
	Plan string `json:"plan"`
	// CountryID and TimezoneID are of GET /enums/countries and /enums/timezones; zero means a default.
	CountryID  int64 `json:"countryID,omitempty"`
	TimezoneID int64 `json:"timezoneID,omitempty"`
	// Zone is the host in the organization's answers; empty means the Host of the request.
	Zone  string `json:"zone,omitempty"`
	Teams []Team `json:"teams"`
}

// Team is a part of an organization; scenarios belong to teams.
type Team struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	// OperationsLimit is in operations and TransferLimit in bytes, both per month; nil means no limit.
	OperationsLimit *int64 `json:"operationsLimit,omitempty"`
	TransferLimit   *int64 `json:"transferLimit,omitempty"`
	// ScenarioDrafts lets scenarios have drafts.
	ScenarioDrafts bool `json:"scenarioDrafts,omitempty"`
}

// User is an account with its roles. The effective right is what scopes and roles both allow.
type User struct {
	ID            int64              `json:"id"`
	Name          string             `json:"name"`
	Email         string             `json:"email"`
	Organizations []OrganizationRole `json:"organizations"`
	Teams         []TeamRole         `json:"teams,omitempty"`
}

// OrganizationRole is a user's role in an organization: Owner, Admin, Member or Accountant.
// Owner and Admin reach all teams, Member the teams of User.Teams, Accountant none.
type OrganizationRole struct {
	ID   int64  `json:"id"`
	Role string `json:"role"`
}

// TeamRole is a user's role in a team: Team Admin, Team Member, Team Monitoring or Team Operator.
// Team Monitoring may look, but not run.
type TeamRole struct {
	ID   int64  `json:"id"`
	Role string `json:"role"`
}

// APIToken is a token that exists from the start.
type APIToken struct {
	// Value is a UUID of version 4.
	Value  string   `json:"value"`
	UserID int64    `json:"userID"`
	Label  string   `json:"label"`
	Scopes []string `json:"scopes,omitempty"`
	// EveryUserScope gives all scopes that any user may hold, in place of Scopes.
	EveryUserScope bool `json:"everyUserScope,omitempty"`
}

// OAuthClient is a registered client of the authorization server.
type OAuthClient struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Secret is empty for a public client.
	Secret string `json:"secret,omitempty"`
	// RedirectURIs are compared exactly, except that a loopback host may have any port (RFC 8252 §7.3).
	RedirectURIs []string `json:"redirectURIs"`
}

//go:embed seed.yaml
var defaultSeed []byte

// DefaultSeed is the seed of seed.yaml; the constants of this package name its parts.
func DefaultSeed() Seed {
	seed, err := parseSeed(defaultSeed)
	if err != nil {
		panic(fmt.Sprintf("embedded seed.yaml: %v", err)) // built in and tested
	}
	return seed
}

// ReadSeed reads a seed from YAML. An unknown field, a reference to nothing or a malformed value is an error.
func ReadSeed(r io.Reader) (Seed, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return Seed{}, fmt.Errorf("read seed: %w", err)
	}
	return parseSeed(data)
}

func parseSeed(data []byte) (Seed, error) {
	var seed Seed
	if err := yaml.UnmarshalStrict(data, &seed); err != nil {
		return Seed{}, fmt.Errorf("parse seed: %w", err)
	}
	if err := seed.validate(); err != nil {
		return Seed{}, fmt.Errorf("check seed: %w", err)
	}
	return seed, nil
}
