package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
)

// TokenAPI creates and deletes API tokens as the owner of the root token.
type TokenAPI interface {
	CreateToken(ctx context.Context, label string, scopes []string) (makeapi.MintedToken, error)
	ListTokens(ctx context.Context) ([]makeapi.TokenInfo, error)
	DeleteToken(ctx context.Context, created string) error
}

// Verifier asks Make what a freshly minted token holds.
type Verifier func(ctx context.Context, value string) (makeapi.Authorization, error)

// Minter carries out plans. Its zero value is not usable.
type Minter struct {
	Grants Grants
	// ID is whose tokens these are.
	ID     grant.Identity
	API    TokenAPI
	Verify Verifier
	// Root is the stamp of the root token that API speaks as, where the operator minted it: it is no orphan, and dies last. Empty
	// for a user's own.
	Root string
	// Held are consumers whose present token is not published yet: those that it replaced live on. Nil holds nobody.
	Held map[string]bool
}

// Apply carries out a plan and stores the outcome. Tokens that were made before an error are kept; where none was, nothing is
// stored.
func (m *Minter) Apply(ctx context.Context, rec *grant.Record, plan Plan, p Policy, now time.Time) error {
	for _, consumer := range plan.Drop {
		retire(&rec.Grant, consumer, 0) // nobody is to use it any more: no overlap
		delete(rec.Tokens, consumer)
	}
	made, failed := m.mintAll(ctx, rec, plan.Mint, p, now)
	if failed == nil {
		rec.RotationGeneration = max(rec.RotationGeneration, p.Generation)
	}
	if failed != nil && made == 0 && len(plan.Drop) == 0 {
		return failed
	}
	// The new tokens exist at Make only as long as we can name them, so a cancelled pass still stores them.
	ctx = context.WithoutCancel(ctx)
	err := m.Grants.Write(ctx, m.ID, rec)
	if errors.Is(err, grant.ErrConflict) && made > 0 {
		err = errors.Join(err, m.deleteUnstored(ctx))
	}
	return errors.Join(failed, err)
}

// deleteUnstored is for one who lost a race: nobody will find a reason to look for what it minted until the next rotation.
func (m *Minter) deleteUnstored(ctx context.Context) error {
	stored, err := m.Grants.Read(ctx, m.ID)
	if err != nil {
		return err
	}
	return m.deleteOrphans(ctx, stored)
}

// mintAll says how many tokens it made.
func (m *Minter) mintAll(ctx context.Context, rec *grant.Record, demands []Demand, p Policy, now time.Time) (int, error) {
	if len(demands) == 0 {
		return 0, nil
	}
	if err := m.deleteOrphans(ctx, rec); err != nil {
		return 0, err
	}
	for made, d := range demands {
		token, err := m.mint(ctx, d, rec.Tokens[d.Consumer].Sequence+1)
		if err != nil {
			return made, fmt.Errorf("mint token for %s: %w", d.Consumer, err)
		}
		token.Minted, token.RotationGeneration = now, p.Generation
		retire(&rec.Grant, d.Consumer, p.Overlap)
		if rec.Tokens == nil {
			rec.Tokens = map[string]grant.Token{}
		}
		rec.Tokens[d.Consumer] = token
	}
	return len(demands), nil
}

func (m *Minter) mint(ctx context.Context, d Demand, sequence int64) (grant.Token, error) {
	minted, err := m.API.CreateToken(ctx, label(m.ID.UID, d.Consumer, sequence), d.Scopes)
	if err != nil {
		return grant.Token{}, err
	}
	holds, err := m.Verify(ctx, minted.Value)
	if err != nil {
		return grant.Token{}, err
	}
	return grant.Token{
		Value: minted.Value, Created: minted.Created, Asked: d.Scopes, Scopes: slices.Sorted(slices.Values(holds.Scopes)),
		Sequence: sequence,
	}, nil
}

// deleteOrphans deletes tokens that were minted for this connection but never stored: a crash came between.
//
// Between finding and deleting one it writes the grant. An orphan may be a token that another process has just minted; after this
// write that process cannot store it any more, and if it was stored already the write fails.
func (m *Minter) deleteOrphans(ctx context.Context, rec *grant.Record) error {
	known := map[string]bool{m.Root: true}
	if rec.Root != nil { // another process may have replaced the root token since m.Root was read
		known[rec.Root.Created] = true
	}
	for _, f := range rec.Former {
		known[f.Created] = true
	}
	for _, t := range rec.Tokens {
		known[t.Created] = true
	}
	for _, t := range rec.Retired {
		known[t.Created] = true
	}
	orphans, err := m.own(ctx, func(created string) bool { return !known[created] })
	if err != nil || len(orphans) == 0 {
		return err
	}
	if err := m.Grants.Write(ctx, m.ID, rec); err != nil {
		return err
	}
	return m.delete(ctx, orphans)
}

// DeleteDue deletes the retired tokens whose overlap has ended, except those of Held, and stores that. Call it after a consumer's new
// token was published: the overlap begins with the first call.
func (m *Minter) DeleteDue(ctx context.Context, rec *grant.Record, now time.Time) error {
	begun := false
	for i, t := range rec.Retired {
		if t.NotBefore.IsZero() && !m.Held[t.Consumer] {
			rec.Retired[i].NotBefore, begun = now.Add(t.Overlap), true
		}
	}
	due := map[string]bool{}
	for _, t := range Due(&rec.Grant, now) {
		due[t.Created] = !m.Held[t.Consumer]
	}
	dead := func(t grant.Retired) bool { return due[t.Created] }
	if slices.ContainsFunc(rec.Retired, dead) {
		stamps, err := m.own(ctx, func(created string) bool { return due[created] })
		if err == nil {
			err = m.delete(ctx, stamps)
		}
		if err != nil {
			return fmt.Errorf("delete replaced tokens: %w", err)
		}
	} else if !begun {
		return nil
	}
	rec.Retired = slices.DeleteFunc(rec.Retired, dead)
	return m.Grants.Write(context.WithoutCancel(ctx), m.ID, rec)
}

// DeleteAll deletes every token that was ever minted for the connection, except the root token itself.
func (m *Minter) DeleteAll(ctx context.Context) error {
	stamps, err := m.own(ctx, func(created string) bool { return created != m.Root })
	if err != nil {
		return err
	}
	return m.delete(ctx, stamps)
}

// own are the stamps of those of the connection's own tokens that match. Make deletes by the stamp alone, so the list is asked first: a
// stamp that belongs to a token of somebody else is left alone.
func (m *Minter) own(ctx context.Context, match func(created string) bool) ([]string, error) {
	tokens, err := m.API.ListTokens(ctx)
	if err != nil {
		return nil, err
	}
	var stamps []string
	for _, t := range tokens {
		if strings.HasPrefix(t.Label, labelPrefix(m.ID.UID)) && match(t.Created) {
			stamps = append(stamps, t.Created)
		}
	}
	return stamps, nil
}

func (m *Minter) delete(ctx context.Context, stamps []string) error {
	for _, created := range stamps {
		if err := m.API.DeleteToken(ctx, created); err != nil {
			return err
		}
	}
	return nil
}

// retire moves a consumer's token, if there is one, to those to be deleted.
func retire(g *grant.Grant, consumer string, overlap time.Duration) {
	if t, ok := g.Tokens[consumer]; ok {
		g.Retired = append(g.Retired, grant.Retired{Consumer: consumer, Created: t.Created, Overlap: overlap})
	}
}

// label is what a minted token is called at Make; its owner sees it in the profile.
func label(uid types.UID, consumer string, sequence int64) string {
	return fmt.Sprintf("%s%s:%d", labelPrefix(uid), consumer, sequence)
}

func labelPrefix(uid types.UID) string { return fmt.Sprintf("make-operator:%s:", uid) }
