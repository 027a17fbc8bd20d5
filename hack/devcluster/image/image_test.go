package image

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// binary writes the smallest header that is a static Linux program for x86-64.
func binary(t *testing.T, dir, name string) string {
	t.Helper()
	header := make([]byte, 64)
	copy(header, "\x7fELF\x02\x01\x01")
	header[16], header[18], header[20] = 2, 62, 1 // executable, x86-64, current version
	header[52], header[54], header[58] = 64, 56, 64
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, header, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "1.tar"), filepath.Join(dir, "2.tar")
	programs := []string{binary(t, dir, "manager"), binary(t, dir, "probe")}
	for _, out := range []string{first, second} {
		if err := Write(out, "localhost/manager:dev", programs); err != nil {
			t.Fatal(err)
		}
	}
	tag, err := name.NewTag("localhost/manager:dev")
	if err != nil {
		t.Fatal(err)
	}
	img, err := tarball.ImageFromPath(first, &tag)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c := config.Config; c.User != "65532:65532" || len(c.Entrypoint) != 1 || c.Entrypoint[0] != "/manager" || config.Architecture != "amd64" {
		t.Errorf("config: %+v, %s", c, config.Architecture)
	}
	a, _ := os.ReadFile(first)
	b, _ := os.ReadFile(second)
	if !bytes.Equal(a, b) {
		t.Error("the same input gave two images")
	}
}

func TestWriteRefusesWhatIsNoBinary(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(dir, "out.tar"), "localhost/x:dev", []string{script}); err == nil {
		t.Error("a script made an image")
	}
}
