package smoke

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const appImage = "localhost/smoke-app:dev"

func TestMain(m *testing.M) {
	if os.Getenv("DEVCLUSTER") == "" {
		fmt.Println("skipped: DEVCLUSTER does not name the devcluster binary")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// buildApp returns the test's program, built statically.
func buildApp(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", path, "./app")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build app: %v\n%s", err, out)
	}
	return path
}

// tempDir is a folder by its real name.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// shown asks the app what it was given.
func shown(client *http.Client, url string) (map[string]string, error) {
	response, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		return nil, fmt.Errorf("status %d: %s", response.StatusCode, text)
	}
	var values map[string]string
	return values, json.NewDecoder(response.Body).Decode(&values)
}

// checkApp checks what a Pod must see, and that a changed Secret reaches it.
func (c *cluster) checkApp(client *http.Client, url string) {
	c.t.Helper()
	values, err := shown(client, url)
	if err != nil {
		c.t.Fatal(err)
	}
	if values["password"] != "first" || values["GREETING"] != "first" || values["POD_IP"] == "" ||
		strings.Count(values["token"], ".") != 2 || !strings.HasPrefix(values["name"], "app-") {
		c.t.Fatalf("the Pod was given %v", values)
	}
	c.kubectl("-n", "smoke", "patch", "secret", "app", "-p", `{"stringData":{"password":"second"}}`)
	begin := time.Now()
	c.eventually("the changed Secret is in the Pod", func() error {
		values, err := shown(client, url)
		if err == nil && values["password"] != "second" {
			err = fmt.Errorf("password is %q", values["password"])
		}
		return err
	})
	c.t.Logf("changed Secret seen after %s", time.Since(begin).Round(10*time.Millisecond))
	if log := c.kubectl("-n", "smoke", "logs", "deployment/app", "--tail=1"); !strings.Contains(log, "listening") {
		c.t.Fatalf("logs: %q", log)
	}
}

// pods starts the node of local processes and returns a client that knows Services.
func (c *cluster) pods(app string) *http.Client {
	c.t.Helper()
	cmd := c.command("pods", "--dir", c.dir, "--image", appImage+"="+app)
	cmd.Stdout, cmd.Stderr = &c.output, &c.output
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	go cmd.Wait()
	c.node = cmd.Process
	var ready struct {
		HTTPProxy string
		PID       int
	}
	c.eventually("the local node is ready", func() error {
		if err := c.readJSON("pods-ready", &ready); err != nil {
			return err
		}
		return expectPID(ready.PID, cmd.Process.Pid)
	})
	proxy, err := url.Parse(ready.HTTPProxy)
	if err != nil {
		c.t.Fatal(err)
	}
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true}}
}

func TestLocalProcesses(t *testing.T) {
	app, dir := buildApp(t), tempDir(t)
	c := start(t, dir)
	client := c.pods(app)
	c.deploy()
	const service = "http://app.smoke.svc/"
	c.checkApp(client, service)

	t.Run("crash", func(t *testing.T) {
		_, _ = client.Get(service + "crash")
		c.eventually("a container was restarted", func() error {
			counts, err := c.tryKubectl("-n", "smoke", "get", "pods", "-o", "jsonpath={.items[*].status.containerStatuses[0].restartCount}")
			if err == nil && !strings.Contains(counts, "1") {
				err = fmt.Errorf("restart counts %q", counts)
			}
			return err
		})
		c.kubectl("-n", "smoke", "wait", "deployment/app", "--for=condition=Available", "--timeout", patience.String())
	})
	t.Run("rolling update", func(t *testing.T) {
		c.kubectl("-n", "smoke", "rollout", "restart", "deployment/app")
		c.kubectl("-n", "smoke", "rollout", "status", "deployment/app", "--timeout", patience.String())
	})
	t.Run("unsupported", func(t *testing.T) {
		c.kubectl("run", "odd", "--image=localhost/unknown:dev")
		c.eventually("the Pod says why it does not run", func() error {
			message, err := c.tryKubectl("get", "pod", "odd", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.message}")
			if err == nil && !strings.Contains(message, "no binary was given") {
				err = fmt.Errorf("message %q", message)
			}
			return err
		})
		c.kubectl("delete", "pod", "odd", "--timeout", patience.String())
	})
	t.Run("crash of the node", func(t *testing.T) {
		if err := c.node.Kill(); err != nil {
			t.Fatal(err)
		}
		c.eventually("no process of a Pod is left", func() error { return processes(filepath.Join(dir, "pods"), "") })
		client = c.pods(app)
		c.eventually("the Pods serve again", func() error {
			_, err := shown(client, service)
			return err
		})
	})
	c.end("SIGTERM", func() error { return c.up.Process.Signal(syscall.SIGTERM) })
}

func TestEndsOfAControlPlane(t *testing.T) {
	dir := tempDir(t)
	c := start(t, dir)
	if out, err := c.command("up", "--dir", dir).CombinedOutput(); err == nil || !strings.Contains(string(out), "is running in this folder") {
		t.Fatalf("a second up in the folder: %v: %s", err, out)
	}
	if err := c.up.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-c.ended

	parent := exec.Command("sleep", "1000")
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	c = start(t, dir, "--parent-pid", fmt.Sprint(parent.Process.Pid), "--audit-log", filepath.Join(dir, "audit.log"))
	other := start(t, tempDir(t))
	other.end("Ctrl-C", func() error { return syscall.Kill(-other.up.Process.Pid, syscall.SIGINT) })
	c.end("the parent's end", func() error {
		err := parent.Process.Kill()
		_ = parent.Wait()
		return err
	})
	if data, err := os.ReadFile(filepath.Join(dir, "audit.log")); err != nil || !strings.Contains(string(data), `"level":"Metadata"`) {
		t.Fatalf("audit log: %v", err)
	}
}

func TestRealNode(t *testing.T) {
	if out, err := exec.Command(os.Getenv("DEVCLUSTER"), "node-check").CombinedOutput(); err != nil {
		t.Skipf("%s", out)
	}
	app, dir := buildApp(t), tempDir(t)
	archive := filepath.Join(t.TempDir(), "app.tar")
	c := start(t, dir, "--node")
	for _, args := range [][]string{{"image", app, appImage, archive}, {"import", "--dir", dir, archive}} {
		if out, err := c.command(args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	c.deploy()
	ip := c.kubectl("-n", "smoke", "get", "service", "app", "-o", "jsonpath={.spec.clusterIP}")
	c.checkApp(&http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}, c.forward(net.JoinHostPort(ip, "80")))
	out, err := c.command("exec", "--dir", dir, "--", c.binary, "kubectl", "get", "--raw", "/readyz").CombinedOutput()
	if err != nil || string(out) != "ok" {
		t.Fatalf("exec: %v: %s", err, out)
	}
	other := start(t, tempDir(t), "--node")
	c.end("SIGKILL", func() error { return c.up.Process.Kill() })
	other.kubectl("get", "node", "node")
	other.end("Ctrl-C", func() error { return syscall.Kill(-other.up.Process.Pid, syscall.SIGINT) })

	again := start(t, dir, "--node")
	again.end("down", func() error { return again.command("down", "--dir", dir).Run() })
}

// forward returns the URL by which the host reaches an address in the cluster.
func (c *cluster) forward(to string) string {
	c.t.Helper()
	cmd := c.command("forward", "--dir", c.dir, "--to", to)
	out, err := cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	go cmd.Wait()
	line := make([]byte, 64)
	n, err := out.Read(line)
	if err != nil {
		c.t.Fatal(err)
	}
	return "http://" + strings.TrimSpace(string(line[:n])) + "/"
}
