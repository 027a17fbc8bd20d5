package scope

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJudgeConnection(t *testing.T) {
	readOnly := Policy{Name: "read-only", MaxRisk: Moderate}
	listed := Policy{Name: "listed", AllowedScopes: []string{"scenarios:read", "scenarios:run"}}
	tests := []struct {
		name       string
		connection Connection
		policies   []Policy
		want       []string // the violations' sentences
		warnings   []string
	}{
		{
			name: "sound",
			connection: Connection{
				Scopes:    []string{"scenarios:read", "scenarios:run", "openid"},
				Consumers: []Consumer{{Name: "reporting", Scopes: []string{"scenarios:read"}}, {Name: "all"}},
			},
		},
		{name: "nothing"},
		{
			name:       "administrators' wildcard",
			connection: Connection{Scopes: []string{"scenarios:read", "admin:*"}},
			want:       []string{"spec.scopes[1]: scope admin:* is refused (risk Critical, policy built-in): it is a wildcard, which Make does not have and which would grow with every scope that Make adds; remove it"},
		},
		{
			name:       "wildcard",
			connection: Connection{Scopes: []string{"scenarios:*", "*"}},
			want: []string{
				"spec.scopes[0]: scope scenarios:* is refused (risk Critical): it is a wildcard, which Make does not have and which would grow with every scope that Make adds; write the scopes that are used by their names, such as scenarios:read",
				"spec.scopes[1]: scope * is refused (risk Critical): it is a wildcard, which Make does not have and which would grow with every scope that Make adds; write the scopes that are used by their names",
			},
		},
		{
			name:       "administrators' scopes",
			connection: Connection{Scopes: []string{"admin:write", "system:read", "apps:read"}},
			want: []string{
				"spec.scopes[0]: scope admin:write is refused (risk Critical, policy built-in): it administers a whole white-label or on-premise Make installation; remove it",
				"spec.scopes[1]: scope system:read is refused (risk Critical, policy built-in): it reads the settings of the whole Make installation; remove it",
				"spec.scopes[2]: scope apps:read is refused (risk Critical, policy built-in): it reads the native apps of the whole Make installation; remove it",
			},
		},
		{
			name:       "administrators' scope that is not known yet",
			connection: Connection{Scopes: []string{"admin:use"}},
			want:       []string{"spec.scopes[0]: scope admin:use is refused (risk High, policy built-in): it is not a scope that this version knows; remove it"},
		},
		{
			name:       "misspelled",
			connection: Connection{Scopes: []string{"data-stores:read", "scenario run"}},
			want: []string{
				"spec.scopes[0]: scope data-stores:read is refused (risk High): it is not how Make spells it; did you mean datastores:read?",
				`spec.scopes[1]: scope "scenario run" is refused (risk High): it does not have the form resource:read, resource:write, resource:run or resource:use; write the scopes that are used by their names`,
			},
		},
		{
			name:       "not known yet",
			connection: Connection{Scopes: []string{"future:use"}},
			warnings:   []string{"spec.scopes[0]: scope future:use (risk High): it is not a scope that this version knows; check its spelling"},
		},
		{
			name:       "minting by a consumer",
			connection: Connection{Scopes: []string{"user:read", "user:write"}, Consumers: []Consumer{{Name: "bot", Scopes: []string{"user:read", "user:write"}}}},
			want:       []string{"spec.consumers[0].scopes[1]: scope user:write is refused (risk Critical, policy built-in): it mints further tokens, so that whoever holds it can grant itself more, and changes roles; remove it here, only the connection itself may hold it"},
		},
		{
			name:       "minting inherited by a consumer",
			connection: Connection{Scopes: []string{"user:read", "user:write"}, Consumers: []Consumer{{Name: "bot"}}},
			want:       []string{"spec.consumers[0].scopes: scope user:write is refused (risk Critical, policy built-in): it mints further tokens, so that whoever holds it can grant itself more, and changes roles; list the scopes of consumer bot, without it"},
		},
		{
			name:       "what the connection is refused is not said of consumers again",
			connection: Connection{Scopes: []string{"admin:read", "teams:*"}, Consumers: []Consumer{{Name: "bot"}}},
			want: []string{
				"spec.scopes[0]: scope admin:read is refused (risk Critical, policy built-in): it reads every organization and user of a white-label or on-premise Make installation; remove it",
				"spec.scopes[1]: scope teams:* is refused (risk Critical): it is a wildcard, which Make does not have and which would grow with every scope that Make adds; write the scopes that are used by their names, such as teams:read",
			},
		},
		{
			name:       "consumer beyond the connection",
			connection: Connection{Scopes: []string{"scenarios:read"}, Consumers: []Consumer{{Name: "a", Scopes: []string{"scenarios:read"}}, {Name: "b", Scopes: []string{"scenarios:read", "scenarios:run"}}}},
			want:       []string{"spec.consumers[1].scopes[1]: scope scenarios:run is refused (risk High): it is not among the connection's scopes; remove it here, or add it to the connection's spec.scopes"},
		},
		{
			name:       "consumer of a connection without scopes",
			connection: Connection{Scopes: []string{}, Consumers: []Consumer{{Name: "a", Scopes: []string{"teams:read"}}}},
			want:       []string{"spec.consumers[0].scopes[0]: scope teams:read is refused (risk Low): it is not among the connection's scopes; remove it here, or add it to the connection's spec.scopes"},
		},
		{
			name:       "above the risk of a policy",
			connection: Connection{Scopes: []string{"scenarios:read", "scenarios:run", "hooks:read"}},
			policies:   []Policy{readOnly},
			want: []string{
				"spec.scopes[1]: scope scenarios:run is refused (risk High, policy read-only): it runs scenarios, with every effect that they have on other systems; ask for scenarios:read if that is enough, or have the policy changed",
				"spec.scopes[2]: scope hooks:read is refused (risk High, policy read-only): it reads webhook addresses, which are all a stranger needs to start a scenario, and what came in on them; choose scopes of risk Moderate at most, or have the policy changed",
			},
		},
		{
			name:       "outside the list of a policy",
			connection: Connection{Scopes: []string{"scenarios:read", "teams:read"}},
			policies:   []Policy{listed},
			want:       []string{"spec.scopes[1]: scope teams:read is refused (risk Low, policy listed): it lists the organization's teams; choose among the scopes that the policy allows, or have it allowed there"},
		},
		{
			name:       "all policies must allow",
			connection: Connection{Scopes: []string{"scenarios:run", "teams:read"}},
			policies:   []Policy{readOnly, listed},
			want: []string{
				"spec.scopes[0]: scope scenarios:run is refused (risk High, policy read-only): it runs scenarios, with every effect that they have on other systems; ask for scenarios:read if that is enough, or have the policy changed",
				"spec.scopes[1]: scope teams:read is refused (risk Low, policy listed): it lists the organization's teams; choose among the scopes that the policy allows, or have it allowed there",
			},
		},
		{
			name:       "no policy allows a wildcard",
			connection: Connection{Scopes: []string{"admin:*"}},
			policies:   []Policy{{Name: "lax", AllowedScopes: []string{"admin:*"}}},
			want:       []string{"spec.scopes[0]: scope admin:* is refused (risk Critical): it is a wildcard, which Make does not have and which would grow with every scope that Make adds; write the scopes that are used by their names"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reversed := slices.Clone(tt.policies)
			slices.Reverse(reversed)
			verdict := JudgeConnection(tt.connection, Rules{Policies: tt.policies})
			if diff := cmp.Diff(verdict, JudgeConnection(tt.connection, Rules{Policies: reversed})); diff != "" {
				t.Errorf("the order of policies matters (-given +reversed):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, sentences(verdict.Violations)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.warnings, sentences(verdict.Warnings)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
			if verdict.Allowed() != (len(tt.want) == 0) {
				t.Errorf("Allowed() = %v with %d violations", verdict.Allowed(), len(tt.want))
			}
		})
	}
}

func TestJudgeServer(t *testing.T) {
	tests := []struct {
		name   string
		server Server
		want   []string
	}{
		{name: "sound", server: Server{Scopes: []string{"scenarios:read"}, Connection: []string{"scenarios:read", "scenarios:run"}}},
		{name: "connection not known yet", server: Server{Scopes: []string{"scenarios:read"}}},
		{
			name:   "beyond the connection",
			server: Server{Scopes: []string{"scenarios:run"}, Connection: []string{"scenarios:read"}},
			want:   []string{"spec.scopes[0]: scope scenarios:run is refused (risk High): it is not among the connection's scopes; remove it here, or add it to the connection's spec.scopes"},
		},
		{
			name:   "minting, connection not known yet",
			server: Server{Scopes: []string{"user:write"}},
			want:   []string{"spec.scopes[0]: scope user:write is refused (risk Critical, policy built-in): it mints further tokens, so that whoever holds it can grant itself more, and changes roles; remove it here, only the connection itself may hold it"},
		},
		{
			name:   "minting, inherited",
			server: Server{Connection: []string{"user:write"}},
			want:   []string{"spec.scopes: scope user:write is refused (risk Critical, policy built-in): it mints further tokens, so that whoever holds it can grant itself more, and changes roles; list the scopes of the server, without it"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, sentences(JudgeServer(tt.server, Rules{}).Violations)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMessageIsBounded(t *testing.T) {
	if got := (Verdict{}).Message(); got != "" {
		t.Errorf("Message() = %q without a violation", got)
	}
	var bad []string
	for range 200 {
		bad = append(bad, strings.Repeat("\"", 500))
	}
	message := JudgeConnection(Connection{Scopes: bad}, Rules{}).Message()
	if len(message) > 1024 || !strings.HasSuffix(message, "; and 197 more") {
		t.Errorf("message has %d bytes: %s", len(message), message)
	}
}

func TestDrift(t *testing.T) {
	want := []string{"teams:read", "scenarios:run", "openid", "scenarios:read"}
	granted := []string{"user:write", "scenarios:read", "admin:read", "scenarios:read"}
	if diff := cmp.Diff([]string{"scenarios:run", "teams:read"}, Missing(want, granted)); diff != "" {
		t.Errorf("Missing (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"admin:read", "user:write"}, Beyond(granted, want)); diff != "" {
		t.Errorf("Beyond (-want +got):\n%s", diff)
	}
	if got := Missing(want, want); got != nil {
		t.Errorf("Missing() = %v where nothing is", got)
	}
}

// sentences prints findings, nil for none.
func sentences[T interface{ String() string }](findings []T) []string {
	var all []string
	for _, f := range findings {
		all = append(all, f.String())
	}
	return all
}

func BenchmarkJudgeConnection(b *testing.B) {
	c := Connection{Scopes: []string{"scenarios:read", "scenarios:run", "datastores:read", "user:write", "teams:read"}}
	for range 10 {
		c.Consumers = append(c.Consumers, Consumer{Name: "c", Scopes: []string{"scenarios:read", "teams:read"}})
	}
	b.ReportAllocs()
	for b.Loop() {
		JudgeConnection(c, Rules{})
	}
}
