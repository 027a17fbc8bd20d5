package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// cache is the folder that all checkouts of a user share.
type cache struct {
	root string
	// controlPlane and node are the folders of this checkout's versions, named by what goes into them.
	// The sources of node are a subset of those of controlPlane, so one controlPlane has one node.
	controlPlane, node string
}

func openCache() (*cache, error) {
	base := os.Getenv("XDG_CACHE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, fmt.Errorf("find cache folder: %w", err)
		}
		base = filepath.Join(home, ".cache")
	}
	root := filepath.Join(base, "make-operator", "devcluster")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, fmt.Errorf("create cache folder: %w", err)
	}
	out, err := exec.Command("go", "env", "GOVERSION", "GOOS", "GOARCH").Output()
	if err != nil {
		return nil, fmt.Errorf("ask go for its version: %w", err)
	}
	all, err := keyOf(os.DirFS("."), string(out), ".")
	if err != nil {
		return nil, err
	}
	node, err := keyOf(os.DirFS("."), string(out), "cmd", "build/compile.go", "build/targets.go")
	if err != nil {
		return nil, err
	}
	return &cache{root: root, controlPlane: filepath.Join(root, "control-plane-"+all), node: filepath.Join(root, "node-"+node)}, nil
}

// keyOf identifies what a build depends on: the toolchain, the module files and the Go sources, tests
// excepted, under the given paths.
func keyOf(module fs.FS, toolchain string, paths ...string) (string, error) {
	files := []string{"go.mod", "go.sum"}
	for _, top := range paths {
		err := fs.WalkDir(module, top, func(path string, _ fs.DirEntry, err error) error {
			if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return "", fmt.Errorf("list sources: %w", err)
		}
	}
	slices.Sort(files)
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n", toolchain)
	for _, path := range files {
		data, err := fs.ReadFile(module, path)
		if err != nil {
			return "", fmt.Errorf("read source: %w", err)
		}
		fmt.Fprintf(sum, "%s %x\n", path, sha256.Sum256(data))
	}
	return hex.EncodeToString(sum.Sum(nil)[:12]), nil
}

// lock keeps other builds out; the kernel frees it when this process ends.
func (c *cache) lock() (func(), error) {
	f, err := os.OpenFile(filepath.Join(c.root, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	waiting := time.Now()
	var announced time.Time
	for ; ; time.Sleep(100 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock cache folder: %w", err)
		}
		if time.Since(announced) > 5*time.Second {
			fmt.Printf("devcluster build: waiting for another build on this machine, %s\n", time.Since(waiting).Round(time.Second))
			announced = time.Now()
		}
	}
}

// ensure returns dir, having built the targets into it if it was not there.
func (c *cache) ensure(dir string, targets []target) (string, error) {
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	removeUnfinishedIn(c.root)
	work, err := os.MkdirTemp(c.root, unfinished)
	if err != nil {
		return "", fmt.Errorf("create work folder: %w", err)
	}
	if err := compile(work, targets); err != nil {
		os.RemoveAll(work)
		return "", err
	}
	if err := os.Chmod(work, 0o755); err != nil {
		return "", fmt.Errorf("publish binaries: %w", err)
	}
	if err := os.Rename(work, dir); err != nil {
		return "", fmt.Errorf("publish binaries: %w", err)
	}
	return dir, nil
}

// unfinished starts the name of a folder that is being filled; under the lock every such folder but
// one's own was left by a build that was killed.
const unfinished = "unfinished-"

func removeUnfinished() {
	if c, err := openCache(); err == nil {
		removeUnfinishedIn(c.root)
	}
}

func removeUnfinishedIn(root string) {
	old, _ := filepath.Glob(filepath.Join(root, unfinished+"*"))
	for _, dir := range old {
		os.RemoveAll(dir)
	}
}
