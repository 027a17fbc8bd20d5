package rotation

import (
	"context"
	"fmt"

	"github.com/makeops/make-operator/internal/grant"
)

// Revoke deletes the present tokens of some consumers at Make, and stores that they are dead. Their entries stay, so that they are not
// minted again before their time; those that they replaced live on.
func (m *Minter) Revoke(ctx context.Context, rec *grant.Record, consumers []string) error {
	dead := map[string]bool{}
	for _, consumer := range consumers {
		dead[rec.Tokens[consumer].Created] = true
	}
	stamps, err := m.own(ctx, func(created string) bool { return dead[created] })
	if err == nil {
		err = m.delete(ctx, stamps)
	}
	if err != nil {
		return fmt.Errorf("revoke tokens: %w", err)
	}
	for _, consumer := range consumers {
		token := rec.Tokens[consumer]
		token.Value, token.Revoked = "", true
		rec.Tokens[consumer] = token
	}
	return m.Grants.Write(context.WithoutCancel(ctx), m.ID, rec)
}
