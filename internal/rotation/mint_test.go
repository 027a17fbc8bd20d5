package rotation_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/rotation"
)

var (
	agent = rotation.Demand{Consumer: "sa:agent", Scopes: []string{"scenarios:read"}}
	tools = rotation.Demand{Consumer: "mcp:tools", Scopes: []string{"scenarios:read", "scenarios:run"}}
	month = rotation.Policy{Every: 30 * 24 * time.Hour, Overlap: 10 * time.Minute, Key: "k"}
)

// minting is a connection whose tokens are minted at a simulated Make.
type minting struct {
	*world
	id     grant.Identity
	minter *rotation.Minter
}

// mintingID is whose tokens are minted.
var mintingID = grant.Identity{Namespace: "sales", Name: "crm", UID: "uid-1"}

func newMinting(t *testing.T) *minting {
	t.Helper()
	w := newWorld(t, makesim.ClassStrict)
	return &minting{world: w, id: mintingID, minter: w.minter()}
}

func (w *world) minter() *rotation.Minter {
	return &rotation.Minter{
		Grants: w, ID: mintingID, API: w.make.Zone(w.sim.Zone, makeapi.APIToken(makesim.RootToken)),
		Verify: func(ctx context.Context, value string) (makeapi.Authorization, error) {
			return w.make.Zone(w.sim.Zone, makeapi.APIToken(value)).CurrentAuthorization(ctx)
		},
	}
}

// pass does what a controller does: it reads, decides and applies, and once all is published lets due tokens be deleted.
func (m *minting) pass(p rotation.Policy, demands ...rotation.Demand) error {
	m.t.Helper()
	if err := m.apply(p, demands...); err != nil {
		return err
	}
	return m.published()
}

func (m *minting) apply(p rotation.Policy, demands ...rotation.Demand) error {
	m.t.Helper()
	rec := m.read(m.id)
	plan := rotation.Decide(&rec.Grant, demands, p, m.clock.Now())
	if plan.Empty() {
		return nil
	}
	err := m.minter.Apply(m.t.Context(), rec, plan, p, m.clock.Now())
	if err == nil && !cmp.Equal(rec.Grant, m.read(m.id).Grant, cmpopts.EquateEmpty()) {
		m.t.Error("the record is not what is stored")
	}
	return err
}

func (m *minting) published() error {
	return m.minter.DeleteDue(m.t.Context(), m.read(m.id), m.clock.Now())
}

func (m *minting) mustPass(p rotation.Policy, demands ...rotation.Demand) {
	m.t.Helper()
	if err := m.pass(p, demands...); err != nil {
		m.t.Fatal(err)
	}
}

// token is what the store holds for a consumer.
func (m *minting) token(d rotation.Demand) grant.Token { return m.read(m.id).Tokens[d.Consumer] }

// own are the labels of the connection's tokens that are alive at Make.
func (m *minting) own() []string {
	m.t.Helper()
	listed, err := m.minter.API.ListTokens(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	var labels []string
	for _, t := range listed {
		if label, ok := strings.CutPrefix(t.Label, "make-operator:uid-1:"); ok {
			labels = append(labels, label)
		}
	}
	slices.Sort(labels)
	return labels
}

// has fails unless exactly these tokens of the connection are alive at Make.
func (m *minting) has(labels ...string) {
	m.t.Helper()
	if diff := cmp.Diff(labels, m.own()); diff != "" {
		m.t.Errorf("tokens at Make (-want +got):\n%s", diff)
	}
}

func TestMint(t *testing.T) {
	m := newMinting(t)
	m.mustPass(month, agent, tools)
	for _, d := range []rotation.Demand{agent, tools} {
		got := m.token(d)
		want := grant.Token{Value: got.Value, Created: got.Created, Asked: d.Scopes, Scopes: d.Scopes, Minted: m.clock.Now(), Sequence: 1}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", d.Consumer, diff)
		}
		if !m.sim.TokenAlive(got.Value) {
			t.Errorf("the token of %s is %s", d.Consumer, m.sim.TokenState(got.Value))
		}
	}
	m.has("mcp:tools:1", "sa:agent:1")

	writes := len(m.sim.Ledger())
	m.mustPass(month, agent, tools)
	if extra := m.sim.Ledger()[writes:]; len(extra) != 0 {
		t.Errorf("a pass with nothing to do asked Make: %+v", extra)
	}
}

// The old token lives until its successor was published and the overlap has passed since then.
func TestMakeBeforeBreak(t *testing.T) {
	m := newMinting(t)
	m.mustPass(month, agent)
	old := m.token(agent)
	m.clock.Step(month.Every)
	if err := m.apply(month, agent); err != nil {
		t.Fatal(err)
	}
	next := m.token(agent)
	m.has("sa:agent:1", "sa:agent:2")
	m.clock.Step(24 * time.Hour) // the API server does not let us publish for a day
	if !m.sim.TokenAlive(old.Value) || !m.sim.TokenAlive(next.Value) {
		t.Fatal("a token died before its successor was published")
	}
	for _, wait := range []time.Duration{0, month.Overlap - time.Nanosecond} {
		m.clock.Step(wait)
		m.mustPass(month, agent)
		m.has("sa:agent:1", "sa:agent:2")
	}
	m.clock.Step(time.Nanosecond)
	m.mustPass(month, agent)
	m.has("sa:agent:2")
	if m.sim.TokenAlive(old.Value) || !m.sim.TokenAlive(next.Value) || m.token(agent).Value != next.Value {
		t.Error("the wrong token died")
	}
	if got := m.read(m.id).Retired; len(got) != 0 {
		t.Errorf("still to be deleted: %+v", got)
	}
}

// Where one consumer's new token cannot be published its old one lives on; the others' do not wait for it.
func TestHeldConsumersKeepTheirTokens(t *testing.T) {
	m := newMinting(t)
	m.mustPass(month, agent, tools)
	m.clock.Step(month.Every)
	if err := m.apply(month, agent, tools); err != nil {
		t.Fatal(err)
	}
	m.minter.Held = map[string]bool{agent.Consumer: true}
	for range 2 {
		if err := m.published(); err != nil {
			t.Fatal(err)
		}
		m.clock.Step(month.Overlap)
	}
	m.has("mcp:tools:2", "sa:agent:1", "sa:agent:2")
	m.minter.Held = nil
	if err := m.published(); err != nil {
		t.Fatal(err)
	}
	m.has("mcp:tools:2", "sa:agent:1", "sa:agent:2")
	m.clock.Step(month.Overlap)
	m.minter.Held = map[string]bool{agent.Consumer: true} // again, before the overlap has ended
	if err := m.published(); err != nil {
		t.Fatal(err)
	}
	m.has("mcp:tools:2", "sa:agent:1", "sa:agent:2")
	m.minter.Held = nil
	if err := m.published(); err != nil {
		t.Fatal(err)
	}
	m.has("mcp:tools:2", "sa:agent:2")
}

// A rotation that is forced while the overlap of the one before still runs does not cut it short.
func TestRotationWithinTheOverlap(t *testing.T) {
	m := newMinting(t)
	m.mustPass(month, agent)
	for generation := range int64(3) {
		m.clock.Step(month.Overlap / 10)
		forced := month
		forced.Generation = generation + 1
		m.mustPass(forced, agent)
	}
	m.has("sa:agent:1", "sa:agent:2", "sa:agent:3", "sa:agent:4")
}

// Without an overlap the old token dies as soon as the new one is published.
func TestNoOverlap(t *testing.T) {
	m := newMinting(t)
	policy := rotation.Policy{Every: time.Hour, Key: "k"}
	m.mustPass(policy, agent)
	m.clock.Step(time.Hour)
	if err := m.apply(policy, agent); err != nil {
		t.Fatal(err)
	}
	m.has("sa:agent:1", "sa:agent:2")
	if err := m.published(); err != nil {
		t.Fatal(err)
	}
	m.has("sa:agent:2")
}

// A consumer that is gone has no overlap; the others keep their tokens.
func TestDrop(t *testing.T) {
	m := newMinting(t)
	m.mustPass(month, agent, tools)
	kept := m.token(tools)
	if err := m.apply(month, tools); err != nil {
		t.Fatal(err)
	}
	m.has("mcp:tools:1", "sa:agent:1")
	if err := m.published(); err != nil {
		t.Fatal(err)
	}
	m.has("mcp:tools:1")
	if got := slices.Collect(maps.Keys(m.read(m.id).Tokens)); !slices.Equal(got, []string{"mcp:tools"}) || m.token(tools).Value != kept.Value {
		t.Errorf("tokens of %v are stored", got)
	}
}

func TestOtherScopesMintAnew(t *testing.T) {
	m := newMinting(t)
	m.mustPass(month, tools)
	old := m.token(tools)
	narrow := rotation.Demand{Consumer: tools.Consumer, Scopes: []string{"scenarios:read"}}
	m.mustPass(month, narrow)
	got := m.token(tools)
	if got.Value == old.Value || !slices.Equal(got.Scopes, narrow.Scopes) || got.Sequence != 2 {
		t.Errorf("scopes %v, sequence %d", got.Scopes, got.Sequence)
	}
	m.clock.Step(month.Overlap)
	m.mustPass(month, narrow)
	m.has("mcp:tools:2")
}

// Tokens of other connections, of other programs and of people are never touched, whatever they are called.
func TestForeignTokensStay(t *testing.T) {
	m := newMinting(t)
	var foreign []string
	for _, label := range []string{
		"make-operator:uid-10:sa:agent:1", "make-operator:uid:sa:agent:1", "make-operator", "my laptop", "uid-1:sa:agent:1",
		"x make-operator:uid-1:sa:agent:1",
	} {
		made, err := m.minter.API.CreateToken(t.Context(), label, agent.Scopes)
		if err != nil {
			t.Fatal(err)
		}
		foreign = append(foreign, made.Value)
	}
	m.mustPass(month, agent)
	rec := m.read(m.id) // a stored stamp that belongs to somebody else's token
	rec.Retired = append(rec.Retired, grant.Retired{Consumer: "sa:agent", Created: stampOf(t, m, "my laptop"), NotBefore: m.clock.Now()})
	if err := m.Write(t.Context(), m.id, rec); err != nil {
		t.Fatal(err)
	}
	m.clock.Step(month.Every)
	m.mustPass(month, agent)
	m.mustPass(month)
	if err := m.minter.DeleteAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, value := range append(foreign, makesim.RootToken, makesim.ReaderToken) {
		if !m.sim.TokenAlive(value) {
			t.Errorf("token %d is %s", i, m.sim.TokenState(value))
		}
	}
	m.has()
}

func stampOf(t *testing.T, m *minting, label string) string {
	t.Helper()
	listed, err := m.minter.API.ListTokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return listed[slices.IndexFunc(listed, func(i makeapi.TokenInfo) bool { return i.Label == label })].Created
}

func (m *minting) disturb(f makesim.Fault) {
	m.t.Helper()
	f.Count = 1
	m.knobs(func(k *makesim.Knobs) { k.Faults = append(k.Faults, f) })
}

// raced lets something happen just before a token is created.
type raced struct {
	rotation.TokenAPI

	before func()
}

func (r *raced) CreateToken(ctx context.Context, label string, scopes []string) (makeapi.MintedToken, error) {
	if before := r.before; before != nil {
		r.before = nil
		before()
	}
	return r.TokenAPI.CreateToken(ctx, label, scopes)
}

// Of two processes that mint at the same time one cannot store what it made. It deletes that, and leaves the other's alone.
func TestLoserOfRaceLeavesNothing(t *testing.T) {
	m := newMinting(t)
	rec := m.read(m.id)
	plan := rotation.Decide(&rec.Grant, []rotation.Demand{agent, tools}, month, m.clock.Now())
	loser := m.world.minter()
	loser.API = &raced{loser.API, func() { m.mustPass(month, agent, tools) }}
	if err := loser.Apply(t.Context(), rec, plan, month, m.clock.Now()); !errors.Is(err, grant.ErrConflict) {
		t.Errorf("error %v, want %v", err, grant.ErrConflict)
	}
	m.has("mcp:tools:1", "sa:agent:1")
	for _, d := range []rotation.Demand{agent, tools} {
		if !m.sim.TokenAlive(m.token(d).Value) {
			t.Errorf("the stored token of %s was deleted", d.Consumer)
		}
	}
}

// The same holds for two processes that replace the root token.
func TestLoserOfRootRaceLeavesNothing(t *testing.T) {
	m := newMinting(t)
	rec := m.read(m.id)
	rec.Root = &grant.Root{Value: makesim.RootToken, Scopes: []string{"scenarios:read", "user:read", "user:write"}}
	if err := m.Write(t.Context(), m.id, rec); err != nil {
		t.Fatal(err)
	}
	loser := m.world.minter()
	loser.API = &raced{loser.API, func() {
		if err := m.minter.Succeed(t.Context(), m.read(m.id), month, m.clock.Now()); err != nil {
			t.Error(err)
		}
	}}
	if err := loser.Succeed(t.Context(), m.read(m.id), month, m.clock.Now()); !errors.Is(err, grant.ErrConflict) {
		t.Errorf("error %v, want %v", err, grant.ErrConflict)
	}
	m.has("root:1")
	if !m.sim.TokenAlive(m.read(m.id).Root.Value) {
		t.Error("the stored root token was deleted")
	}
}
