package clients

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/testkit/mcpenv"
	"github.com/makeops/make-operator/internal/testkit/npm"
)

//go:embed mcp
var mcpScripts embed.FS

// leadTool is the tool of makesim's sample scenario.
const leadTool = "scenario_501_create_a_crm_lead"

// mcpClients are foreign clients of a make-mcp, in a folder with their packages.
type mcpClients struct {
	dir, url, token string
}

func startMCP(t *testing.T) *mcpClients {
	t.Helper()
	modules := npm.MCP(t)
	c := &mcpClients{dir: t.TempDir()}
	source, err := fs.Sub(mcpScripts, "mcp")
	if err == nil {
		err = os.CopyFS(c.dir, source)
	}
	if err == nil {
		err = os.Symlink(modules, filepath.Join(c.dir, "node_modules"))
	}
	if err != nil {
		t.Fatal(err)
	}
	sim, err := makesim.NewTLSServer(makesim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	env, err := mcpenv.New(t.TempDir(), sim, []string{"scenarios:read", "scenarios:run", "datastores:read", "datastores:write"})
	if err != nil {
		t.Fatal(err)
	}
	server, err := env.Serve(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	if c.token, err = env.Token(mcpenv.Caller); err != nil {
		t.Fatal(err)
	}
	c.url = server.URL + "/mcp"
	return c
}

func (c *mcpClients) command(t *testing.T, node string, arguments ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), node, arguments...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "HOME="+c.dir, "MCP_URL="+c.url, "MCP_TOKEN="+c.token)
	return cmd
}

// run returns what a client prints to standard output.
func (c *mcpClients) run(t *testing.T, cmd *exec.Cmd) []byte {
	t.Helper()
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		t.Fatalf("%v: %v\n%s%s", cmd.Args, err, out, exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// result is what clients make of the answer to a call.
type result struct {
	IsError           bool
	Content           []struct{ Type, Text string }
	StructuredContent struct {
		Status  string
		Outputs map[string]string
		Keys    []string
	}
}

func (r result) checkRun(t *testing.T) {
	t.Helper()
	if r.IsError || r.StructuredContent.Status != "success" || r.StructuredContent.Outputs["leadId"] == "" {
		t.Errorf("run: %+v", r)
	}
}

// TestTypeScriptSDKs lets both generations of the SDK list and call, in every era that they speak.
func TestTypeScriptSDKs(t *testing.T) {
	for name, tt := range map[string]struct {
		script, era, protocol string
		asks                  bool // the client can ask its user
	}{
		"SDK 1":         {"sdk1.mjs", "", "2025-11-25", false},
		"SDK 2, legacy": {"sdk2.mjs", "legacy", "2025-11-25", false},
		"SDK 2, modern": {"sdk2.mjs", "modern", "2026-07-28", true},
	} {
		t.Run(name, func(t *testing.T) {
			c := startMCP(t)
			cmd := c.command(t, "node", tt.script)
			cmd.Env = append(cmd.Env, "MCP_ERA="+tt.era)
			var got struct {
				Protocol    string
				Tools       []string
				Run, Remove result
			}
			if err := json.Unmarshal(c.run(t, cmd), &got); err != nil {
				t.Fatal(err)
			}
			if got.Protocol != tt.protocol || !slices.Contains(got.Tools, leadTool) || !slices.Contains(got.Tools, "users_me") {
				t.Errorf("protocol %s, tools %q", got.Protocol, got.Tools)
			}
			got.Run.checkRun(t)
			if got.Remove.IsError == tt.asks || tt.asks != slices.Equal(got.Remove.StructuredContent.Keys, []string{"c-1"}) {
				t.Errorf("removal, agreed to where the client can ask: %+v", got.Remove)
			}
		})
	}
}

// TestInspector lists and calls with the command line of the official inspector, in both eras. It also judges the schemas.
func TestInspector(t *testing.T) {
	for _, era := range []string{"legacy", "modern"} {
		t.Run(era, func(t *testing.T) {
			c := startMCP(t)
			node := npm.Node(t, filepath.Join(c.dir, "node_modules"))
			inspect := func(arguments ...string) []byte {
				cli := []string{"node_modules/.bin/inspector", "--cli", c.url, "--transport", "http", "--protocol-era", era, "--header", "Authorization: Bearer " + c.token}
				return c.run(t, c.command(t, node, append(cli, arguments...)...))
			}
			var list struct{ Tools []struct{ Name string } }
			if err := json.Unmarshal(inspect("--method", "tools/list", "--strict"), &list); err != nil {
				t.Fatal(err)
			}
			if len(list.Tools) < 20 {
				t.Errorf("tools %+v", list.Tools)
			}
			var run result
			if err := json.Unmarshal(inspect("--method", "tools/call", "--tool-name", leadTool, "--tool-arg", "email=a@b.example", "name=Ann"), &run); err != nil {
				t.Fatal(err)
			}
			run.checkRun(t)
		})
	}
}

// TestMCPRemote speaks through the bridge that desktop clients use, which takes standard input and output.
func TestMCPRemote(t *testing.T) {
	c := startMCP(t)
	cmd := c.command(t, "node", "node_modules/.bin/mcp-remote", c.url, "--allow-http", "--transport", "http-only", "--header", "Authorization: Bearer "+c.token)
	var log bytes.Buffer
	cmd.Stderr = &log
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.CommandTransport{Command: cmd}, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	defer func() { _ = session.Close() }()
	var names []string
	for tool, err := range session.Tools(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, tool.Name)
	}
	if !slices.Contains(names, leadTool) {
		t.Errorf("tools %q", names)
	}
	got, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: leadTool, Arguments: map[string]any{"email": "a@b.example", "name": "Ann"}})
	if err != nil {
		t.Fatal(err)
	}
	text, ok := got.Content[0].(*mcp.TextContent)
	if !ok || got.IsError || !strings.Contains(text.Text, `"leadId"`) {
		t.Errorf("run: %s", cmp.Diff(nil, got))
	}
}
