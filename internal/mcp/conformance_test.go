package mcp_test

import (
	"encoding/json"
	"io"
	"io/fs"
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
		unscored  []string // the suite runs them too, but no revision requires them; not even the SDK has tasks
	}{
		"2026-07-28": {37, nil, []string{"tasks-", "json-schema-2020-12", "http-header-validation", "http-custom-header-server-validation"}},
		"2025-11-25": {30, withoutSessions, []string{"server-session-lifecycle", "json-schema-2020-12", "server-sse-polling"}},
	} {
		t.Run(revision, func(t *testing.T) {
			out := t.TempDir()
			cmd := exec.CommandContext(t.Context(), node, filepath.Join(modules, "@modelcontextprotocol", "conformance", "dist", "index.js"),
				"server", "--url", conformanceServer(t), "--requirements", revision, "--output-dir", out)
			cmd.Env = append(os.Environ(), "HOME="+out)
			log, runErr := cmd.CombinedOutput() // its exit code also counts what is baselined
			passed, failed := readChecks(t, out)
			unscored := func(name string) bool {
				return slices.ContainsFunc(want.unscored, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
			}
			passed, failed = slices.DeleteFunc(passed, unscored), slices.DeleteFunc(failed, unscored)
			if !slices.Equal(sorted(want.baseline), failed) {
				t.Errorf("failed: %q, want %q; the suite: %v\n%s", failed, want.baseline, runErr, log)
			}
			if len(passed)+len(failed) != want.scenarios {
				t.Errorf("%d scenarios passed and %d failed, want %d together: %q", len(passed), len(failed), want.scenarios, passed)
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

// readChecks returns the scenarios that passed and failed, sorted. The suite calls a scenario passed in which nothing was checked but the
// form of messages; here it has failed.
func readChecks(t *testing.T, dir string) (passed, failed []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Base(path) != "checks.json" {
			return err
		}
		raw, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			return err
		}
		var checks []struct{ ID, Status string }
		if err := json.Unmarshal(raw, &checks); err != nil {
			return err
		}
		name, ok := scenarioName(path), false
		for _, c := range checks {
			if c.Status == "FAILURE" {
				failed = append(failed, name)
				return nil
			}
			ok = ok || c.Status == "SUCCESS" && !strings.HasPrefix(c.ID, "wire-schema-")
		}
		if !ok {
			failed = append(failed, name)
			return nil
		}
		passed = append(passed, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sorted(passed), sorted(failed)
}

// runTime is what the suite appends to the name of a scenario's folder.
var runTime = regexp.MustCompile(`-\d{4}-\d\d-\d\dT[\d-]+Z$`)

// scenarioName is the name of the scenario whose results are in the file.
func scenarioName(path string) string {
	return runTime.ReplaceAllString(strings.TrimPrefix(filepath.Base(filepath.Dir(path)), "server-"), "")
}
