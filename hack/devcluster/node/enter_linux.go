package node

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// EnterNetwork moves the calling thread into the network of the cluster whose Init is process pid, and
// ties the goroutine to it. The caller should go on to exec.
func EnterNetwork(pid int) error {
	runtime.LockOSThread()
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return fmt.Errorf("find the cluster's network: %w", err)
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the cluster's network: %w", err)
	}
	return nil
}

// Import gives image archives to the containerd of the cluster whose Init is process pid.
func Import(pid int, archives []string) error {
	t, err := findTools()
	if err != nil {
		return err
	}
	return importImages(t, filepath.Join(fmt.Sprintf("/proc/%d/root", pid), containerdS), archives)
}

func importImages(t tools, socket string, archives []string) error {
	ctr, err := t.find("ctr")
	if err != nil {
		return err
	}
	for _, archive := range archives {
		out, err := exec.Command(ctr, "--address", socket, "--namespace", "k8s.io", "images", "import", archive).CombinedOutput()
		if err != nil {
			return fmt.Errorf("import %s: %w: %s", archive, err, out)
		}
	}
	return nil
}
