package connection

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/judge"
	"github.com/makeops/make-operator/internal/rotation"
	"github.com/makeops/make-operator/internal/scope"
	"github.com/makeops/make-operator/internal/step"
)

// refuse stops the pass, because policy denies what the spec asks for. Of the tokens that exist already, those that policy would still
// allow stay as they are: a bad spec takes nothing away. The others end as the policy's onViolation says.
func (p *pass) refuse(ctx context.Context, verdict scope.Verdict) error {
	refused := step.Stallf(judge.Reason(verdict), "%s", verdict.Message())
	var denied []v1alpha1.ConsumerSecret
	revoke := false
	for _, held := range p.conn.Status.Secrets {
		v := judge.Held(p.conn, held, p.rules)
		p.lookAgain(v.Until)
		if !v.Allowed() {
			denied, revoke = append(denied, held), revoke || v.Revoke
		}
	}
	if len(denied) == 0 {
		return refused
	}
	rec := p.rec
	defer func() { p.rec = rec }() // nothing is rotated while policy refuses
	var err error
	if p.rec, err = p.Grants.Read(ctx, p.id); err != nil {
		if errors.Is(err, grant.ErrSealed) {
			return refused
		}
		return err
	}
	return p.withdraw(ctx, refused, denied, revoke)
}

// withdraw ends tokens that policy denies: all of them at once, or each when it would have been replaced. It returns the problem that
// is to be shown, which says what happens to them.
func (p *pass) withdraw(ctx context.Context, cause *step.Problem, denied []v1alpha1.ConsumerSecret, revoke bool) error {
	if p.suspended() {
		return cause // the owner wants Secrets to stay as they are, and no call
	}
	var end, wait []v1alpha1.ConsumerSecret
	for _, held := range denied {
		at := p.endOf(held)
		if revoke || !p.now.Before(at) {
			end = append(end, held)
			continue
		}
		p.lookAgain(at)
		wait = append(wait, held)
	}
	if len(end) > 0 {
		if err := p.endTokens(ctx, end, revoke); err != nil {
			return step.Waitf(revocationPause, cause.Reason, "%w; end the tokens that exist: %w", cause.Err, err)
		}
	}
	if len(wait) > 0 {
		return step.Stallf(cause.Reason, "%w; nothing new is issued, and the tokens that exist end when they would have been replaced", cause.Err)
	}
	return cause
}

// endOf is when a token that is not replaced ends.
func (p *pass) endOf(held v1alpha1.ConsumerSecret) time.Time {
	policy := p.rotationPolicy()
	token, minted := p.rec.Tokens[keyOf(held)]
	switch {
	case p.rec.OAuth != nil && p.shared:
		return p.now // it was refreshed before it was judged, so it would never end
	case p.rec.OAuth != nil && !p.rec.OAuth.Expiry.IsZero():
		return p.rec.OAuth.Expiry
	case p.rec.OAuth != nil:
		return rotation.RotateAt(p.rec.OAuth.Issued, policy.Every, policy.Key)
	case minted:
		return rotation.RotateAt(token.Minted, policy.Every, policy.Key)
	case p.rec.Root != nil:
		return rotation.RotateAt(p.rec.Root.Accepted, policy.Every, policy.Key)
	}
	return p.now
}

// endTokens takes consumers' Secrets, Roles and RoleBindings away, and only then ends the tokens at Make.
func (p *pass) endTokens(ctx context.Context, end []v1alpha1.ConsumerSecret, revoke bool) error {
	p.conn.Status.Secrets = slices.DeleteFunc(slices.Clone(p.conn.Status.Secrets), func(s v1alpha1.ConsumerSecret) bool {
		return slices.ContainsFunc(end, func(e v1alpha1.ConsumerSecret) bool { return e.Name == s.Name })
	})
	kept := p.conn.Status.Secrets
	err := p.endAll(ctx, end, revoke)
	if err != nil { // shown until it is done
		p.conn.Status.Secrets = slices.SortedFunc(slices.Values(append(slices.Clone(kept), end...)), bySecretName)
	}
	return err
}

func (p *pass) endAll(ctx context.Context, end []v1alpha1.ConsumerSecret, revoke bool) error {
	var plan rotation.Plan
	for _, held := range end {
		if _, ok := p.rec.Tokens[keyOf(held)]; ok {
			plan.Drop = append(plan.Drop, keyOf(held))
		}
	}
	if !plan.Empty() {
		if err := p.minter().Apply(ctx, p.rec, plan, p.rotationPolicy(), p.now); err != nil {
			return err
		}
	}
	p.consumers = nil
	for _, s := range p.conn.Status.Secrets {
		p.consumers = append(p.consumers, consumer{key: keyOf(s), secretName: s.Name, serviceAccount: s.ServiceAccountName, server: s.ServerName})
	}
	if err := p.prune(ctx); err != nil {
		return err
	}
	if p.rec.Root != nil && len(p.rec.Retired) > 0 {
		return p.minter().DeleteDue(ctx, p.rec, p.now)
	}
	if p.rec.OAuth != nil && revoke && len(p.consumers) == 0 {
		return p.revokeGrant(ctx)
	}
	return nil
}

// revokeGrant ends an OAuth grant at Make. Whoever wants it back has to consent again.
func (p *pass) revokeGrant(ctx context.Context) error {
	o := p.rec.OAuth
	if o.AccessToken == "" && o.RefreshToken == "" {
		return nil
	}
	var err error
	if p.credential == nil {
		if p.credential, err = p.readSecret(ctx); err != nil {
			return err
		}
	}
	for _, value := range []string{o.RefreshToken, o.AccessToken} {
		if value == "" {
			continue
		}
		if err := p.oauth().Revoke(ctx, value); err != nil {
			return err
		}
	}
	o.AccessToken, o.RefreshToken, o.Dead = "", "", v1alpha1.ReasonNeedsReauthorization
	return p.Grants.Write(ctx, p.id, p.rec)
}

// checkShared judges a token that several consumers share: whether policy demands one for each, and whether it lets them hold all
// that Make granted to it.
func (p *pass) checkShared(ctx context.Context, granted []string) error {
	verdict := judge.Sharing(p.conn, p.rules)
	p.lookAgain(verdict.Until)
	if p.judgePrivilege(ctx) != nil && !verdict.Allowed() {
		return p.withdraw(ctx, step.Stallf(v1alpha1.ReasonLeastPrivilegeNeeded, "%s", verdict.Message()), p.conn.Status.Secrets, verdict.Revoke)
	}
	for _, c := range p.consumers {
		verdict := judge.Granted(p.conn, c.key, granted, p.rules)
		p.lookAgain(verdict.Until)
		if !verdict.Allowed() {
			return p.withdraw(ctx, step.Stallf(v1alpha1.ReasonScopeDrift, "%s would get more than policy lets it hold, because it shares the token: %s",
				c.name(), verdict.Message()), p.conn.Status.Secrets, verdict.Revoke)
		}
	}
	return nil
}

// keyOf is the key in the grant of whoever holds a Secret.
func keyOf(held v1alpha1.ConsumerSecret) string {
	if held.ServerName != "" {
		return scope.MCPServer(held.ServerName)
	}
	return scope.ServiceAccount(held.ServiceAccountName)
}
