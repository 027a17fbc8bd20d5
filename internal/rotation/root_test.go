package rotation_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/rotation"
)

// account is a list of tokens at Make, and what happens to them. It speaks as the token at its head.
type account struct {
	tokens []makeapi.TokenInfo
	dead   bool
	// immortal tokens survive their deletion.
	immortal bool
	deleted  []string
}

func (a *account) CreateToken(context.Context, string, []string) (makeapi.MintedToken, error) {
	panic("nothing is minted")
}

func (a *account) ListTokens(context.Context) ([]makeapi.TokenInfo, error) {
	if a.dead {
		return nil, &makeapi.Error{Kind: makeapi.DeadCredential}
	}
	return slices.Clone(a.tokens), nil
}

func (a *account) DeleteToken(_ context.Context, created string) error {
	a.deleted = append(a.deleted, created)
	if created == a.tokens[0].Created {
		a.dead = !a.immortal
	}
	return nil
}

func TestKillRoot(t *testing.T) {
	const value = "9f2d1c34-5b6a-4788-91a0-b1c2d3e4f501"
	token := func(shown, created, label string) makeapi.TokenInfo {
		return makeapi.TokenInfo{Masked: shown + "-****-****-****-************", Created: created, Label: label}
	}
	itself := token("9f2d1c34", "1", "from the profile")
	ours := token("9f2d1c34", "2", "make-operator:uid-1:sa:agent:1")
	minted := token("11111111", "3", "make-operator:uid-1:sa:agent:2")
	stranger := token("22222222", "4", "make-operator:uid-2:sa:agent:1")
	for name, tt := range map[string]struct {
		former  grant.FormerRoot
		account account
		want    error
		deleted []string
	}{
		"a user's own": {
			grant.FormerRoot{Value: value}, account{tokens: []makeapi.TokenInfo{itself, minted, stranger}}, nil, []string{"1"},
		},
		"not one of ours whose value begins alike": {
			grant.FormerRoot{Value: value}, account{tokens: []makeapi.TokenInfo{itself, ours}}, nil, []string{"1"},
		},
		"the operator's, by its stamp": {
			grant.FormerRoot{Value: value, Created: "2"}, account{tokens: []makeapi.TokenInfo{ours, itself}}, nil, []string{"2"},
		},
		"not another token with its stamp": {
			grant.FormerRoot{Value: value, Created: "3"}, account{tokens: []makeapi.TokenInfo{itself, minted}}, rotation.ErrUnlisted, nil,
		},
		"with all that was minted for the connection": {
			grant.FormerRoot{Value: value, Created: "2", All: true}, account{tokens: []makeapi.TokenInfo{ours, minted, stranger}}, nil, []string{"3", "2"},
		},
		"one that is dead": {grant.FormerRoot{Value: value}, account{tokens: []makeapi.TokenInfo{itself}, dead: true}, nil, nil},
		"one that is not listed": {
			grant.FormerRoot{Value: value}, account{tokens: []makeapi.TokenInfo{minted, stranger}}, rotation.ErrUnlisted, nil,
		},
		"one of two that look alike": {
			grant.FormerRoot{Value: value}, account{tokens: []makeapi.TokenInfo{itself, token("9f2d1c34", "5", "other")}}, rotation.ErrUnlisted, nil,
		},
		"one whose list is not starred out": {
			grant.FormerRoot{Value: value}, account{tokens: []makeapi.TokenInfo{{Masked: "9f2d1c34", Created: "1"}}}, rotation.ErrUnlisted, nil,
		},
		"one that shows next to nothing": {
			grant.FormerRoot{Value: value}, account{tokens: []makeapi.TokenInfo{{Masked: "9*", Created: "1"}}}, rotation.ErrUnlisted, nil,
		},
		"one that lives on": {
			grant.FormerRoot{Value: value}, account{tokens: []makeapi.TokenInfo{itself}, immortal: true}, rotation.ErrAlive, []string{"1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := rotation.KillRoot(t.Context(), &tt.account, grant.Identity{UID: "uid-1"}, tt.former)
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if !slices.Equal(tt.account.deleted, tt.deleted) {
				t.Errorf("deleted %v, want %v", tt.account.deleted, tt.deleted)
			}
		})
	}
}

func TestRootAt(t *testing.T) {
	p := rotation.Policy{Every: 10 * time.Hour, Generation: 2, Key: "k"}
	on := rotation.RotateAt(start, p.Every, p.Key)
	for name, tt := range map[string]struct {
		root grant.Root
		want time.Time
	}{
		"a user's own, at once":         {grant.Root{}, time.Time{}},
		"the operator's, on schedule":   {grant.Root{Created: "1", Accepted: start, RotationGeneration: 2}, on},
		"one of an earlier generation":  {grant.Root{Created: "1", Accepted: start, RotationGeneration: 1}, time.Time{}},
		"a refused one, after a day":    {grant.Root{Refused: start}, start.Add(24 * time.Hour)},
		"refused long ago, on schedule": {grant.Root{Created: "1", Accepted: start, RotationGeneration: 2, Refused: start.Add(-48 * time.Hour)}, on},
	} {
		if got := rotation.RootAt(&tt.root, p); !got.Equal(tt.want) {
			t.Errorf("%s: at %v, want %v", name, got, tt.want)
		}
		if due := rotation.RootDue(&tt.root, p, tt.want); !due {
			t.Errorf("%s: not due then", name)
		}
	}
}

// A successor that Make granted less to is deleted again, and the root token stays.
func TestNarrowerSuccessor(t *testing.T) {
	m := newMinting(t)
	rec := m.read(m.id)
	rec.Root = &grant.Root{Value: "root", Scopes: []string{"scenarios:read", "user:read", "user:write"}}
	if err := m.Write(t.Context(), m.id, rec); err != nil {
		t.Fatal(err)
	}
	m.minter.Verify = func(context.Context, string) (makeapi.Authorization, error) {
		return makeapi.Authorization{Scopes: []string{"scenarios:read", "user:read"}}, nil
	}
	if err := m.minter.Succeed(t.Context(), m.read(m.id), month, start); !errors.Is(err, rotation.ErrNarrower) {
		t.Errorf("error %v, want %v", err, rotation.ErrNarrower)
	}
	m.has()
	if got := m.read(m.id); got.Root.Value != "root" || len(got.Former) > 0 {
		t.Error("the root token was replaced")
	}
}
