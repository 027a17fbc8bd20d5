package grant

import (
	"context"
	"fmt"
	"slices"
)

// Chain is the Sealer by which keys move from one place to another: the first of its sealers seals, all of them open what is
// theirs. It must not be empty.
type Chain []Sealer

// Ready implements Sealer.
func (c Chain) Ready(ctx context.Context) error { return c[0].Ready(ctx) }

// Refresh implements Sealer.
func (c Chain) Refresh(ctx context.Context) (string, error) { return c[0].Refresh(ctx) }

// Seal implements Sealer.
func (c Chain) Seal(ctx context.Context, plain, additional []byte) (sealed []byte, keyID string, err error) {
	return c[0].Seal(ctx, plain, additional)
}

// Open implements Sealer.
func (c Chain) Open(ctx context.Context, sealed []byte, keyID string, additional []byte) ([]byte, error) {
	for _, s := range c {
		if s.Owns(keyID) {
			return s.Open(ctx, sealed, keyID, additional)
		}
	}
	return nil, fmt.Errorf("%w: nobody is configured to open sealing key %q", ErrSealed, keyID)
}

// Owns implements Sealer.
func (c Chain) Owns(keyID string) bool {
	return slices.ContainsFunc(c, func(s Sealer) bool { return s.Owns(keyID) })
}
