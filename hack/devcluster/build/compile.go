package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// quiet is how long the person may wait without a line.
const quiet = 5 * time.Second

// compile builds the targets into dir.
func compile(dir string, targets []target) error {
	begin := time.Now()
	total, err := countPackages(targets, begin)
	if err != nil {
		return err
	}
	flags, err := versionFlags()
	if err != nil {
		return err
	}
	for i, t := range targets {
		m := &meter{what: fmt.Sprintf("[%d/%d] %s", i+1, len(targets), t.name), begin: begin}
		m.status = func() string { return fmt.Sprintf("compiled %d packages of at most %d, then links", m.packages, total) }
		cmd := exec.Command("go", "build", "-v", "-ldflags="+flags, "-o", filepath.Join(dir, t.name), t.pkg)
		if err := m.run(cmd); err != nil {
			return err
		}
		m.say(fmt.Sprintf("done, %d packages compiled", m.packages))
	}
	return nil
}

// countPackages resolves the targets, downloading modules where needed, and counts what they are
// made of.
func countPackages(targets []target, begin time.Time) (int, error) {
	args := []string{"list", "-deps"}
	for _, t := range targets {
		args = append(args, t.pkg)
	}
	m := &meter{what: "modules", begin: begin}
	m.status = func() string { return fmt.Sprintf("downloaded %d", m.downloads) }
	cmd := exec.Command("go", args...)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := m.run(cmd); err != nil {
		return 0, err
	}
	return bytes.Count(out.Bytes(), []byte("\n")), nil
}

// versionFlags are the linker flags by which the components know their version; without them they
// carry a placeholder.
func versionFlags() (string, error) {
	out, err := goCommand(exec.Command("go", "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes")).Output()
	if err != nil {
		return "", fmt.Errorf("read the version of Kubernetes: %w", err)
	}
	version := strings.TrimSpace(string(out))
	part := strings.Split(strings.TrimPrefix(version, "v"), ".")
	if len(part) < 2 {
		return "", fmt.Errorf("read the version of Kubernetes: %q", version)
	}
	flags := []string{"-s", "-w"}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, v := range []string{
			"gitVersion=" + version, "gitMajor=" + part[0], "gitMinor=" + part[1],
			"gitTreeState=clean", "gitCommit=unknown", "buildDate=1970-01-01T00:00:00Z",
		} {
			flags = append(flags, "-X", pkg+"."+v)
		}
	}
	return strings.Join(flags, " "), nil
}

// goCommand sets the environment of a go command. The flags are those of the project's own builds, so
// that both share Go's build cache.
func goCommand(cmd *exec.Cmd) *exec.Cmd {
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false", "GOWORK=off")
	return cmd
}

// meter runs a go command and turns its output into progress lines.
type meter struct {
	what   string
	begin  time.Time
	status func() string

	mu                  sync.Mutex
	downloads, packages int
	problems            []string
}

func (m *meter) run(cmd *exec.Cmd) error {
	goCommand(cmd)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("run go: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run go: %w", err)
	}
	stop := make(chan struct{})
	go m.tick(stop)
	m.read(stderr)
	err = cmd.Wait()
	close(stop)
	if err != nil {
		return fmt.Errorf("run %s: %w\n%s", m.what, err, strings.Join(m.problems, "\n"))
	}
	return nil
}

// read counts the lines that go prints: downloads, packages as they are compiled, else a problem.
func (m *meter) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		m.mu.Lock()
		switch {
		case strings.HasPrefix(line, "go: downloading "):
			m.downloads++
		case !strings.ContainsAny(line, " :#"):
			m.packages++
		default:
			m.problems = append(m.problems, line)
		}
		m.mu.Unlock()
	}
}

func (m *meter) tick(stop <-chan struct{}) {
	t := time.NewTicker(quiet)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			m.mu.Lock()
			status := m.status()
			m.mu.Unlock()
			m.say(status)
		}
	}
}

func (m *meter) say(text string) {
	fmt.Printf("devcluster build: %s: %s, %s\n", m.what, text, time.Since(m.begin).Round(time.Second))
}
