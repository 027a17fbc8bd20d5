package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Init is the role's main: it prepares the mounts, starts Run and collects processes that nobody waits
// for, until Run ends.
func Init(args []string) error {
	told, err := parseInside(args)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if err := mountAll(told); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(nodeName)); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	t, err := findTools()
	if err != nil {
		return err
	}
	listener, progress, ready := os.NewFile(listenerFD, "listener"), os.NewFile(progressFD, "progress"), os.NewFile(readyFD, "ready")
	run, err := os.StartProcess(t.self, []string{"devcluster", RoleRun, args[0]}, &os.ProcAttr{
		Env:   t.environment(),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr, listener, progress, ready},
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", RoleRun, err)
	}
	for _, f := range []*os.File{listener, progress, ready} {
		f.Close() // they are Run's now
	}
	go func() {
		for s := range signals {
			_ = run.Signal(s)
		}
	}()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return fmt.Errorf("wait for children: %w", err)
		case pid == run.Pid && status.ExitStatus() != 0:
			return fmt.Errorf("%s ended with status %d", RoleRun, status.ExitStatus())
		case pid == run.Pid:
			return nil
		}
	}
}

func parseInside(args []string) (inside, error) {
	var told inside
	if len(args) != 1 {
		return told, fmt.Errorf("want one argument")
	}
	if err := json.Unmarshal([]byte(args[0]), &told); err != nil {
		return told, fmt.Errorf("decode argument: %w", err)
	}
	return told, nil
}

// mountAll gives the cluster its own /proc, /run and /var. What it writes there stays there, except
// below the folders that are the host's business too.
func mountAll(told inside) error {
	t, err := findTools()
	if err != nil {
		return err
	}
	keep := []string{told.Dir, t.dir, filepath.Dir(t.self)}
	if told.AuditLog != "" {
		keep = append(keep, filepath.Dir(told.AuditLog))
	}
	back, err := remember(keep)
	if err != nil {
		return err
	}
	kubelet := filepath.Join(told.Dir, "node", "kubelet")
	if err := os.MkdirAll(kubelet, 0o700); err != nil {
		return fmt.Errorf("create kubelet folder: %w", err)
	}
	const upper, work = "/run/devcluster/upper", "/run/devcluster/work"
	steps := []mount{
		{"", "/", "", unix.MS_REC | unix.MS_PRIVATE, ""},
		{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=755"},
		{"overlay", "/var", "overlay", 0, "lowerdir=/var,upperdir=" + upper + ",workdir=" + work},
	}
	for _, m := range steps {
		if m.kind == "overlay" {
			if err := errors.Join(os.MkdirAll(upper, 0o755), os.MkdirAll(work, 0o755)); err != nil {
				return fmt.Errorf("create overlay folders: %w", err)
			}
		}
		if err := m.do(); err != nil {
			return err
		}
	}
	if err := restore(back); err != nil {
		return err
	}
	if err := os.MkdirAll("/var/lib/kubelet", 0o755); err != nil {
		return fmt.Errorf("create mount point: %w", err)
	}
	for _, m := range []mount{
		{kubelet, "/var/lib/kubelet", "", unix.MS_BIND, ""},
		{"", "/", "", unix.MS_REC | unix.MS_SHARED, ""}, // kubelet's mounts must reach containerd's
	} {
		if err := m.do(); err != nil {
			return err
		}
	}
	return nil
}

type mount struct {
	source, target, kind string
	flags                uintptr
	data                 string
}

func (m mount) do() error {
	if err := unix.Mount(m.source, m.target, m.kind, m.flags, m.data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", m.kind, m.target, err)
	}
	return nil
}

// remember opens those of the folders that the mounts would hide.
func remember(folders []string) (map[string]*os.File, error) {
	kept := map[string]*os.File{}
	for _, path := range folders {
		target, err := filepath.EvalSymlinks(path)
		if err != nil {
			return nil, fmt.Errorf("find folder to keep: %w", err)
		}
		if !strings.HasPrefix(target, "/var/") && !strings.HasPrefix(target, "/run/") {
			continue
		}
		f, err := os.Open(target)
		if err != nil {
			return nil, fmt.Errorf("open folder to keep: %w", err)
		}
		kept[target] = f
	}
	return kept, nil
}

// restore mounts the remembered folders where they were.
func restore(kept map[string]*os.File) error {
	for path, f := range kept {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return fmt.Errorf("create folder to keep: %w", err)
		}
		if err := (mount{fmt.Sprintf("/proc/self/fd/%d", f.Fd()), path, "", unix.MS_BIND, ""}).do(); err != nil {
			return err
		}
		f.Close()
	}
	return nil
}
