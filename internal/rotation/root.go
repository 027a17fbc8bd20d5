package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
)

// Errors of the replacement of root tokens, besides those of makeapi and the store.
var (
	// ErrNarrower means that Make granted the successor less than the root token holds. It was deleted again.
	ErrNarrower = errors.New("the successor holds less than the root token")
	// ErrUnlisted means that the account's list does not show the token, or shows several that could be it.
	ErrUnlisted = errors.New("make does not list the token")
	// ErrAlive means that the token still works although it was deleted.
	ErrAlive = errors.New("the token still works")
)

// rootLabel stands in a root token's label in the place of a consumer.
const rootLabel = "root"

// Succeed mints a successor of the root token with the same scopes, verifies it and stores it in its place; the one before is kept
// among the former ones until KillRoot has ended it. Before the successor is stored the one before is untouched, so that a crash at
// any point leaves one of the two that is both known and alive. After an error the record is to be read again.
func (m *Minter) Succeed(ctx context.Context, rec *grant.Record, p Policy, now time.Time) error {
	if err := m.deleteOrphans(ctx, rec); err != nil {
		return err
	}
	old := *rec.Root
	minted, err := m.API.CreateToken(ctx, label(m.ID.UID, rootLabel, old.Sequence+1), old.Scopes)
	if err != nil {
		return fmt.Errorf("mint a successor of the root token: %w", err)
	}
	holds, err := m.Verify(ctx, minted.Value)
	if err != nil {
		return fmt.Errorf("verify the successor of the root token: %w", err)
	}
	for _, scope := range old.Scopes {
		if !slices.Contains(holds.Scopes, scope) {
			return errors.Join(ErrNarrower, m.API.DeleteToken(ctx, minted.Created))
		}
	}
	next := old
	next.Value, next.Created, next.Sequence = minted.Value, minted.Created, old.Sequence+1
	next.Scopes, next.Accepted = slices.Sorted(slices.Values(holds.Scopes)), now
	next.RotationGeneration, next.Refused = p.Generation, time.Time{}
	if old.Created == "" {
		rec.Bootstrap = old.Value
	}
	for i := range rec.Former {
		rec.Former[i].Stuck = false // somebody asked anew
	}
	rec.Root, rec.Former = &next, append(rec.Former, grant.FormerRoot{Value: old.Value, Created: old.Created})
	ctx = context.WithoutCancel(ctx)
	err = m.Grants.Write(ctx, m.ID, rec)
	if errors.Is(err, grant.ErrConflict) {
		err = errors.Join(err, m.deleteUnstored(ctx))
	}
	return err
}

// RootDue reports whether a root token is to be replaced: a user's own at once, the operator's like any other minted token.
func RootDue(root *grant.Root, p Policy, now time.Time) bool {
	at := RootAt(root, p)
	return !now.Before(at)
}

// refusedRoot is how long a refused replacement is not asked for again.
const refusedRoot = 24 * time.Hour

// RootAt is when a root token is to be replaced.
func RootAt(root *grant.Root, p Policy) time.Time {
	at := time.Time{}
	if root.Created != "" && p.Generation <= root.RotationGeneration {
		at = RotateAt(root.Accepted, p.Every, p.Key)
	}
	if again := root.Refused.Add(refusedRoot); !root.Refused.IsZero() && again.After(at) {
		at = again
	}
	return at
}

// KillRoot ends a root token at Make by its own power, and makes sure that it is dead. Its id is whose minted tokens end with it where
// All is set. A token that Make does not accept any more is dead already.
func KillRoot(ctx context.Context, api TokenAPI, id grant.Identity, f grant.FormerRoot) error {
	tokens, err := api.ListTokens(ctx)
	if makeapi.KindOf(err) == makeapi.DeadCredential {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the former root token: %w", err)
	}
	var itself []string
	for _, t := range tokens {
		ours := strings.HasPrefix(t.Label, labelPrefix(id.UID))
		switch {
		case isRoot(f, t, ours):
			itself = append(itself, t.Created)
		case f.All && ours:
			if err := api.DeleteToken(ctx, t.Created); err != nil {
				return fmt.Errorf("delete what the former account minted: %w", err)
			}
		}
	}
	if len(itself) != 1 {
		return ErrUnlisted
	}
	if err := api.DeleteToken(ctx, itself[0]); err != nil && makeapi.KindOf(err) != makeapi.DeadCredential {
		return fmt.Errorf("delete the former root token: %w", err)
	}
	switch _, err := api.ListTokens(ctx); {
	case makeapi.KindOf(err) == makeapi.DeadCredential:
		return nil
	case err != nil:
		return fmt.Errorf("see that the former root token is dead: %w", err)
	default:
		return ErrAlive
	}
}

// isRoot reports whether a listed token is the former root. Make stars its value out behind the first group.
func isRoot(f grant.FormerRoot, t makeapi.TokenInfo, ours bool) bool {
	shown, _, masked := strings.Cut(t.Masked, "*")
	if !masked || len(shown) < 4 || !strings.HasPrefix(f.Value, shown) {
		return false
	}
	if f.Created != "" {
		return t.Created == f.Created
	}
	return !ours // a user's own is none that the operator labelled
}
