package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// errNotRoot and errNotBuilt are why a Linux machine has no real node.
var (
	errNotRoot  = errors.New("a real node needs root")
	errNotBuilt = errors.New("the node's binaries are not built (build part \"node\")")
)

// Available returns nil where a real node can run, else why it cannot.
func Available() error {
	if os.Geteuid() != 0 {
		return errNotRoot
	}
	t, err := findTools()
	if err != nil {
		return err
	}
	for _, name := range []string{"runc", "nft"} {
		if _, err := t.find(name); err != nil {
			return err
		}
	}
	if len(hierarchies()) == 0 {
		return errors.New("a real node needs cgroups in " + cgroupRoot)
	}
	return nil
}

// tools are the programs of a node: our own in dir, Debian's unpacked below it or installed.
type tools struct {
	self, dir string
}

func findTools() (tools, error) {
	self, err := os.Executable()
	if err != nil {
		return tools{}, fmt.Errorf("find own binary: %w", err)
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return tools{}, fmt.Errorf("find own binary: %w", err)
	}
	dir, err := filepath.EvalSymlinks(filepath.Join(filepath.Dir(self), "node"))
	if err != nil {
		return tools{}, errNotBuilt
	}
	return tools{self: self, dir: dir}, nil
}

// path is the search path for all processes of the node.
func (t tools) path() []string {
	return []string{
		t.dir, filepath.Join(t.dir, "deb/usr/sbin"), filepath.Join(t.dir, "deb/usr/bin"),
		"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin",
	}
}

func (t tools) find(name string) (string, error) {
	for _, dir := range t.path() {
		if found, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("a real node needs %s, which is not installed", name)
}

// environment adds the libraries of Debian's unpacked programs.
func (t tools) environment() []string {
	var libraries []string
	for _, pattern := range []string{"deb/usr/lib/*-linux-gnu*", "deb/lib/*-linux-gnu*"} {
		found, _ := filepath.Glob(filepath.Join(t.dir, pattern))
		libraries = append(libraries, found...)
	}
	env := []string{"PATH=" + strings.Join(t.path(), ":"), "HOME=/root"}
	if len(libraries) != 0 {
		env = append(env, "LD_LIBRARY_PATH="+strings.Join(libraries, ":"))
	}
	return env
}
