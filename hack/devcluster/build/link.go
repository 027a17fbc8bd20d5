package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// link puts binary into the folder bin under each of the names.
func link(binary, bin string, names ...string) error {
	for _, name := range names {
		path := filepath.Join(bin, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("create folder: %w", err)
		}
		if err := relink(binary, path); err != nil {
			return err
		}
	}
	return nil
}

// relink makes path a link to target in one step, whatever path was.
func relink(target, path string) error {
	temporary := path + ".new"
	os.Remove(temporary)
	if err := os.Symlink(target, temporary); err != nil {
		return fmt.Errorf("link %s: %w", filepath.Base(path), err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("link %s: %w", filepath.Base(path), err)
	}
	return nil
}
