package image

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// user is nobody in particular: neither root nor an account of the node.
const user = "65532:65532"

// Write makes an image of the binaries, each at /<its base name>, and writes it to out as an archive
// that containerd and docker import as ref. The first binary is the entrypoint. The same input gives
// the same image.
func Write(out, ref string, binaries []string) error {
	tag, err := name.NewTag(ref)
	if err != nil {
		return fmt.Errorf("parse image name: %w", err)
	}
	architecture, err := architectureOf(binaries[0])
	if err != nil {
		return err
	}
	layer, err := layerOf(binaries)
	if err != nil {
		return err
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return fmt.Errorf("append layer: %w", err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return fmt.Errorf("read image config: %w", err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", architecture
	config.Config = v1.Config{Entrypoint: []string{"/" + filepath.Base(binaries[0])}, User: user}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return fmt.Errorf("set image config: %w", err)
	}
	temporary := out + ".tmp"
	if err := tarball.WriteToFile(temporary, tag, img); err != nil {
		return fmt.Errorf("write image: %w", err)
	}
	if err := os.Rename(temporary, out); err != nil {
		return fmt.Errorf("write image: %w", err)
	}
	return nil
}

// architectureOf refuses what could not run in an empty image.
func architectureOf(path string) (string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return "", fmt.Errorf("read %s as a Linux binary: %w", path, err)
	}
	defer f.Close()
	if libraries, _ := f.ImportedLibraries(); len(libraries) != 0 {
		return "", fmt.Errorf("use %s: needs %v, build it with CGO_ENABLED=0", path, libraries)
	}
	switch f.Machine {
	case elf.EM_X86_64:
		return "amd64", nil
	case elf.EM_AARCH64:
		return "arm64", nil
	}
	return "", fmt.Errorf("use %s: unknown machine %v", path, f.Machine)
}

func layerOf(binaries []string) (v1.Layer, error) {
	var content bytes.Buffer
	w := tar.NewWriter(&content)
	for _, path := range binaries {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read binary: %w", err)
		}
		header := &tar.Header{Name: filepath.Base(path), Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(data))}
		if err := w.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("write layer: %w", err)
		}
		if _, err := w.Write(data); err != nil {
			return nil, fmt.Errorf("write layer: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("write layer: %w", err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content.Bytes())), nil })
	if err != nil {
		return nil, fmt.Errorf("write layer: %w", err)
	}
	return layer, nil
}
