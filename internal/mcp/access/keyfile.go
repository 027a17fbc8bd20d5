package access

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/go-jose/go-jose/v4"
)

// KeyFile is a KeySource that reads a key set from a file, for example one that a ConfigMap mounts. The zero value is
// not usable; a KeyFile that was never loaded answers ErrUnavailable.
type KeyFile struct {
	path string
	keys atomic.Pointer[[]jose.JSONWebKey]
	sum  atomic.Pointer[[sha256.Size]byte] // of the file's content
}

// NewKeyFile returns a KeyFile for path, not loaded yet.
func NewKeyFile(path string) *KeyFile { return &KeyFile{path: path} }

// Dir is the folder to watch for changes.
func (f *KeyFile) Dir() string { return filepath.Dir(f.path) }

// Name is the file's name in Dir.
func (f *KeyFile) Name() string { return filepath.Base(f.path) }

// Load reads the file again and reports whether it holds something new. On an error the keys that were there stay.
func (f *KeyFile) Load() (changed bool, err error) {
	raw, err := os.ReadFile(f.path)
	if err != nil {
		return false, fmt.Errorf("read key set: %w", err)
	}
	keys, err := parseKeySet(raw)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", f.path, err)
	}
	f.keys.Store(&keys)
	sum := sha256.Sum256(raw)
	old := f.sum.Swap(&sum)
	return old == nil || *old != sum, nil
}

// Loaded reports whether keys are there.
func (f *KeyFile) Loaded() bool { return f.keys.Load() != nil }

// Keys implements KeySource.
func (f *KeyFile) Keys(_ context.Context, keyID string) ([]jose.JSONWebKey, error) {
	keys := f.keys.Load()
	if keys == nil {
		return nil, ErrUnavailable
	}
	return pick(*keys, keyID), nil
}
