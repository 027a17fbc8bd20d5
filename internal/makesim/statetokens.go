package makesim

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// savedTokens reads the tokens and consents of a state from a file.
type savedTokens state

// tokensFile is their form there. References are token values.
type tokensFile struct {
	APITokens []tokenFile `json:"apiTokens"`
	Grants    []grantFile `json:"grants"`
}

type grantFile struct {
	Family   int64       `json:"family"`
	ClientID string      `json:"clientID"`
	UserID   int64       `json:"userID"`
	Scopes   []string    `json:"scopes"`
	Name     string      `json:"name,omitempty"`
	LastUsed time.Time   `json:"lastUsed,omitzero"`
	Code     *tokenFile  `json:"code,omitempty"`
	Tokens   []tokenFile `json:"tokens"`
}

type tokenFile struct {
	Value       string            `json:"value"`
	Kind        TokenKind         `json:"kind"`
	UserID      int64             `json:"userID"`
	Scopes      []string          `json:"scopes"`
	Label       string            `json:"label,omitempty"`
	Created     time.Time         `json:"created"`
	Expires     time.Time         `json:"expires,omitzero"`
	State       TokenState        `json:"state"`
	ExpiryNoted bool              `json:"expiryNoted,omitempty"`
	Generation  int               `json:"generation,omitempty"`
	Used        bool              `json:"used,omitempty"`
	Rotated     time.Time         `json:"rotated,omitzero"`
	Successors  []string          `json:"successors,omitempty"`
	Sibling     string            `json:"sibling,omitempty"`
	Request     *authorizeRequest `json:"request,omitempty"`
}

func (st *state) saveTokens() tokensFile {
	file := tokensFile{APITokens: []tokenFile{}, Grants: []grantFile{}}
	byAge := func(a, b *token) int {
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.user.ID, b.user.ID))
	}
	for _, t := range slices.SortedFunc(maps.Values(st.apiTokens), byAge) {
		file.APITokens = append(file.APITokens, t.file())
	}
	for _, family := range slices.Sorted(maps.Keys(st.grants)) {
		g := st.grants[family]
		row := grantFile{
			Family: family, ClientID: g.client.ID, UserID: g.user.ID, Scopes: g.scopes, Name: g.name, LastUsed: g.lastUsed,
		}
		if g.code != nil {
			row.Code = new(g.code.file())
		}
		for _, t := range g.tokens {
			row.Tokens = append(row.Tokens, t.file())
		}
		file.Grants = append(file.Grants, row)
	}
	return file
}

func (t *token) file() tokenFile {
	f := tokenFile{
		Value: t.value, Kind: t.kind, UserID: t.user.ID, Scopes: t.scopes, Label: t.label, Created: t.created,
		Expires: t.expires, State: t.state, ExpiryNoted: t.expiryNoted, Generation: t.generation, Used: t.used,
		Rotated: t.rotated, Request: t.request,
	}
	for _, next := range t.successors {
		f.Successors = append(f.Successors, next.value)
	}
	if t.sibling != nil {
		f.Sibling = t.sibling.value
	}
	return f
}

// UnmarshalJSON needs users and clients to be there.
func (st *savedTokens) UnmarshalJSON(data []byte) error {
	var file tokensFile
	if err := json.Unmarshal(data, &file); err != nil {
		return err
	}
	to := (*state)(st)
	for _, row := range file.APITokens {
		t, err := to.restore(row, nil)
		if err != nil {
			return err
		}
		to.apiTokens[stamp{userID: t.user.ID, created: t.created.UnixMilli()}] = t
	}
	for _, row := range file.Grants {
		if err := to.restoreGrant(row); err != nil {
			return err
		}
	}
	return nil
}

func (st *state) restoreGrant(row grantFile) error {
	g := &grant{
		family: row.Family, client: st.client(row.ClientID), user: st.user(row.UserID), scopes: row.Scopes,
		name: row.Name, lastUsed: row.LastUsed,
	}
	if g.client == nil || g.user == nil {
		return fmt.Errorf("consent %d: there is no client %q or no user %d", row.Family, row.ClientID, row.UserID)
	}
	st.grants[g.family] = g
	if row.Code != nil {
		code, err := st.restore(*row.Code, g)
		if err != nil {
			return err
		}
		g.code = code
	}
	for _, saved := range row.Tokens {
		t, err := st.restore(saved, g)
		if err != nil {
			return err
		}
		g.tokens = append(g.tokens, t)
	}
	for i, saved := range row.Tokens { // all of the family are there now; forgotten ones are left out
		for _, value := range saved.Successors {
			if next := st.tokens[value]; next != nil {
				g.tokens[i].successors = append(g.tokens[i].successors, next)
			}
		}
		g.tokens[i].sibling = st.tokens[saved.Sibling]
	}
	return nil
}

// restore adds a token without its references.
func (st *state) restore(f tokenFile, g *grant) (*token, error) {
	t := &token{
		value: f.Value, kind: f.Kind, user: st.user(f.UserID), scopes: f.Scopes, label: f.Label, created: f.Created,
		expires: f.Expires, state: f.State, expiryNoted: f.ExpiryNoted, grant: g, generation: f.Generation,
		used: f.Used, rotated: f.Rotated, request: f.Request,
	}
	if t.user == nil {
		return nil, fmt.Errorf("token %s: there is no user %d", Fingerprint(f.Value), f.UserID)
	}
	st.add(t)
	return t, nil
}

// saveKey is the key that signs id_tokens, a JWK, or nil.
func (st *state) saveKey() any {
	if st.signer == nil {
		return nil
	}
	return st.signer.private
}

// savedKey reads it back.
type savedKey state

// UnmarshalJSON reads the private key.
func (st *savedKey) UnmarshalJSON(data []byte) error {
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		return nil
	}
	var private jose.JSONWebKey
	if err := json.Unmarshal(data, &private); err != nil {
		return err
	}
	var err error
	st.signer, err = signerOf(private)
	return err
}
