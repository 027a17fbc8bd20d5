package bench

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serverCore is the core that servers are pinned to where taskset can do that; everything else runs where it likes.
const serverCore = "1"

// process is a server under measurement.
type process struct {
	cmd *exec.Cmd
}

// startProcess starts a server, pinned, with more environment. It ends with the benchmark.
func startProcess(b *testing.B, env []string, program string, arguments ...string) *process {
	b.Helper()
	if taskset, err := exec.LookPath("taskset"); err == nil {
		program, arguments = taskset, append([]string{"-c", serverCore, program}, arguments...)
	}
	cmd := exec.CommandContext(context.WithoutCancel(b.Context()), program, arguments...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a gateway has children
	log, err := os.Create(filepath.Join(b.TempDir(), "server.log"))
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if b.Failed() {
			content, _ := os.ReadFile(log.Name())
			b.Logf("%s", content)
		}
	})
	return &process{cmd: cmd}
}

// family are the process and its descendants.
func (p *process) family() []int {
	family := []int{p.cmd.Process.Pid}
	for i := 0; i < len(family); i++ {
		children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", family[i]))
		for _, file := range children {
			content, _ := os.ReadFile(file)
			for field := range strings.FieldsSeq(string(content)) {
				if pid, err := strconv.Atoi(field); err == nil {
					family = append(family, pid)
				}
			}
		}
	}
	return family
}

// cpu is the processor time that the family has used.
func (p *process) cpu() time.Duration {
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
	var ticks int64
	for _, pid := range p.family() {
		content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, rest, _ := strings.Cut(string(content), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 13 {
			continue
		}
		for _, field := range fields[11:13] { // utime, stime
			n, _ := strconv.ParseInt(field, 10, 64)
			ticks += n
		}
	}
	return time.Duration(ticks) * tick
}

// rss is the family's resident memory, in MiB.
func (p *process) rss() float64 {
	var kib int64
	for _, pid := range p.family() {
		content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for line := range strings.Lines(string(content)) {
			if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
				n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
				kib += n
			}
		}
	}
	return float64(kib) / 1024
}

// awaitStatus polls until a URL answers 200 and returns how long that took.
func awaitStatus(b *testing.B, url string) time.Duration {
	b.Helper()
	begun := time.Now()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for at := range ticker.C {
		resp, err := http.Get(url)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return time.Since(begun)
			}
		}
		if at.Sub(begun) > 30*time.Second {
			break
		}
	}
	b.Fatalf("%s does not answer", url)
	return 0
}

func freeAddress(b *testing.B) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
