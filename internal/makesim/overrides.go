package makesim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// globalKnobs cannot be set for one credential.
var globalKnobs = []string{
	"revokedClients", "tokenEncoding", "freePlanLimit", "webhookKeyStatus", "runSeconds", "runFails", "seed", "down", "tlsFault", "tlsFaultCount", "faults",
}

// override is the knobs that are set for one credential, as they were given.
type override map[string]json.RawMessage

// errNoCredential is for a name that is neither a token's fingerprint nor an OAuth client's ID.
var errNoCredential = errors.New("no token has this fingerprint and no client this ID")

// SetKnobsFor sets the knobs in changes, a JSON object, for one credential alone; null or an empty object
// takes them back. The credential is a token's fingerprint or an OAuth client's ID. A token of the
// authorization server stands for its whole family, so that a rotation changes nothing. What is not in
// changes follows the global knobs; of a client and a family, the family decides.
func (s *Server) SetKnobsFor(credential string, changes []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.override(credential, changes)
}

func (s *Server) override(credential string, changes []byte) error {
	key, err := s.overrideKey(credential)
	if err != nil {
		return err
	}
	var named override
	if err := json.Unmarshal(changes, &named); err != nil {
		return errors.New("the knobs are not a JSON object")
	}
	for _, name := range globalKnobs {
		if named[name] != nil {
			return fmt.Errorf("%s: cannot be set for one credential", name)
		}
	}
	if _, err := ParseKnobs(s.state.knobs, changes); err != nil {
		return err
	}
	s.touch()
	if len(named) == 0 {
		delete(s.state.overrides, key)
		return nil
	}
	s.state.overrides[key] = named
	return nil
}

// overrideKey is what a credential's knobs are kept under: a client's ID, "family N" or a fingerprint.
func (s *Server) overrideKey(credential string) (string, error) {
	if s.state.client(credential) != nil {
		return credential, nil
	}
	t := s.state.byFingerprint(credential)
	if t == nil {
		return "", errNoCredential
	}
	return t.overrideKey(), nil
}

func (t *token) overrideKey() string {
	if t.grant != nil {
		return t.grant.overrideKey()
	}
	return Fingerprint(t.value)
}

func (g *grant) overrideKey() string { return "family " + strconv.FormatInt(g.family, 10) }

// knobsOf are the knobs for requests with a token: the global ones, then its client's, then its own.
// Of no token, nil, they are the global ones.
func (s *Server) knobsOf(t *token) Knobs {
	k := s.state.knobs
	if t == nil || len(s.state.overrides) == 0 {
		return k
	}
	if t.grant != nil {
		return s.knobsOfGrant(t.grant)
	}
	return s.state.overrides[t.overrideKey()].overlay(k)
}

func (s *Server) knobsOfGrant(g *grant) Knobs {
	return s.state.overrides[g.overrideKey()].overlay(s.knobsOfClient(g.client))
}

func (s *Server) knobsOfClient(client *OAuthClient) Knobs {
	return s.state.overrides[client.ID].overlay(s.state.knobs)
}

// overlay applies changes that were checked when they were set.
func (named override) overlay(k Knobs) Knobs {
	if named == nil {
		return k
	}
	k = k.clone() // decoding into a list writes into its array
	if changes, err := json.Marshal(named); err == nil {
		_ = json.Unmarshal(changes, &k) // was decoded before
	}
	return k
}

// takeLostRotation counts the knob LostRotations down where it is set: for the credential, else globally.
func (s *Server) takeLostRotation(t *token) bool {
	left := s.knobsOf(t).LostRotations - 1
	if left < 0 {
		return false
	}
	for _, key := range []string{t.overrideKey(), t.grant.client.ID} {
		if named := s.state.overrides[key]; named["lostRotations"] != nil {
			named["lostRotations"] = json.RawMessage(strconv.Itoa(left))
			return true
		}
	}
	s.state.knobs.LostRotations = left
	return true
}

// decodeStrictly decodes one JSON value; an unknown member is an error.
func decodeStrictly(body []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil && decoder.More() {
		err = errors.New("more than one JSON value")
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s: a JSON %s does not fit", wrong.Field, wrong.Value)
	}
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}
