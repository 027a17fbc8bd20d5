package makesim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// stateVersion is the form of the file. One of another form is refused.
const stateVersion = 1

// stateFile keeps the state across restarts, kill -9 included.
//
// An answer to a request that changed something leaves after the file holds the change: it is written anew
// beside the old one, then renamed. Requests that wait for that at the same time share one file. What only
// reads waits for nothing, so rate limits, and which tokens were merely used, are as of the last change.
// The file is not forced to disk: it survives the process, not a power cut.
type stateFile struct {
	name string

	mu      sync.Mutex
	written int64 // the version that the file holds
}

// savedState is the form of the file: the parts of the state by name.
type savedState struct {
	Version int                        `json:"version"`
	Parts   map[string]json.RawMessage `json:"parts"`
}

// part is a piece of the state with its name in the file.
type part struct {
	name string
	save any // encodes as JSON
	load any // a pointer that decodes from that
}

// parts are everything that is kept, in the order in which it can be read: tokens refer to users and clients.
func (st *state) parts() []part {
	return []part{
		{"offset", st.offset, &st.offset},
		{"knobs", st.knobs, &st.knobs},
		{"overrides", st.overrides, &st.overrides},
		{"organizations", st.organizations, &st.organizations},
		{"users", st.users, &st.users},
		{"clients", st.clients, &st.clients},
		{"tables", st.tables, &st.tables},
		{"families", st.families, &st.families},
		{"tokens", st.saveTokens(), (*savedTokens)(st)},
		{"signingKey", st.saveKey(), (*savedKey)(st)},
	}
}

// touch notes that something changed that a restart must not lose. It needs the state's lock.
func (s *Server) touch() { s.state.version++ }

// persist returns when the file holds what the state held when it was called.
func (s *Server) persist() error {
	if s.stateFile == nil {
		return nil
	}
	s.mu.Lock()
	version := s.state.version
	s.mu.Unlock()
	return s.stateFile.holds(version, s.encodeState)
}

// encodeState returns the state's version and its form in the file.
func (s *Server) encodeState() (int64, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var file bytes.Buffer // written by hand: a json.RawMessage would be checked once more, and states are long
	fmt.Fprintf(&file, `{"version":%d,"parts":{`, stateVersion)
	encoder := json.NewEncoder(&file)
	for i, p := range s.state.parts() {
		if i > 0 {
			file.WriteByte(',')
		}
		fmt.Fprintf(&file, "%q:", p.name)
		if err := encoder.Encode(p.save); err != nil {
			return 0, nil, fmt.Errorf("encode %s: %w", p.name, err)
		}
	}
	file.WriteString("}}\n")
	return s.state.version, file.Bytes(), nil
}

// holds writes the file unless it is as new as version already. Whoever waits for the lock is often served
// by the one before.
func (f *stateFile) holds(version int64, encode func() (int64, []byte, error)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.written >= version {
		return nil
	}
	version, data, err := encode()
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	next := f.name + ".next"
	if err := os.WriteFile(next, data, 0o600); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := os.Rename(next, f.name); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	f.written = version
	return nil
}

// read returns the state that the file holds, nil if there is no file.
func (f *stateFile) read() (*state, error) {
	data, err := os.ReadFile(filepath.Clean(f.name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no file is no state, and no error
	}
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	var saved savedState
	if err := json.Unmarshal(data, &saved); err != nil {
		return nil, fmt.Errorf("read state %s: %w", f.name, err)
	}
	if saved.Version != stateVersion {
		return nil, fmt.Errorf("read state %s: it has version %d, this is for version %d", f.name, saved.Version, stateVersion)
	}
	st := blankState()
	for _, p := range st.parts() {
		data := saved.Parts[p.name]
		if data == nil {
			return nil, fmt.Errorf("read state %s: it has no %s", f.name, p.name)
		}
		if err := json.Unmarshal(data, p.load); err != nil {
			return nil, fmt.Errorf("read state %s: %s: %w", f.name, p.name, err)
		}
	}
	if err := st.knobs.validate(); err != nil {
		return nil, fmt.Errorf("read state %s: knobs: %w", f.name, err)
	}
	st.random = newRandom(st.knobs.Seed)
	return &st, nil
}
