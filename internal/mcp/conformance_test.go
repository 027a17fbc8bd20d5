package mcp_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/mcp"
	"github.com/makeops/make-operator/internal/testkit/mcpenv"
	"github.com/makeops/make-operator/internal/testkit/npm"
	"github.com/makeops/make-operator/test/conformance/everything"
)

// withoutSessions are the scenarios of 2025-11-25 that need a session, which a stateless server does not have: the server asks the client
// something in the middle of a call.
var withoutSessions = []string{"tools-call-sampling", "tools-call-elicitation", "elicitation-sep1034-defaults", "elicitation-sep1330-enums"}

// TestConformance runs the official suite against the whole chain: front with authentication, SDK, dispatcher. The suite's fixtures are
// beside the real tools.
func TestConformance(t *testing.T) {
	modules := npm.MCP(t)
	node := npm.Node(t, modules)
	for revision, want := range map[string]struct {
		scenarios int
		baseline  []string
		unchecked []string // counted as passed by the suite, which found nothing to check: multiple streams need a session
		unscored  []string // the suite runs them too, but no revision requires them; not even the SDK has tasks
	}{
		"2026-07-28": {37, nil, nil, []string{"tasks-", "json-schema-2020-12", "http-header-validation", "http-custom-header-server-validation"}},
		"2025-11-25": {30, withoutSessions, []string{"server-sse-multiple-streams"}, []string{"server-session-lifecycle", "json-schema-2020-12", "server-sse-polling"}},
	} {
		t.Run(revision, func(t *testing.T) {
			out := t.TempDir()
			cmd := exec.CommandContext(t.Context(), node, filepath.Join(modules, "@modelcontextprotocol", "conformance", "dist", "index.js"),
				"server", "--url", conformanceServer(t), "--requirements", revision, "--output-dir", out)
			cmd.Env = append(os.Environ(), "HOME="+out)
			log, runErr := cmd.CombinedOutput() // its exit code also counts what is baselined
			got := readChecks(t, out, want.unscored)
			if !slices.Equal(sorted(want.baseline), got["failed"]) || !slices.Equal(want.unchecked, got["unchecked"]) {
				t.Errorf("failed %q, want %q; not checked %q, want %q; the suite: %v\n%s",
					got["failed"], want.baseline, got["unchecked"], want.unchecked, runErr, log)
			}
			if n := len(got["passed"]) + len(got["failed"]) + len(got["unchecked"]); n != want.scenarios {
				t.Errorf("%d scenarios were run, want %d: passed %q", n, want.scenarios, got["passed"])
			}
		})
	}
}

// conformanceServer serves what the suite asks for. A shim in front adds the caller's token, which the suite cannot.
func conformanceServer(t *testing.T) string {
	t.Helper()
	sim, err := makesim.NewTLSServer(makesim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	env, err := mcpenv.New(t.TempDir(), sim, allScopes())
	if err != nil {
		t.Fatal(err)
	}
	server, err := mcp.NewWithFixtures(env.Config, mcp.Options{Audit: io.Discard, Log: slog.New(slog.DiscardHandler)}, everything.Configure,
		func(s *sdk.Server) { everything.Register(t.Context(), s) })
	if err != nil {
		t.Fatal(err)
	}
	token, err := env.Token(mcpenv.Caller)
	if err != nil {
		t.Fatal(err)
	}
	shim := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+token)
		server.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(shim.Close)
	return shim.URL + "/mcp"
}

// readChecks returns the scenarios that passed, failed, or found nothing to check but the form of messages, sorted.
func readChecks(t *testing.T, dir string, unscored []string) map[string][]string {
	t.Helper()
	got := map[string][]string{}
	files, err := filepath.Glob(filepath.Join(dir, "*", "checks.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := scenarioName(file)
		if slices.ContainsFunc(unscored, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var checks []check
		if err := json.Unmarshal(raw, &checks); err != nil {
			t.Fatal(err)
		}
		got[verdict(checks)] = append(got[verdict(checks)], name)
	}
	for _, names := range got {
		slices.Sort(names)
	}
	return got
}

// check is one thing that a scenario looked at.
type check struct{ ID, Status string }

func verdict(checks []check) string {
	switch {
	case slices.ContainsFunc(checks, func(c check) bool { return c.Status == "FAILURE" }):
		return "failed"
	case slices.ContainsFunc(checks, func(c check) bool { return c.Status == "SUCCESS" && !strings.HasPrefix(c.ID, "wire-schema-") }):
		return "passed"
	default:
		return "unchecked"
	}
}

// runTime is what the suite appends to the name of a scenario's folder.
var runTime = regexp.MustCompile(`-\d{4}-\d\d-\d\dT[\d-]+Z$`)

// scenarioName is the name of the scenario whose results are in the file.
func scenarioName(path string) string {
	return runTime.ReplaceAllString(strings.TrimPrefix(filepath.Base(filepath.Dir(path)), "server-"), "")
}
