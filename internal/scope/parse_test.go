package scope

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name       string
		known      bool
		bad        bool
		wildcard   bool
		suggestion string
	}{
		{name: "scenarios:read", known: true},
		{name: "openid", known: true},
		{name: "organization-variables:write", known: true},
		{name: "future-things:use"},
		{name: "user:run"},
		{name: "*", bad: true, wildcard: true},
		{name: "*:*", bad: true, wildcard: true},
		{name: "*:read", bad: true, wildcard: true},
		{name: "admin:*", bad: true, wildcard: true},
		{name: "scenarios:*", bad: true, wildcard: true, suggestion: "scenarios:read"},
		{name: "users:*", bad: true, wildcard: true, suggestion: "user:read"},
		{name: "data-stores:read", bad: true, suggestion: "datastores:read"},
		{name: "data-stores:write", bad: true, suggestion: "datastores:write"},
		{name: "users:read", bad: true, suggestion: "user:read"},
		{name: "users:write", bad: true, suggestion: "user:write"},
		{name: "teams-variables:read", bad: true, suggestion: "team-variables:read"},
		{name: "organizations-variables:write", bad: true, suggestion: "organization-variables:write"},
		{name: "custom-properties:read", bad: true, suggestion: "custom-property-structures:read"},
		{name: "organization:read", bad: true, suggestion: "organizations:read"},
		{name: "data-structures:write", bad: true, suggestion: "udts:write"},
		{name: "Scenarios:Read", bad: true, suggestion: "scenarios:read"},
		{name: " scenarios:read ", bad: true, suggestion: "scenarios:read"},
		{name: "scenario:execute", bad: true, suggestion: "scenarios:run"},
		{name: "team_variables:list", bad: true, suggestion: "team-variables:read"},
		{name: "scenarios", bad: true, suggestion: "scenarios:read"},
		{name: "admin", bad: true},
		{name: "", bad: true},
		{name: ":", bad: true},
		{name: ":read", bad: true},
		{name: "scenarios:", bad: true, suggestion: "scenarios:read"},
		{name: "scenarios:read:write", bad: true},
		{name: "scenarios:read,scenarios:write", bad: true},
		{name: "scenarios:read\n", bad: true, suggestion: "scenarios:read"},
		{name: "9lives:read", bad: true},
		{name: "scénarios:read", bad: true},
		{name: strings.Repeat("a", 200) + ":read", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			info, err := Parse(tt.name)
			malformed, bad := errors.AsType[*FormError](err)
			if bad != tt.bad {
				t.Fatalf("Parse() = %+v, %v", info, err)
			}
			if bad {
				if malformed.Wildcard != tt.wildcard || malformed.Suggestion != tt.suggestion {
					t.Errorf("wildcard %v and suggestion %q, want %v and %q", malformed.Wildcard, malformed.Suggestion, tt.wildcard, tt.suggestion)
				}
				return
			}
			if known := info.Status != Unlisted; known != tt.known {
				t.Errorf("known is %v, want %v", known, tt.known)
			}
			if !tt.known && info.Risk != High {
				t.Errorf("risk is %v, want %v", info.Risk, High)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"scenarios:read", "openid", "admin:*", "*", "users:write", "Scenario:Execute", "", ":", "a:read", "\x00\xff:read"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		info, err := Parse(name)
		if err == nil {
			if info.Name != name || info.Risk < Low || info.Risk > Critical || info.Reason == "" {
				t.Errorf("Parse(%q) = %+v", name, info)
			}
			if strings.Contains(name, "*") {
				t.Errorf("Parse(%q) allows a wildcard", name)
			}
		}
		if malformed, ok := errors.AsType[*FormError](err); ok && malformed.Suggestion != "" {
			if suggested, ok := Lookup(malformed.Suggestion); !ok || suggested.Kind == Admin && strings.Contains(name, "*") {
				t.Errorf("Parse(%q) suggests %q", name, malformed.Suggestion)
			}
		}
		verdict := JudgeConnection(Connection{Scopes: []string{name}, Consumers: []Consumer{{Name: name, Scopes: []string{name}}}}, Rules{})
		if (err != nil) == verdict.Allowed() && err != nil {
			t.Errorf("malformed %q is allowed", name)
		}
		if message := verdict.Message(); len(message) > 1024 || !utf8.ValidString(message) || strings.ContainsAny(message, "\n\r") {
			t.Errorf("message for %q is %d bytes: %q", name, len(message), message)
		}
	})
}
