package makeapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makeapi"
)

var update = flag.Bool("update", false, "rewrite the requests in testdata/exchanges")

// separator stands between the request and the answer of a golden exchange.
const separator = "\n----\n"

// Each case has a file in testdata/exchanges: the request as it must go over the
// wire, and the body that it is answered with.
func TestExchanges(t *testing.T) {
	tests := []struct {
		name string
		call func(context.Context, *makeapi.Zone, *makeapi.OAuth) (any, error)
		want any
	}{
		{
			name: "current-authorization",
			call: func(ctx context.Context, z *makeapi.Zone, _ *makeapi.OAuth) (any, error) {
				return z.CurrentAuthorization(ctx)
			},
			want: makeapi.Authorization{Scopes: []string{"scenarios:read", "user:read"}, AuthUsed: "token"},
		},
		{
			name: "me",
			call: func(ctx context.Context, z *makeapi.Zone, _ *makeapi.OAuth) (any, error) { return z.Me(ctx) },
			want: makeapi.User{ID: 7, Name: "Ada", Email: "ada@example.com", OrganizationIDs: []int64{42, 43}},
		},
		{
			name: "create-token",
			call: func(ctx context.Context, z *makeapi.Zone, _ *makeapi.OAuth) (any, error) {
				return z.CreateToken(ctx, "sales/crm", []string{"scenarios:read", "scenarios:run"})
			},
			want: makeapi.MintedToken{
				Value: "99999999-2222-4333-8444-555555555555", Created: "2026-03-01T12:00:00.123Z",
				Label: "sales/crm", Scopes: []string{"scenarios:read", "scenarios:run"},
			},
		},
		{
			name: "list-tokens",
			call: func(ctx context.Context, z *makeapi.Zone, _ *makeapi.OAuth) (any, error) { return z.ListTokens(ctx) },
			want: []makeapi.TokenInfo{{
				Masked: "99999999-****-****-****-************", Created: "2026-03-01T12:00:00.123Z",
				Label: "sales/crm", Scopes: []string{"scenarios:read"},
			}},
		},
		{
			name: "delete-token",
			call: func(ctx context.Context, z *makeapi.Zone, _ *makeapi.OAuth) (any, error) {
				return nil, z.DeleteToken(ctx, "2026-03-01T12:00:00.123Z")
			},
		},
		{
			name: "organization",
			call: func(ctx context.Context, z *makeapi.Zone, _ *makeapi.OAuth) (any, error) {
				return z.Organization(ctx, 42)
			},
			want: makeapi.Organization{ID: 42, Name: "Example", Zone: "eu1.make.com", APILimit: 1000},
		},
		{
			name: "teams",
			call: func(ctx context.Context, z *makeapi.Zone, _ *makeapi.OAuth) (any, error) { return z.Teams(ctx, 42) },
			want: []makeapi.Team{{ID: 7, Name: "Sales", OrganizationID: 42}},
		},
		{
			name: "scenarios-of-team",
			call: func(ctx context.Context, z *makeapi.Zone, _ *makeapi.OAuth) (any, error) {
				return z.Scenarios(ctx, 7, 42)
			},
			want: []makeapi.Scenario{{
				ID: 1, Name: "Enrich lead", Description: "Looks a lead up.", TeamID: 7, Active: true,
				Scheduling: makeapi.Scheduling{Type: makeapi.OnDemand}, LastEdit: "2026-02-01T08:00:00.000Z",
			}},
		},
		{
			name: "scenarios-of-organization",
			call: func(ctx context.Context, z *makeapi.Zone, _ *makeapi.OAuth) (any, error) {
				return z.Scenarios(ctx, 0, 42)
			},
			want: []makeapi.Scenario(nil),
		},
		{
			name: "scenario",
			call: func(ctx context.Context, z *makeapi.Zone, _ *makeapi.OAuth) (any, error) { return z.Scenario(ctx, 2) },
			want: makeapi.Scenario{
				ID: 2, Name: "Nightly", TeamID: 7, Paused: true, Invalid: true,
				Scheduling: makeapi.Scheduling{Type: "indefinitely", Interval: 900},
			},
		},
		{
			name: "scenario-interface",
			call: func(ctx context.Context, z *makeapi.Zone, _ *makeapi.OAuth) (any, error) {
				return z.ScenarioInterface(ctx, 1)
			},
			want: makeapi.Interface{Inputs: []makeapi.Parameter{
				{Name: "email", Type: "text", Help: "Who to look up.", Required: true, Multiline: true},
				{Name: "depth", Type: "number", Default: json.RawMessage("3")},
				{Name: "kind", Type: "select", Options: []json.RawMessage{json.RawMessage(`"lead"`), json.RawMessage(`"customer"`)}},
				{Name: "company", Type: "collection", Fields: []makeapi.Parameter{{Name: "vat", Type: "text"}}},
				{Name: "tags", Type: "array", Item: &makeapi.Parameter{Type: "text"}},
			}},
		},
		{
			name: "run-scenario",
			call: func(ctx context.Context, z *makeapi.Zone, _ *makeapi.OAuth) (any, error) {
				return z.RunScenario(ctx, 1, nil, false)
			},
			want: makeapi.Run{ExecutionID: "c0ffee", Status: makeapi.RunStarted},
		},
		{
			name: "run-scenario-responsive",
			call: func(ctx context.Context, z *makeapi.Zone, _ *makeapi.OAuth) (any, error) {
				return z.RunScenario(ctx, 1, map[string]any{"email": "a@example.com"}, true)
			},
			want: makeapi.Run{ExecutionID: "c0ffee", Status: makeapi.RunSuccess, Outputs: json.RawMessage(`{"score": 12}`)},
		},
		{
			name: "run-scenario-failed",
			call: func(ctx context.Context, z *makeapi.Zone, _ *makeapi.OAuth) (any, error) {
				return z.RunScenario(ctx, 1, nil, true)
			},
			want: makeapi.Run{ExecutionID: "c0ffee", Status: makeapi.RunError, Error: "The CRM did not answer."},
		},
		{
			name: "exchange-code",
			call: func(ctx context.Context, _ *makeapi.Zone, o *makeapi.OAuth) (any, error) {
				return withoutRaw(o.Exchange(ctx, "code-value", "verifier-value"))
			},
			want: makeapi.TokenResponse{
				AccessToken: accessToken, RefreshToken: refreshToken, TokenType: "Bearer",
				Scopes: []string{"scenarios:read", "openid"}, ExpiresIn: 5 * time.Minute, Received: now,
			},
		},
		{
			name: "refresh",
			call: func(ctx context.Context, _ *makeapi.Zone, o *makeapi.OAuth) (any, error) {
				return withoutRaw(o.Refresh(ctx, refreshToken))
			},
			want: makeapi.TokenResponse{
				AccessToken: accessToken, RefreshToken: "refresh-value-2", TokenType: "Bearer",
				ExpiresIn: time.Hour, Received: now,
			},
		},
		{
			name: "revoke",
			call: func(ctx context.Context, _ *makeapi.Zone, o *makeapi.OAuth) (any, error) {
				return nil, o.Revoke(ctx, refreshToken)
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join("testdata", "exchanges", tt.name+".http")
			request, answer := readExchange(t, file)
			var sent []string
			client, zone := serve(t, func(w http.ResponseWriter, r *http.Request) {
				sent = append(sent, dump(t, r))
				answerJSON(w, http.StatusOK, answer)
			})
			got, err := tt.call(t.Context(), client.Zone(zone, makeapi.APIToken(apiToken)), client.OAuth(zone, confidential()))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			if len(sent) != 1 {
				t.Fatalf("%d requests were sent, want 1", len(sent))
			}
			if *update {
				writeExchange(t, file, sent[0], answer)
				return
			}
			if diff := cmp.Diff(request, sent[0]); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

// withoutRaw drops the body from a token response, so that the rest can be compared.
func withoutRaw(t makeapi.TokenResponse, err error) (makeapi.TokenResponse, error) {
	t.Raw = nil
	return t, err
}

// dump writes a request the way the golden files show it. The order of headers is
// alphabetical and the host, which differs from run to run, is left out.
func dump(t *testing.T, r *http.Request) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	var b strings.Builder
	b.WriteString(r.Method + " " + r.RequestURI + "\n")
	var names []string
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		b.WriteString(name + ": " + strings.Join(r.Header[name], ", ") + "\n")
	}
	b.WriteString("\n" + string(body))
	return b.String()
}

func readExchange(t *testing.T, file string) (request, answer string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, after, ok := bytes.Cut(content, []byte(separator))
	if !ok {
		t.Fatalf("%s has no separator", file)
	}
	return string(before), string(bytes.TrimSpace(after))
}

func writeExchange(t *testing.T, file, request, answer string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(request+separator+answer+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}
