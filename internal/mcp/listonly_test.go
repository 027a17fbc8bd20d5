package mcp_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/mcp"
	mcpprobe "github.com/makeops/make-operator/internal/mcp/probe"
)

func TestListOnlyRuleSeesToolsAndCallsNone(t *testing.T) {
	e := start(t, func(c *mcp.Config) { c.Rules[0].ListOnly = true })
	want := slices.Concat(freeTools, readTools, runTools, []string{lead})
	if diff := cmp.Diff(sorted(want), sorted(e.toolNames(agent))); diff != "" {
		t.Errorf("tools (-want +got):\n%s", diff)
	}
	session := e.connect(agent, "")
	for name, args := range map[string]any{
		"users_me":      nil,
		"scenarios_run": map[string]any{"scenarioId": makesim.LeadScenarioID},
		lead:            map[string]any{"email": "a@b.c", "name": "A"},
	} {
		if _, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: name, Arguments: args}); err == nil {
			t.Errorf("%s was called", name)
		}
	}
}

func TestListOnlyRuleTakesNothingFromAnotherRule(t *testing.T) {
	e := start(t, func(c *mcp.Config) {
		c.Rules = append(c.Rules, mcp.Rule{Issuer: issuer, Subjects: []string{reader}, Scopes: c.Scopes, ListOnly: true})
	})
	if res := e.call(e.connect(reader, ""), "scenarios_list", map[string]any{"teamId": makesim.TeamID}); res.IsError {
		t.Error(text(res))
	}
}

func TestProbeOfThisServer(t *testing.T) {
	e := start(t, func(c *mcp.Config) { c.Rules[0].ListOnly = true })
	address := strings.TrimSuffix(strings.TrimPrefix(e.url, "http://"), "/mcp")
	got, err := mcpprobe.Client{}.Probe(t.Context(), address, resource, e.token(agent, nil))
	if err != nil {
		t.Fatal(err)
	}
	want := mcpprobe.Handshake{Name: "make-mcp", Version: "test", Tools: 14, ProtocolVersions: got.ProtocolVersions}
	if diff := cmp.Diff(want, got); diff != "" || len(got.ProtocolVersions) < 2 || got.ProtocolVersions[0] != "2026-07-28" {
		t.Errorf("protocol versions %v, handshake (-want +got):\n%s", got.ProtocolVersions, diff)
	}
	if _, err := (mcpprobe.Client{}).Probe(t.Context(), address, resource, e.token(guest, nil)); err == nil || err.Error() != "the server answered 403 Forbidden" {
		t.Errorf("without a rule: %v", err)
	}
}
