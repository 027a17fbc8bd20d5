package clients

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/makeops/make-operator/internal/makesim"
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
	modules := install(t)
	dir := t.TempDir()
	source, err := fs.Sub(scripts, "node")
	if err == nil {
		err = os.CopyFS(dir, source)
	}
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

// install returns the folder of the clients and what they need. It installs them into the user's cache, once for
// each content of package-lock.json.
func install(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed; Make's own clients are not tested", program)
		}
	}
	lock, err := scripts.ReadFile("node/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(lock)
	dir := filepath.Join(cache, "make-operator", "clients-"+hex.EncodeToString(sum[:8]))
	modules := filepath.Join(dir, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules
	}
	download(t, dir, lock)
	return modules
}

// download installs beside the folder and moves it there when it is complete.
func download(t *testing.T, dir string, lock []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(dir), 0o750); err != nil {
		t.Fatal(err)
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), "installing-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(fresh) }() // is not there if all went well
	manifest, err := scripts.ReadFile("node/package.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"package.json": manifest, "package-lock.json": lock} {
		if err := os.WriteFile(filepath.Join(fresh, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = fresh
	if out, err := cmd.CombinedOutput(); err != nil {
		out = bytes.TrimSpace(out)
		if os.Getenv("CI") != "" {
			t.Fatalf("npm ci: %v\n%s", err, out)
		}
		t.Skipf("Make's own clients are not tested: npm ci: %v\n%s", err, out)
	}
	if err := os.Rename(fresh, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
}
