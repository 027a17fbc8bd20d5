package smoke

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take on a busy machine.
const patience = 90 * time.Second

// cluster is one that a test started.
type cluster struct {
	t   *testing.T
	dir string
	// network is the cluster's network namespace, if it has one of its own.
	network string
	binary  string
	up      *exec.Cmd
	// node is the process that runs Pods as local processes, if the test started one.
	node   *os.Process
	output bytes.Buffer
	ended  chan error
}

// start runs `devcluster up` and waits for its ready file.
func start(t *testing.T, dir string, flags ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: dir, binary: os.Getenv("DEVCLUSTER"), ended: make(chan error, 1)}
	c.up = exec.Command(c.binary, append([]string{"up", "--dir", dir}, flags...)...)
	c.up.Stdout, c.up.Stderr = &c.output, &c.output
	c.up.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that a test can press Ctrl-C
	begin := time.Now()
	if err := c.up.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.ended <- c.up.Wait() }()
	t.Cleanup(func() { _ = exec.Command(c.binary, "down", "--dir", dir).Run() })
	var ready struct {
		PID  int
		Node *struct{ InitPID int }
	}
	c.eventually("the cluster is ready", func() error {
		if err := c.readJSON("ready", &ready); err != nil {
			return err
		}
		return expectPID(ready.PID, c.up.Process.Pid)
	})
	if ready.Node != nil {
		c.network, _ = os.Readlink(fmt.Sprintf("/proc/%d/ns/net", ready.Node.InitPID))
	}
	t.Logf("up %v: ready after %s", flags, time.Since(begin).Round(100*time.Millisecond))
	return c
}

// end sends signals and waits until up has ended.
func (c *cluster) end(what string, kill func() error) {
	c.t.Helper()
	begin := time.Now()
	if err := kill(); err != nil {
		c.t.Fatal(err)
	}
	select {
	case <-c.ended:
	case <-time.After(patience):
		c.t.Fatalf("%s: up did not end", what)
	}
	c.eventually("nothing is left", func() error { return leftovers(c.dir, c.network) })
	c.t.Logf("%s: nothing is left after %s", what, time.Since(begin).Round(100*time.Millisecond))
}

func (c *cluster) command(args ...string) *exec.Cmd { return exec.Command(c.binary, args...) }

func (c *cluster) kubectl(args ...string) string {
	c.t.Helper()
	out, err := c.tryKubectl(args...)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

func (c *cluster) tryKubectl(args ...string) (string, error) {
	cmd := c.command(append([]string{"kubectl", "--kubeconfig", filepath.Join(c.dir, "admin.kubeconfig")}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// deploy applies the test's objects and waits until the Deployment is available.
func (c *cluster) deploy() {
	c.t.Helper()
	c.kubectl("apply", "-f", "app.yaml")
	begin := time.Now()
	c.kubectl("-n", "smoke", "rollout", "status", "deployment/app", "--timeout", patience.String())
	c.t.Logf("rolled out after %s", time.Since(begin).Round(100*time.Millisecond))
}

// eventually polls until check passes.
func (c *cluster) eventually(what string, check func() error) {
	c.t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	c.t.Fatalf("%s: %v\n%s", what, err, c.output.String())
}

// readJSON reads a file that the cluster wrote.
func (c *cluster) readJSON(file string, into any) error {
	data, err := os.ReadFile(filepath.Join(c.dir, file))
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// expectPID tells a ready file from one that an earlier process left.
func expectPID(have, want int) error {
	if have != want {
		return fmt.Errorf("ready file of process %d, not %d", have, want)
	}
	return nil
}
