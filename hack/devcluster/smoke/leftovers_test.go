package smoke

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// leftovers is an error that names what is left of a cluster by its folder and network namespace:
// processes, mounts, cgroups, state.
func leftovers(dir, network string) error {
	return errors.Join(processes(dir, network), mounts(dir), cgroups(dir), files(dir))
}

// processes looks for those that name the folder, work in it, or are in the cluster's network.
func processes(dir, network string) error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	var found error
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		work, _ := os.Readlink(filepath.Join("/proc", e.Name(), "cwd"))
		inside, _ := os.Readlink(filepath.Join("/proc", e.Name(), "ns/net"))
		if strings.Contains(string(line), dir) || strings.HasPrefix(work, dir) || network != "" && network == inside {
			text := strings.ReplaceAll(string(line), "\x00", " ")
			found = errors.Join(found, fmt.Errorf("process %d: %s (in %s, %s)", pid, text, work, inside))
		}
	}
	return found
}

func mounts(dir string) error {
	data, err := os.ReadFile("/proc/mounts")
	if err == nil && strings.Contains(string(data), dir) {
		return errors.New("a mount")
	}
	return nil
}

func cgroups(dir string) error {
	sum := sha256.Sum256([]byte(dir))
	name := "devcluster-" + hex.EncodeToString(sum[:4])
	for _, pattern := range []string{"/sys/fs/cgroup/" + name, "/sys/fs/cgroup/*/" + name} {
		if found, _ := filepath.Glob(pattern); len(found) != 0 {
			return fmt.Errorf("cgroups %v", found)
		}
	}
	return nil
}

// files allows logs, the lock and what the test asked for.
func files(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var found error
	for _, e := range entries {
		if e.Name() != "log" && e.Name() != "lock" && e.Name() != "pods-lock" && e.Name() != "audit.log" {
			found = errors.Join(found, fmt.Errorf("file %s", e.Name()))
		}
	}
	return found
}
