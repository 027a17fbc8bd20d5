package main

import (
	"maps"
	"strings"
	"testing"
	"testing/fstest"
)

func TestKeyOf(t *testing.T) {
	base := fstest.MapFS{
		"go.mod": {Data: []byte("module m")}, "go.sum": {Data: []byte("s")},
		"main.go": {Data: []byte("a")}, "cmd/dns/main.go": {Data: []byte("b")},
	}
	key := func(t *testing.T, files fstest.MapFS, toolchain string, paths ...string) string {
		t.Helper()
		k, err := keyOf(files, toolchain, paths...)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	with := func(path, content string) fstest.MapFS {
		changed := maps.Clone(base)
		changed[path] = &fstest.MapFile{Data: []byte(content)}
		return changed
	}
	before := key(t, base, "go1", ".")
	for _, test := range []struct {
		name    string
		files   fstest.MapFS
		version string
		changes bool
	}{
		{"nothing", base, "go1", false},
		{"toolchain", base, "go2", true},
		{"source", with("main.go", "x"), "go1", true},
		{"new source", with("new.go", "x"), "go1", true},
		{"go.sum", with("go.sum", "x"), "go1", true},
		{"test", with("main_test.go", "x"), "go1", false},
		{"text", with("README.md", "x"), "go1", false},
	} {
		if changed := key(t, test.files, test.version, ".") != before; changed != test.changes {
			t.Errorf("%s: key changed: %v, want %v", test.name, changed, test.changes)
		}
	}
	if key(t, base, "go1", "cmd") != key(t, with("main.go", "x"), "go1", "cmd") {
		t.Error("a part's key depends on sources outside of it")
	}
}

func TestMeterTellsLinesApart(t *testing.T) {
	m := &meter{}
	m.read(strings.NewReader("go: downloading k8s.io/api v1\nk8s.io/api/core/v1\nvendor/golang.org/x/net\n# pkg\nfile.go:1:2: no\n"))
	if m.downloads != 1 || m.packages != 2 || len(m.problems) != 2 {
		t.Errorf("downloads %d, packages %d, problems %q", m.downloads, m.packages, m.problems)
	}
}
