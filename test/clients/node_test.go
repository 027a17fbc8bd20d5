package clients

import (
	"embed"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/testkit/npm"
)

//go:embed node
var scripts embed.FS

// node is a folder with the scripts and the clients, and a makesim for them.
type node struct {
	dir string
	sim *makesim.TLSServer
	env []string
}

// start prepares a folder and a makesim, or skips the test where Node is missing.
func start(t *testing.T) *node {
	t.Helper()
	source, err := fs.Sub(scripts, "node")
	if err != nil {
		t.Fatal(err)
	}
	modules := npm.Install(t, source)
	dir := t.TempDir()
	err = os.CopyFS(dir, source)
	if err == nil {
		err = os.Symlink(modules, filepath.Join(dir, "node_modules"))
	}
	if err != nil {
		t.Fatal(err)
	}
	seed := makesim.DefaultSeed()
	delete(seed.Objects, "customPropertyStructures") // an organization has one, and the clients create it
	delete(seed.Objects, "customPropertyStructureItems")
	sim, err := makesim.NewTLSServer(makesim.Options{Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, sim.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return &node{dir: dir, sim: sim, env: append(os.Environ(),
		"HOME="+dir, // where the command line keeps its configuration
		"MAKE_API_KEY="+makesim.RootToken,
		"MAKE_ZONE="+sim.Zone,
		"MAKE_TEAM="+strconv.FormatInt(makesim.TeamID, 10),
		"NODE_EXTRA_CA_CERTS="+ca,
	)}
}

// command runs a script in the folder.
func (n *node) command(t *testing.T, script string, arguments ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", append([]string{script}, arguments...)...)
	cmd.Dir, cmd.Env = n.dir, n.env
	return cmd
}

// run returns what a script prints.
func (n *node) run(t *testing.T, script string, arguments ...string) []byte {
	t.Helper()
	out, err := n.command(t, script, arguments...).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		t.Fatalf("%s: %v\n%s%s", script, err, out, exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}
