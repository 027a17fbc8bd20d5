//go:build unix

package state

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// owned are the entries of the folder that belong to one run. Nothing else in it is ever removed.
var owned = []string{
	"pki", "etcd", "run", "node", "pods", "pods-ready", "ready", "audit-policy.yaml",
	"admin.kubeconfig", "inside.kubeconfig", "node.kubeconfig", "controller-manager.kubeconfig", "scheduler.kubeconfig",
}

// ErrRunning says that a cluster already runs in the folder.
var ErrRunning = errors.New("a cluster is running in this folder")

// ErrNotRunning says that no cluster runs in the folder.
var ErrNotRunning = errors.New("no cluster is running in this folder")

// Dir is the folder of one cluster.
type Dir struct{ path string }

// Open makes path absolute, creates it when absent and resolves links in it.
func Open(path string) (Dir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return Dir{}, fmt.Errorf("resolve folder: %w", err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return Dir{}, fmt.Errorf("create folder: %w", err)
	}
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return Dir{}, fmt.Errorf("resolve folder: %w", err)
	}
	return Dir{path: abs}, nil
}

// Path joins elements to the folder's absolute path.
func (d Dir) Path(elem ...string) string {
	return filepath.Join(append([]string{d.path}, elem...)...)
}

// Name is a short name for machine-wide things of this cluster: the same folder always gives the
// same name, and two folders different ones.
func (d Dir) Name() string {
	sum := sha256.Sum256([]byte(d.path))
	return "devcluster-" + hex.EncodeToString(sum[:4])
}

// Reset removes what an earlier run left, and creates the log folder.
func (d Dir) Reset() error {
	if err := d.Clean(); err != nil {
		return err
	}
	if err := os.MkdirAll(d.Path("log"), 0o700); err != nil {
		return fmt.Errorf("create log folder: %w", err)
	}
	return nil
}

// Clean removes everything of a run but its logs.
func (d Dir) Clean() error {
	for _, name := range owned {
		if err := os.RemoveAll(d.Path(name)); err != nil {
			return fmt.Errorf("remove old state: %w", err)
		}
	}
	return nil
}

// Lock takes the folder for this process and those that inherit the returned file; it is free again
// when the last of them is gone, however they end. It returns ErrRunning when it is taken.
func (d Dir) Lock() (*os.File, error) { return d.lock("lock") }

// LockPods is like Lock, for the process that runs the Pods.
func (d Dir) LockPods() (*os.File, error) { return d.lock("pods-lock") }

func (d Dir) lock(name string) (*os.File, error) {
	f, err := os.OpenFile(d.Path(name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrRunning
		}
		return nil, fmt.Errorf("lock folder: %w", err)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("write lock: %w", err)
	}
	return f, nil
}

// Holder is the process that holds the folder; ErrNotRunning when none does. A stale pid is never
// returned: the lock, not the file, says whether somebody is there.
func (d Dir) Holder() (int, error) {
	f, err := os.Open(d.Path("lock"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, ErrNotRunning
	}
	if err != nil {
		return 0, fmt.Errorf("open lock: %w", err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err == nil {
		return 0, ErrNotRunning
	}
	data, err := os.ReadFile(f.Name())
	if err != nil {
		return 0, fmt.Errorf("read lock: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0, fmt.Errorf("read lock: %w", err)
	}
	return pid, nil
}

// Ready describes a cluster that is up. It is the content of the file "ready", JSON.
type Ready struct {
	// Kubeconfig of the administrator, for the host. InsideKubeconfig is the same for processes in the
	// cluster's network; empty without a node.
	Kubeconfig       string `json:"kubeconfig"`
	InsideKubeconfig string `json:"insideKubeconfig,omitempty"`
	// Server is the API server's URL on the host's loopback.
	Server string `json:"server"`
	// CAFile is the cluster's certificate authority, PEM.
	CAFile string `json:"caFile"`
	// AuditLog is the API server's audit log, one JSON event a line; empty when not asked for.
	AuditLog string `json:"auditLog,omitempty"`
	// LogDir holds the components' logs.
	LogDir string `json:"logDir"`
	// PID is the process to stop.
	PID int `json:"pid"`
	// Node is nil when the cluster has no node of its own.
	Node *Node `json:"node,omitempty"`
}

// Node describes the real node of a cluster.
type Node struct {
	Name string `json:"name"`
	// IP is the node's address in the cluster's network; the API server listens on it too.
	IP string `json:"ip"`
	// InitPID is the first process of the cluster's namespaces, as the host numbers it.
	InitPID int `json:"initPID"`
	// Cgroup is the name of the cluster's cgroup in every hierarchy.
	Cgroup string `json:"cgroup"`
}

// WriteReady publishes r in one step.
func (d Dir) WriteReady(r Ready) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode ready file: %w", err)
	}
	return d.WriteFile("ready", append(data, '\n'))
}

// WriteFile writes a file of the folder in one step.
func (d Dir) WriteFile(name string, data []byte) error {
	temporary := d.Path("run", name)
	if err := os.MkdirAll(d.Path("run"), 0o700); err != nil {
		return fmt.Errorf("create folder: %w", err)
	}
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.Rename(temporary, d.Path(name)); err != nil {
		return fmt.Errorf("publish %s: %w", name, err)
	}
	return nil
}

// ReadReady reads the description of the running cluster; ErrNotRunning when there is none.
func (d Dir) ReadReady() (Ready, error) {
	if _, err := d.Holder(); err != nil {
		return Ready{}, err
	}
	data, err := os.ReadFile(d.Path("ready"))
	if errors.Is(err, os.ErrNotExist) {
		return Ready{}, ErrNotRunning
	}
	if err != nil {
		return Ready{}, fmt.Errorf("read ready file: %w", err)
	}
	var r Ready
	if err := json.Unmarshal(data, &r); err != nil {
		return Ready{}, fmt.Errorf("decode ready file: %w", err)
	}
	return r, nil
}
