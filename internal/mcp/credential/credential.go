// Package credential holds the server's own Make token, which arrives as a mounted Secret and is replaced under the
// running process. It reads all keys of one generation of the mount, so that a token is never paired with another
// token's zone, and it keeps the last good credential when a new one cannot be read.
//
// It knows neither callers nor tools, and no error of it holds a value.
package credential

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/makeops/make-operator/internal/makeapi"
)

// ErrNotLoaded means that no credential was ever read.
var ErrNotLoaded = errors.New("the Make credential is not there yet")

// Credential is one generation of the Secret.
type Credential struct {
	// Zone is the Make host, for example "eu1.make.com".
	Zone string
	// Auth is what calls carry.
	Auth makeapi.Credential
	// version tells generations apart without holding their values in the clear.
	version [sha256.Size]byte
}

// Dir is a folder with a consumer Secret: the files token, authorization and zone. Whoever mounts the folder replaces
// its contents at will; see Load.
type Dir struct {
	path    string
	zone    string // instead of the folder's; empty: the folder's
	current atomic.Pointer[Credential]
	reading sync.Mutex
}

// NewDir returns a Dir for path, not loaded yet.
func NewDir(path string) *Dir { return &Dir{path: path} }

// NewDirInZone is NewDir for a zone that is known, so that the folder needs no file zone and an existing one does not count.
func NewDirInZone(path, zone string) *Dir { return &Dir{path: path, zone: zone} }

// Fixed returns a Dir without a folder: it holds an API token that never changes.
func Fixed(zone, token string) (*Dir, error) {
	if zone == "" || token == "" {
		return nil, errors.New("zone or token is empty")
	}
	c, err := build(token, "Token "+token, zone)
	if err != nil {
		return nil, err
	}
	d := &Dir{}
	d.current.Store(&c)
	return d, nil
}

// Path is the folder to watch; empty where there is none.
func (d *Dir) Path() string { return d.path }

// Names are the files in it that are read.
func (d *Dir) Names() []string { return []string{"token", "authorization", "zone"} }

// Loaded reports whether a credential is there.
func (d *Dir) Loaded() bool { return d.current.Load() != nil }

// Current is the credential of the moment, or ErrNotLoaded.
func (d *Dir) Current() (Credential, error) {
	if c := d.current.Load(); c != nil {
		return *c, nil
	}
	return Credential{}, ErrNotLoaded
}

// Load reads the folder and reports whether the credential is another one now. On an error the credential that was
// there stays.
func (d *Dir) Load() (changed bool, err error) {
	d.reading.Lock()
	defer d.reading.Unlock()
	return d.load()
}

func (d *Dir) load() (bool, error) {
	if d.path == "" {
		return false, nil
	}
	next, err := d.readGeneration()
	if err != nil {
		return false, err
	}
	old := d.current.Load()
	if old != nil && old.version == next.version {
		return false, nil
	}
	d.current.Store(&next)
	return true, nil
}

// Replacement returns a credential that differs from rejected, which Make has just refused, or false when there is
// none. Callers that come together with the same rejected credential cause one read.
func (d *Dir) Replacement(rejected Credential) (Credential, bool) {
	d.reading.Lock()
	defer d.reading.Unlock()
	if now := d.current.Load(); now != nil && now.version != rejected.version {
		return *now, true
	}
	if changed, err := d.load(); err != nil || !changed {
		return Credential{}, false
	}
	return *d.current.Load(), true
}

// generations is how often a read starts over because the mount was replaced meanwhile.
const generations = 3

func (d *Dir) readGeneration() (Credential, error) {
	var lastErr error
	for range generations {
		c, err := d.readOnce()
		if err == nil {
			return c, nil
		}
		lastErr = err
	}
	return Credential{}, lastErr
}

// readOnce resolves the link of the atomic writer once and reads everything below what it pointed to.
// Source: Kubernetes writes Secret volumes as ..data -> ..<timestamp>, files linked through ..data
// (pkg/volume/util/atomic_writer.go). A folder without that link is read as it is.
func (d *Dir) readOnce() (Credential, error) {
	generation := d.path
	switch target, err := os.Readlink(filepath.Join(d.path, "..data")); {
	case err == nil: // not followed further: a generation that is gone must fail, not look like a folder without the link
		generation = filepath.Join(d.path, target)
	case !errors.Is(err, os.ErrNotExist):
		return Credential{}, fmt.Errorf("resolve token folder: %w", err)
	}
	texts := map[string]string{"zone": d.zone}
	for _, name := range d.Names() {
		if texts[name] != "" {
			continue
		}
		text, err := readKey(generation, name)
		if err != nil {
			return Credential{}, err
		}
		texts[name] = text
	}
	return build(texts["token"], texts["authorization"], texts["zone"])
}

const maxKeyBytes = 64 << 10

func readKey(dir, name string) (string, error) {
	file, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return "", fmt.Errorf("read Secret key %s: %w", name, err)
	}
	defer func() { _ = file.Close() }()
	raw, err := io.ReadAll(io.LimitReader(file, maxKeyBytes+1))
	if err != nil {
		return "", fmt.Errorf("read Secret key %s: %w", name, err)
	}
	text := strings.TrimSpace(string(raw))
	if text == "" || len(raw) > maxKeyBytes {
		return "", fmt.Errorf("read Secret key %s: empty or longer than %d bytes", name, maxKeyBytes)
	}
	return text, nil
}

// build checks that the keys belong together; they do not when a plain folder is read in the middle of being written.
func build(token, authorization, zone string) (Credential, error) {
	scheme, value, _ := strings.Cut(authorization, " ")
	if value != token {
		return Credential{}, errors.New("read Secret: keys token and authorization do not belong together")
	}
	c := Credential{Zone: zone, version: sha256.Sum256([]byte(zone + "\n" + authorization))}
	switch scheme {
	case "Token":
		c.Auth = makeapi.APIToken(value)
	case "Bearer":
		c.Auth = makeapi.AccessToken(value)
	default:
		return Credential{}, errors.New(`read Secret key authorization: begins with neither "Token" nor "Bearer"`)
	}
	return c, nil
}
