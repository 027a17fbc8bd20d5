package clients

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestMCPServer speaks to Make's legacy MCP server, whose tools are the scenarios on demand.
func TestMCPServer(t *testing.T) {
	n := start(t)
	server := &mcp.CommandTransport{Command: n.command(t, "node_modules/@makehq/mcp-server/build/index.js")}
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), server, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()

	described := map[string]string{}
	for tool, err := range session.Tools(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		described[tool.Name] = tool.Description
	}
	if diff := cmp.Diff(map[string]string{
		"run_scenario_501": "Create a CRM lead (Creates a lead in the CRM and returns its number.)",
		"run_scenario_502": "Close a quarter (On demand, but switched off.)",
	}, described); diff != "" {
		t.Error(diff)
	}

	call := func(tool string, arguments map[string]any) (string, bool) {
		result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: arguments})
		if err != nil {
			t.Fatal(err)
		}
		content, ok := result.Content[0].(*mcp.TextContent)
		if !ok {
			t.Fatalf("%s: the content is not text", tool)
		}
		return content.Text, result.IsError
	}
	answer, failed := call("run_scenario_501", map[string]any{"email": "a@b.example", "name": "Ann"})
	outputs := map[string]string{}
	if err := json.Unmarshal([]byte(answer), &outputs); err != nil || failed {
		t.Fatalf("run: %v %s", err, answer)
	}
	if diff := cmp.Diff(map[string]string{"leadId": "L-1001", "email": "a@b.example", "status": "created"}, outputs); diff != "" {
		t.Error(diff)
	}
	for tool, arguments := range map[string]map[string]any{
		"run_scenario_501": {"name": "Ann"},                 // lacks an input
		"run_scenario_502": {"quarter": "2026-1"},           // is not active
		"run_scenario_901": {"what": "somebody else's one"}, // is not there
	} {
		if answer, failed := call(tool, arguments); !failed {
			t.Errorf("%s %v: %s", tool, arguments, answer)
		}
	}
}
