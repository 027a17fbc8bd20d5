package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ensureDebian returns a folder with runc and nft, unpacked from Debian's packages without installing
// them; empty when the machine has both already. runc is not built here because it needs cgo for
// seccomp, nft because it is no Go program.
func (c *cache) ensureDebian() (string, error) {
	if installed("runc") && installed("nft") {
		return "", nil
	}
	release, err := os.ReadFile("/etc/debian_version")
	if err != nil || !installed("apt-get") || !installed("dpkg") {
		return "", fmt.Errorf("not installed, and this is not Debian")
	}
	dir := filepath.Join(c.root, "debian-"+strings.ReplaceAll(strings.TrimSpace(string(release)), "/", "-"))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	work, err := os.MkdirTemp(c.root, unfinished)
	if err != nil {
		return "", fmt.Errorf("create work folder: %w", err)
	}
	defer os.RemoveAll(work)
	begin := time.Now()
	fmt.Println("devcluster build: runc, nftables: downloading from Debian")
	if err := unpackDebian(work); err != nil {
		return "", err
	}
	if err := os.Rename(filepath.Join(work, "root"), dir); err != nil {
		return "", fmt.Errorf("publish packages: %w", err)
	}
	fmt.Printf("devcluster build: runc, nftables: done, %s\n", time.Since(begin).Round(time.Second))
	return dir, nil
}

// unpackDebian downloads the packages with those dependencies that the machine lacks, and unpacks
// them into work/root. The machine's own package lists and archives stay as they are.
func unpackDebian(work string) error {
	options := []string{"-q", "-o", "Dir::State::lists=" + filepath.Join(work, "lists"), "-o", "Dir::Cache=" + filepath.Join(work, "cache")}
	for _, dir := range []string{"lists/partial", "cache/archives/partial", "root"} {
		if err := os.MkdirAll(filepath.Join(work, dir), 0o755); err != nil {
			return fmt.Errorf("create work folder: %w", err)
		}
	}
	download := []string{"--yes", "--download-only", "--no-install-recommends", "install", "runc", "nftables"}
	for _, args := range [][]string{{"update"}, download} {
		out, err := exec.Command("apt-get", append(options, args...)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("apt-get %s: %w: %s", args[len(args)-1], err, lastLine(out))
		}
	}
	files, err := filepath.Glob(filepath.Join(work, "cache/archives/*.deb"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("apt-get downloaded nothing")
	}
	for _, file := range files {
		if out, err := exec.Command("dpkg", "-x", file, filepath.Join(work, "root")).CombinedOutput(); err != nil {
			return fmt.Errorf("unpack %s: %w: %s", filepath.Base(file), err, lastLine(out))
		}
	}
	return nil
}

func installed(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}
