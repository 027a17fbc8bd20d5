package connection

import (
	"context"
	"errors"
	"fmt"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/optin"
	"github.com/makeops/make-operator/internal/rotation"
	"github.com/makeops/make-operator/internal/scope"
	"github.com/makeops/make-operator/internal/step"
)

// errGrantLost means that nobody knows any more what is to be revoked.
var errGrantLost = errors.New("the stored grant is gone")

// revoke kills every token of the connection at Make, or with onDelete: Retain only the root token that nobody but the operator
// knows. All that it needs is in the grant: a deleted namespace loses its Secrets first.
func (p *pass) revoke(ctx context.Context) error {
	retain := p.conn.Spec.OnDelete == v1alpha1.Retain
	if retain && !p.rotatesRoot() {
		return nil
	}
	rec, err := p.Grants.Read(ctx, p.id)
	lost := errors.Is(err, grant.ErrSealed) || err == nil && !rec.Stored() && p.conn.Status.Account.ID != 0
	switch {
	case retain && lost:
		return nil // and with it the root token that it held
	case lost:
		return p.revokeWithoutGrant(ctx, err)
	case err != nil:
		return err
	}
	p.rec = rec
	if rec.Root != nil {
		return p.revokeTokens(ctx, retain)
	}
	if rec.OAuth != nil && !retain {
		return p.revokeConsent(ctx)
	}
	return nil
}

// revokeWithoutGrant finds the minted tokens by their labels, as whoever the user's Secret speaks for. There is no such way for an
// OAuth grant.
func (p *pass) revokeWithoutGrant(ctx context.Context, cause error) error {
	if cause == nil {
		cause = errGrantLost
	}
	root, err := p.presentRoot(ctx)
	if err != nil {
		return err
	}
	if root == "" {
		return cause
	}
	p.rec = &grant.Record{Grant: grant.Grant{Root: &grant.Root{Value: root}}}
	return p.minter().DeleteAll(ctx)
}

// presentRoot is the root token that the user's Secret holds; empty if there is none to be had.
func (p *pass) presentRoot(ctx context.Context) (string, error) {
	if p.conn.Spec.Auth.APIToken == nil {
		return "", nil
	}
	secret, err := p.readSecret(ctx)
	if problem, ok := errors.AsType[*step.Problem](err); ok && problem.Kind == step.Stall {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	p.credential = secret
	return p.rootToken(), nil
}

// revokeTokens deletes the minted tokens, and after them the root token if it is the operator's own.
func (p *pass) revokeTokens(ctx context.Context, retain bool) error {
	rec := p.rec
	if minted := len(rec.Tokens)+len(rec.Retired) > 0; !retain && (minted || len(scope.Missing(mintScopes, rec.Root.Scopes)) == 0) {
		if err := p.deleteMinted(ctx); err != nil {
			return fmt.Errorf("delete minted tokens: %w", err)
		}
	}
	own := rec.Former
	if rec.Root.Created != "" {
		own = append(own, grant.FormerRoot{Value: rec.Root.Value, Created: rec.Root.Created})
		if len(rec.Tokens)+len(rec.Retired) > 0 {
			rec.Tokens, rec.Retired = nil, nil // so that the next attempt does not take a dead root for a reason to give up
			if err := p.Grants.Write(ctx, p.id, rec); err != nil {
				return err
			}
		}
	}
	for _, f := range own {
		err := rotation.KillRoot(ctx, p.zone(makeapi.APIToken(f.Value), makeapi.Rotation), p.id, f)
		if errors.Is(err, rotation.ErrUnlisted) {
			return step.Stallf(v1alpha1.ReasonRootAlive, "delete root token: %w", err)
		}
		if err != nil {
			return fmt.Errorf("delete root token: %w", err)
		}
	}
	return nil
}

// deleteMinted deletes the minted tokens as the root token that was accepted last, or, where that is dead, as a newer one in the
// user's Secret.
func (p *pass) deleteMinted(ctx context.Context) error {
	root := p.rec.Root
	err := p.minter().DeleteAll(ctx)
	if makeapi.KindOf(err) != makeapi.DeadCredential {
		return err
	}
	if root.Created != "" && len(p.rec.Tokens)+len(p.rec.Retired) == 0 {
		return nil // an attempt before this one came as far as the root token itself
	}
	present, failed := p.presentRoot(ctx)
	if failed != nil || present == "" || present == root.Value || present == p.rec.Bootstrap {
		return errors.Join(err, failed)
	}
	p.rec.Root = &grant.Root{Value: present, Scopes: root.Scopes}
	return p.minter().DeleteAll(ctx)
}

// revokeConsent ends the consent at Make. While another replica may be presenting the refresh token, its successor is waited for: it
// would live on.
func (p *pass) revokeConsent(ctx context.Context) error {
	o := p.rec.OAuth
	if o.Intent != nil && o.Intent.Holder.Process != p.Refresher.Holder.Process {
		gone, err := p.Refresher.Liveness.Gone(ctx, o.Intent.Holder)
		if err != nil {
			return err
		}
		if !gone && p.now.Before(p.conn.DeletionTimestamp.Add(intentPatience)) {
			return inProgress("another replica is refreshing the token", heldPause)
		}
	}
	apps, err := p.clients(ctx)
	if err != nil {
		return err
	}
	for _, app := range apps {
		if err = revokeAs(ctx, p.Make.OAuth(p.conn.Spec.Zone, app), o); makeapi.KindOf(err) != makeapi.InvalidClient {
			break
		}
	}
	return err
}

// intentPatience is longer than a refresh may take.
const intentPatience = revocationBudget / 5

// clients are the OAuth clients by which the grant can be revoked: as the user's Secret has it, if it is still there, and as Make
// last accepted it.
func (p *pass) clients(ctx context.Context) ([]makeapi.OAuthClient, error) {
	kept := makeapi.OAuthClient{ID: p.rec.OAuth.ClientID, Secret: p.rec.OAuth.ClientSecret}
	secret, err := p.readSecret(ctx)
	if problem, ok := errors.AsType[*step.Problem](err); ok && problem.Kind == step.Stall {
		return []makeapi.OAuthClient{kept}, nil
	}
	if err != nil {
		return nil, err
	}
	present := makeapi.OAuthClient{ID: optin.Value(secret, optin.ClientIDKey), Secret: optin.Value(secret, optin.ClientSecretKey)}
	if present == kept || present.ID != kept.ID {
		return []makeapi.OAuthClient{kept}, nil
	}
	return []makeapi.OAuthClient{present, kept}, nil
}

func revokeAs(ctx context.Context, app *makeapi.OAuth, o *grant.OAuth) error {
	for _, value := range []string{o.RefreshToken, o.AccessToken} {
		if value == "" {
			continue
		}
		if err := app.Revoke(ctx, value); err != nil {
			return err
		}
	}
	return nil
}
