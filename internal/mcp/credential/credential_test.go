package credential_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/makeops/make-operator/internal/mcp/credential"
)

// mount is a Secret volume as the kubelet writes it: generations in folders, ..data links to the current one.
type mount struct {
	t          *testing.T
	dir        string
	generation int
}

func (m *mount) publish(keys map[string]string) {
	m.t.Helper()
	m.generation++
	name := fmt.Sprintf("..%d", m.generation)
	if err := os.Mkdir(filepath.Join(m.dir, name), 0o700); err != nil {
		m.t.Fatal(err)
	}
	for key, value := range keys {
		if err := os.WriteFile(filepath.Join(m.dir, name, key), []byte(value), 0o600); err != nil {
			m.t.Fatal(err)
		}
		_ = os.Symlink(filepath.Join("..data", key), filepath.Join(m.dir, key)) // there since the first generation
	}
	old, _ := os.Readlink(filepath.Join(m.dir, "..data"))
	if err := os.Symlink(name, filepath.Join(m.dir, "..tmp")); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(m.dir, "..tmp"), filepath.Join(m.dir, "..data")); err != nil {
		m.t.Fatal(err)
	}
	if old != "" {
		_ = os.RemoveAll(filepath.Join(m.dir, old))
	}
}

func secret(scheme, token, zone string) map[string]string {
	return map[string]string{"token": token, "authorization": scheme + " " + token, "zone": zone}
}

func TestDir(t *testing.T) {
	m := &mount{t: t, dir: t.TempDir()}
	dir := credential.NewDir(m.dir)
	if _, err := dir.Load(); err == nil || dir.Loaded() {
		t.Fatalf("an empty folder was loaded, error %v", err)
	}
	if _, err := dir.Current(); !errors.Is(err, credential.ErrNotLoaded) {
		t.Errorf("error %v, want ErrNotLoaded", err)
	}
	m.publish(secret("Token", "one", "eu1.make.com\n"))
	load := func(wantChanged bool, wantZone, wantHeader string) credential.Credential {
		t.Helper()
		changed, err := dir.Load()
		if err != nil || changed != wantChanged {
			t.Errorf("changed %v, error %v, want %v", changed, err, wantChanged)
		}
		c, err := dir.Current()
		if err != nil || c.Zone != wantZone || c.Auth.Header() != wantHeader {
			t.Errorf("zone %q, right header %v, error %v", c.Zone, c.Auth.Header() == wantHeader, err)
		}
		return c
	}
	first := load(true, "eu1.make.com", "Token one")
	load(false, "eu1.make.com", "Token one")
	if _, found := dir.Replacement(first); found {
		t.Error("a replacement was found where nothing changed")
	}
	m.publish(secret("Bearer", "two", "eu2.make.com"))
	next, found := dir.Replacement(first)
	if !found || next.Auth.Header() != "Bearer two" {
		t.Error("the replacement was not found")
	}
	load(false, "eu2.make.com", "Bearer two")
	if again, found := dir.Replacement(first); !found || again.Auth.Header() != "Bearer two" {
		t.Error("a second caller did not get the replacement")
	}
}

func TestDirKeepsWhatIsGood(t *testing.T) {
	const canary = "c0ffee00-canary-value"
	bad := map[string]map[string]string{
		"no zone":          {"token": canary, "authorization": "Token " + canary},
		"empty zone":       secret("Token", canary, " \n"),
		"no authorization": {"token": canary, "zone": "eu1.make.com"},
		"unknown scheme":   secret("Basic", canary, "eu1.make.com"),
		"do not belong":    {"token": canary, "authorization": "Token other", "zone": "eu1.make.com"},
		"no scheme":        {"token": canary, "authorization": canary, "zone": "eu1.make.com"},
		"no keys at all":   {},
	}
	for name, keys := range bad {
		t.Run(name, func(t *testing.T) {
			m := &mount{t: t, dir: t.TempDir()}
			m.publish(secret("Token", "good", "eu1.make.com"))
			dir := credential.NewDir(m.dir)
			if _, err := dir.Load(); err != nil {
				t.Fatal(err)
			}
			m.publish(keys)
			changed, err := dir.Load()
			if err == nil || changed {
				t.Fatalf("loaded, changed %v", changed)
			}
			if strings.Contains(err.Error(), canary) {
				t.Error("the error shows a value")
			}
			if c, err := dir.Current(); err != nil || c.Auth.Header() != "Token good" {
				t.Errorf("the last good credential is gone, error %v", err)
			}
		})
	}
}

func TestDirPlainFolder(t *testing.T) {
	folder := t.TempDir()
	for key, value := range secret("Token", "one", "eu1.make.com") {
		if err := os.WriteFile(filepath.Join(folder, key), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dir := credential.NewDir(folder)
	if changed, err := dir.Load(); err != nil || !changed {
		t.Errorf("changed %v, error %v", changed, err)
	}
}

// TestDirUnderSwaps reads while generations are replaced and their folders removed: no read fails, none mixes two.
func TestDirUnderSwaps(t *testing.T) {
	m := &mount{t: t, dir: t.TempDir()}
	m.publish(secret("Token", "0", "zone0"))
	dir := credential.NewDir(m.dir)
	if _, err := dir.Load(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, _ = dir.Load()
				c, err := dir.Current()
				if number := strings.TrimPrefix(c.Zone, "zone"); err != nil || c.Auth.Header() != "Token "+number {
					t.Errorf("zone %s is paired with another token, error %v", c.Zone, err)
					return
				}
			}
		})
	}
	for i := range 300 {
		m.publish(secret("Token", fmt.Sprint(i), fmt.Sprint("zone", i)))
	}
	close(stop)
	wg.Wait()
	if _, err := dir.Load(); err != nil {
		t.Error(err)
	}
	if c, _ := dir.Current(); c.Zone != "zone299" {
		t.Errorf("ended with %s", c.Zone)
	}
}

func TestFixedNeverChanges(t *testing.T) {
	const canary = "c0ffee00-canary-value"
	d, err := credential.Fixed("eu1.make.com", canary)
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.Current()
	if err != nil || c.Zone != "eu1.make.com" || c.Auth.Header() != "Token "+canary {
		t.Errorf("zone %s, error %v", c.Zone, err)
	}
	if changed, err := d.Load(); changed || err != nil || !d.Loaded() {
		t.Errorf("changed %v, error %v", changed, err)
	}
	if _, found := d.Replacement(c); found {
		t.Error("there is a replacement")
	}
	for _, empty := range [][2]string{{"", canary}, {"eu1.make.com", ""}} {
		if _, err := credential.Fixed(empty[0], empty[1]); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("error %v", err)
		}
	}
}
