//go:build unix

package state

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func open(t *testing.T) Dir {
	t.Helper()
	d, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestLock(t *testing.T) {
	d := open(t)
	if _, err := d.Holder(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("holder of a new folder: %v", err)
	}
	lock, err := d.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Lock(); !errors.Is(err, ErrRunning) {
		t.Errorf("second lock: %v", err)
	}
	if pid, err := d.Holder(); err != nil || pid != os.Getpid() {
		t.Errorf("holder: %d, %v", pid, err)
	}
	lock.Close()
	if _, err := d.Holder(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("holder after the end: %v", err)
	}
}

func TestCleanRemovesOnlyItsOwn(t *testing.T) {
	d := open(t)
	for _, name := range []string{"ready", "audit.log", "notes"} {
		if err := os.WriteFile(d.Path(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(d.Path("etcd", "member"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.Reset(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(d.Path())
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, e := range entries {
		have = append(have, e.Name())
	}
	if diff := cmp.Diff([]string{"audit.log", "log", "notes"}, have); diff != "" {
		t.Errorf("what is left (-want +have):\n%s", diff)
	}
}

func TestReady(t *testing.T) {
	d := open(t)
	want := Ready{Kubeconfig: "/k", Server: "https://127.0.0.1:1", PID: 7, Node: &Node{Name: "node", IP: "10.97.0.1", InitPID: 9}}
	if err := d.WriteReady(want); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadReady(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("ready file of a cluster that is gone: %v", err)
	}
	lock, err := d.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	have, err := d.ReadReady()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("(-want +have):\n%s", diff)
	}
}

func TestNamesDiffer(t *testing.T) {
	a, b := open(t), open(t)
	if a.Name() == b.Name() {
		t.Errorf("two folders have the name %s", a.Name())
	}
}
