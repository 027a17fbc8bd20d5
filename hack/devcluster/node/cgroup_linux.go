package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const cgroupRoot = "/sys/fs/cgroup"

// hierarchies are the roots of the machine's cgroup trees: one for version 2, one for each controller
// for version 1.
func hierarchies() []string {
	if exists(filepath.Join(cgroupRoot, "cgroup.controllers")) {
		return []string{cgroupRoot}
	}
	found, _ := filepath.Glob(filepath.Join(cgroupRoot, "*/cgroup.procs"))
	var roots []string
	for _, file := range found {
		// Controllers that share a tree have links to it.
		if root, err := filepath.EvalSymlinks(filepath.Dir(file)); err == nil && !slices.Contains(roots, root) {
			roots = append(roots, root)
		}
	}
	return roots
}

// createCgroups makes the cgroup name, below which kubelet makes its own, in every hierarchy.
func createCgroups(name string) error {
	for _, root := range hierarchies() {
		if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
			return fmt.Errorf("create cgroup: %w", err)
		}
		if err := initialise(root, name); err != nil {
			return fmt.Errorf("initialise cgroup: %w", err)
		}
	}
	return nil
}

// initialise hands the controllers down. A version 1 cpuset is unusable until it has CPUs and memory.
func initialise(root, name string) error {
	if controllers, err := os.ReadFile(filepath.Join(root, "cgroup.controllers")); err == nil && root == cgroupRoot {
		for _, c := range strings.Fields(string(controllers)) {
			// Some are refused, on some machines; kubelet names the one it misses.
			_ = os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+"+c), 0o644)
		}
		return nil
	}
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(root, file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, name, file), value, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroups kills what is left in the cgroup name and removes it everywhere.
func removeCgroups(name string) error {
	var err error
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		err = nil
		for _, root := range hierarchies() {
			err = errors.Join(err, removeTree(filepath.Join(root, name)))
		}
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("remove cgroups: %w", err)
}

func removeTree(top string) error {
	var dirs []string
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return nil // a cgroup may vanish at any time
	})
	if err != nil {
		return err
	}
	slices.Reverse(dirs) // children before parents
	for _, dir := range dirs {
		killAll(dir)
		if removeErr := os.Remove(dir); removeErr != nil && !errors.Is(removeErr, fs.ErrNotExist) {
			err = removeErr
		}
	}
	return err
}

func killAll(dir string) {
	pids, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return
	}
	for _, field := range strings.Fields(string(pids)) {
		if pid, err := strconv.Atoi(field); err == nil && pid > 1 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
