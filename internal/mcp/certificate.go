package mcp

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
)

// certificate is the server's own, read again when its files change. Nil stands for a server without TLS.
type certificate struct {
	files   TLS
	current atomic.Pointer[tls.Certificate]
}

func newCertificate(files TLS) *certificate {
	if files.CertFile == "" {
		return nil
	}
	return &certificate{files: files}
}

// load reads both files. On an error, such as a key of another certificate, what was there stays.
func (c *certificate) load() (changed bool, err error) {
	next, err := tls.LoadX509KeyPair(c.files.CertFile, c.files.KeyFile)
	if err != nil {
		return false, fmt.Errorf("read certificate: %w", err)
	}
	old := c.current.Swap(&next)
	return old == nil || !bytes.Equal(old.Certificate[0], next.Certificate[0]), nil
}

// loaded reports whether the server can shake hands, or need not.
func (c *certificate) loaded() bool { return c == nil || c.current.Load() != nil }

// watched are the files to look at.
func (c *certificate) watched(load func()) []watchedFile {
	if c == nil {
		return nil
	}
	files := []watchedFile{{dir: filepath.Dir(c.files.CertFile), names: []string{filepath.Base(c.files.CertFile)}, load: load}}
	if dir := filepath.Dir(c.files.KeyFile); dir != files[0].dir {
		return append(files, watchedFile{dir: dir, names: []string{filepath.Base(c.files.KeyFile)}, load: load})
	}
	files[0].names = append(files[0].names, filepath.Base(c.files.KeyFile))
	return files
}

// config is for the listener; nil without TLS.
func (c *certificate) config() *tls.Config {
	if c == nil {
		return nil
	}
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if current := c.current.Load(); current != nil {
				return current, nil
			}
			return nil, errors.New("the certificate is not there yet")
		},
	}
	if c.files.MinVersion == "1.3" {
		cfg.MinVersion = tls.VersionTLS13
	}
	return cfg
}
