package rotation_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/rotation"
)

// What goes wrong between Make and the store leaves no token behind that nobody knows, and never takes one that is in use.
func TestOrphans(t *testing.T) {
	const tokens = "/api/v2/users/me/api-tokens"
	for name, break1 := range map[string]func(m *minting){
		"the answer of the mint is lost": func(m *minting) {
			m.disturb(makesim.Fault{Kind: makesim.FaultResetAfter, PathPrefix: tokens, Method: http.MethodPost})
		},
		"the new token cannot be verified": func(m *minting) { m.minter.Verify = unverified },
		"the store fails after the mint":   func(m *minting) { m.minter.Grants = &failing{Grants: m.world, writes: 1} },
		"the process dies after the mint":  func(m *minting) { m.minter.Grants = &failing{Grants: m.world, writes: 1, dies: true} },
		"the store loses its answer":       func(m *minting) { m.minter.Grants = &failing{Grants: m.world, writes: 1, after: true} },
		"the list of tokens fails": func(m *minting) {
			m.disturb(makesim.Fault{Kind: makesim.FaultStatus, Status: 500, PathPrefix: tokens, Method: http.MethodGet})
		},
		"Make refuses the mint": func(m *minting) {
			m.disturb(makesim.Fault{Kind: makesim.FaultStatus, Status: 429, PathPrefix: tokens, Method: http.MethodPost})
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMinting(t)
			m.mustPass(month, agent)
			old := m.token(agent)
			m.clock.Step(month.Every)
			break1(m)
			if err := surviving(func() error { return m.apply(month, agent) }); err == nil {
				t.Fatal("nothing went wrong")
			}
			if !m.sim.TokenAlive(old.Value) {
				t.Fatal("the token in use died")
			}
			m.minter = m.world.minter() // a new process
			m.mustPass(month, agent)
			if got := m.token(agent); !m.sim.TokenAlive(got.Value) || got.Value == old.Value || !m.sim.TokenAlive(old.Value) {
				t.Errorf("the stored token is %s, the old one %s", m.sim.TokenState(got.Value), m.sim.TokenState(old.Value))
			}
			m.has("sa:agent:1", "sa:agent:2")
			m.clock.Step(month.Overlap)
			m.mustPass(month, agent)
			m.has("sa:agent:2")
		})
	}
}

func unverified(context.Context, string) (makeapi.Authorization, error) {
	return makeapi.Authorization{}, errNetwork
}

// failing is a store whose write of that number, from 1, fails: before it takes place, after it, or with the process.
type failing struct {
	rotation.Grants
	writes      int
	after, dies bool
}

func (f *failing) Write(ctx context.Context, id grant.Identity, r *grant.Record) error {
	if f.writes--; f.writes != 0 {
		return f.Grants.Write(ctx, id, r)
	}
	if f.after {
		_ = f.Grants.Write(ctx, id, r)
	}
	if f.dies {
		panic(death{})
	}
	return errNetwork
}

var errDied = errors.New("the process died")

// surviving runs what may die.
func surviving(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			if r != any(death{}) {
				panic(r)
			}
			err = errDied
		}
	}()
	return do()
}

// A cancelled pass stores what it minted before.
func TestCancelledPassStoresWhatItMinted(t *testing.T) {
	m := newMinting(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	verify := m.minter.Verify
	m.minter.Verify = func(c context.Context, value string) (makeapi.Authorization, error) {
		defer cancel()
		return verify(c, value)
	}
	rec := m.read(m.id)
	plan := rotation.Decide(&rec.Grant, []rotation.Demand{agent, tools}, month, m.clock.Now())
	if err := m.minter.Apply(ctx, rec, plan, month, m.clock.Now()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	if got := m.token(agent); !m.sim.TokenAlive(got.Value) {
		t.Error("the token that was minted before is not stored")
	}
}

// Two replicas that mint for the same connection at once do not take the token away that the other one stores.
func TestTwoMinters(t *testing.T) {
	for name, other := range map[string]func(m *minting) error{
		"the other one mints and stores": func(m *minting) error {
			return (&minting{world: m.world, id: m.id, minter: m.world.minter()}).apply(month, agent)
		},
		"the other one mints and dies": func(m *minting) error {
			o := &minting{world: m.world, id: m.id, minter: m.world.minter()}
			o.minter.Grants = &failing{Grants: m.world, writes: 2, dies: true}
			if err := surviving(func() error { return o.apply(month, agent) }); !errors.Is(err, errDied) {
				return errors.New("the other one did not die")
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMinting(t)
			verify, once := m.minter.Verify, false
			m.minter.Verify = func(ctx context.Context, value string) (makeapi.Authorization, error) {
				if !once { // right after our mint, before we store it
					once = true
					if err := other(m); err != nil {
						t.Fatal(err)
					}
				}
				return verify(ctx, value)
			}
			_ = m.apply(month, agent) // may fail: the other one was first
			m.minter = m.world.minter()
			m.mustPass(month, agent)
			if got := m.token(agent); !m.sim.TokenAlive(got.Value) {
				t.Errorf("the stored token is %s at Make", m.sim.TokenState(got.Value))
			}
		})
	}
}

// A forced rotation mints each token once, also where another consumer's mint fails again and again.
func TestForcedRotationMintsOnce(t *testing.T) {
	m := newMinting(t)
	m.mustPass(month, agent, tools)
	forced := month
	forced.Generation = 1
	verify := m.minter.Verify
	m.minter.Verify = func(ctx context.Context, value string) (makeapi.Authorization, error) {
		got, err := verify(ctx, value)
		if slices.Contains(got.Scopes, "scenarios:run") {
			return got, errNetwork
		}
		return got, err
	}
	for range 3 {
		if err := m.pass(forced, agent, tools); !errors.Is(err, errNetwork) {
			t.Fatalf("error %v", err)
		}
	}
	if got := m.token(agent).Sequence; got != 2 {
		t.Errorf("the first consumer's token was minted %d times", got)
	}
	m.minter.Verify = verify
	for range 2 {
		m.mustPass(forced, agent, tools)
	}
	if a, b := m.token(agent).Sequence, m.token(tools).Sequence; a != 2 || b != 2 {
		t.Errorf("minted %d and %d times", a, b)
	}
	if got := m.read(m.id).RotationGeneration; got != 1 {
		t.Errorf("generation %d was acted on", got)
	}
}

// Where Make grants less or more than asked, both are stored, for the caller to judge.
func TestGrantedScopesAreVerified(t *testing.T) {
	m := newMinting(t)
	m.minter.Verify = func(context.Context, string) (makeapi.Authorization, error) {
		return makeapi.Authorization{Scopes: []string{"b:read", "a:read"}}, nil
	}
	m.mustPass(month, agent)
	got := m.token(agent)
	if !slices.Equal(got.Asked, agent.Scopes) || !slices.Equal(got.Scopes, []string{"a:read", "b:read"}) {
		t.Errorf("asked %v, granted %v", got.Asked, got.Scopes)
	}
	m.mustPass(month, agent)
	if m.token(agent).Sequence != 1 {
		t.Error("a token whose scopes differ was minted again")
	}
}
