// Package push tests `make push`, which publishes the images, against a registry and a base image of its own.
package push

import (
	"archive/tar"
	"debug/elf"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

var platforms = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// Images of both programs for both architectures arrive, hold the right static program as their entrypoint, and do not run as root.
func TestPushPublishesBothImages(t *testing.T) {
	server := httptest.NewServer(registry.New())
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	writeBase(t, host+"/base")

	push := exec.Command("make", "push", "REPOSITORY="+host+"/team", "VERSION=v0.0.0-test")
	push.Dir = "../../.."
	push.Env = append(os.Environ(), "KO_DEFAULTBASEIMAGE="+host+"/base", "GOFLAGS=", "KOCACHE=")
	if out, err := push.CombinedOutput(); err != nil {
		t.Fatalf("make push: %v\n%s", err, out)
	}

	for image, program := range map[string]string{"make-operator": "make-operator", "make-mcp": "make-mcp"} {
		for architecture, machine := range platforms {
			t.Run(image+" "+architecture, func(t *testing.T) {
				checkImage(t, host+"/team/"+image+":v0.0.0-test", architecture, program, machine)
			})
		}
	}
}

// writeBase publishes an image of nothing but a user for each platform.
func writeBase(t *testing.T, ref string) {
	t.Helper()
	index := v1.ImageIndex(empty.Index)
	for architecture := range platforms {
		config := &v1.ConfigFile{OS: "linux", Architecture: architecture, Config: v1.Config{User: "65532"}}
		image, err := mutate.ConfigFile(empty.Image, config)
		if err != nil {
			t.Fatalf("make base image: %v", err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}},
		})
	}
	if err := remote.WriteIndex(reference(t, ref), index); err != nil {
		t.Fatalf("publish base image: %v", err)
	}
}

func reference(t *testing.T, ref string) name.Reference {
	t.Helper()
	parsed, err := name.ParseReference(ref)
	if err != nil {
		t.Fatalf("parse reference: %v", err)
	}
	return parsed
}

func checkImage(t *testing.T, ref, architecture, program string, machine elf.Machine) {
	t.Helper()
	image, err := remote.Image(reference(t, ref), remote.WithPlatform(v1.Platform{OS: "linux", Architecture: architecture}))
	if err != nil {
		t.Fatalf("pull image: %v", err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatalf("read image config: %v", err)
	}
	if config.Config.User != "65532" || len(config.Config.Entrypoint) != 1 || path.Base(config.Config.Entrypoint[0]) != program {
		t.Errorf("user %q, entrypoint %q: want 65532 and %s", config.Config.User, config.Config.Entrypoint, program)
	}
	binary, err := elf.Open(extract(t, image, config.Config.Entrypoint[0]))
	if err != nil {
		t.Fatalf("open program: %v", err)
	}
	t.Cleanup(func() { _ = binary.Close() })
	if libraries, _ := binary.ImportedLibraries(); binary.Machine != machine || len(libraries) > 0 {
		t.Errorf("machine %v, libraries %v: want %v and none", binary.Machine, libraries, machine)
	}
}

// extract writes one file of the image's file system to disk.
func extract(t *testing.T, image v1.Image, file string) string {
	t.Helper()
	contents := mutate.Extract(image)
	t.Cleanup(func() { _ = contents.Close() })
	for files := tar.NewReader(contents); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			t.Fatalf("image has no file %s", file)
		}
		if err != nil {
			t.Fatalf("read image: %v", err)
		}
		if path.Join("/", header.Name) != file {
			continue
		}
		out, err := os.Create(filepath.Join(t.TempDir(), path.Base(file)))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = out.Close() }()
		if _, err := io.Copy(out, files); err != nil {
			t.Fatalf("extract program: %v", err)
		}
		return out.Name()
	}
}
