package connection

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/rotation"
	"github.com/makeops/make-operator/internal/scope"
	"github.com/makeops/make-operator/internal/step"
)

// rotatesRoot reports whether the operator is to replace the root token by one that only it knows.
func (p *pass) rotatesRoot() bool {
	return p.conn.Spec.Auth.APIToken != nil && p.conn.Spec.Auth.APIToken.RotateRoot
}

// forgetRootCondition removes the condition of a wish that is no more.
func (p *pass) forgetRootCondition() {
	if !p.rotatesRoot() {
		meta.RemoveStatusCondition(&p.conn.Status.Conditions, v1alpha1.RootRotated)
	}
}

// rotateRoot replaces the root token, and ends the one before at Make. It comes after everything that consumers need.
func (p *pass) rotateRoot(ctx context.Context) error {
	root := p.rec.Root
	if !rotation.RootDue(root, p.rotationPolicy(), p.now) {
		return p.judgeRoot()
	}
	if p.suspended() {
		return errSuspended("replace the root token")
	}
	if lacks := scope.Missing(mintScopes, root.Scopes); len(lacks) > 0 {
		return step.Stallf(v1alpha1.ReasonScopeMissing,
			"the token in Secret %s lacks %s, so the operator cannot replace it: use one that holds them", p.credential.Name, strings.Join(lacks, ", "))
	}
	other, err := p.sharesRoot(ctx)
	if err != nil {
		return err
	}
	if other != "" {
		return step.Stallf(v1alpha1.ReasonRootShared,
			"MakeConnection %s uses Secret %s too and would lose its token: give each of them a token of its own", other, p.credential.Name)
	}
	if err := p.minter().Succeed(ctx, p.rec, p.rotationPolicy(), p.now); err != nil {
		return p.rootRefused(ctx, err)
	}
	if err := p.killFormer(ctx); err != nil {
		return err
	}
	return p.judgeRoot()
}

// judgeRoot says whether nobody but the operator holds a root token.
func (p *pass) judgeRoot() error {
	for _, f := range p.rec.Former {
		if f.Stuck {
			return step.Stallf(v1alpha1.ReasonRootAlive,
				"Make does not let the operator end the token that it replaced: delete it in the account's profile, and raise spec.rotation.generation")
		}
	}
	if !p.rec.Root.Refused.IsZero() {
		return step.Stallf(v1alpha1.ReasonMakeRefused,
			"Make refused a successor of the root token: check the account's role and plan; it is tried again after a day")
	}
	return nil
}

// rootRefused keeps in mind that Make will not mint a successor, so that it is not asked with every pass.
func (p *pass) rootRefused(ctx context.Context, err error) error {
	refused := errors.Is(err, rotation.ErrNarrower)
	switch makeapi.KindOf(err) {
	case makeapi.MissingScope, makeapi.MissingRole, makeapi.PlanLimit, makeapi.Invalid, makeapi.NotFound:
		refused = true
	}
	if !refused {
		return p.classify(err)
	}
	rec, err := p.Grants.Read(ctx, p.id)
	if err != nil {
		return err
	}
	if rec.Root == nil {
		return p.classify(grant.ErrConflict)
	}
	rec.Root.Refused = p.now
	if err := p.Grants.Write(ctx, p.id, rec); err != nil {
		return p.classify(err)
	}
	p.rec = rec
	return p.judgeRoot()
}

// sharesRoot names another connection that uses the same Secret.
func (p *pass) sharesRoot(ctx context.Context) (string, error) {
	var list v1alpha1.MakeConnectionList
	if err := p.Client.List(ctx, &list, client.InNamespace(p.conn.Namespace)); err != nil {
		return "", fmt.Errorf("list MakeConnections: %w", err)
	}
	for i := range list.Items {
		other := &list.Items[i]
		if other.UID != p.conn.UID && credentialName(other) == p.credential.Name {
			return other.Name, nil
		}
	}
	return "", nil
}

// killFormer ends the root tokens that another one replaced, and stores that. One that Make does not list stays, for a person.
func (p *pass) killFormer(ctx context.Context) error {
	var left []grant.FormerRoot
	changed, ended := false, false
	for i, f := range p.rec.Former {
		if f.Stuck || f.All && len(p.held) > 0 && anyHeld(p.held) {
			left = append(left, f)
			continue
		}
		err := rotation.KillRoot(ctx, p.zone(makeapi.APIToken(f.Value), makeapi.Rotation), p.id, f)
		if err != nil && !errors.Is(err, rotation.ErrUnlisted) && !errors.Is(err, rotation.ErrAlive) {
			left = append(left, p.rec.Former[i:]...)
			p.rec.Former = left
			return p.classify(err)
		}
		changed = true
		if err != nil {
			f.Stuck = true
			left = append(left, f)
			continue
		}
		ended = ended || f.Value == p.rec.Bootstrap
	}
	if !changed {
		return nil
	}
	p.rec.Former = left
	if err := p.Grants.Write(context.WithoutCancel(ctx), p.id, p.rec); err != nil {
		return p.classify(err)
	}
	if ended {
		p.Steps.Events.Eventf(p.conn, nil, corev1.EventTypeNormal, v1alpha1.RootRotated, "RotateRoot",
			"the token in Secret %s is dead at Make; only the operator holds its successor", p.credential.Name)
	}
	return nil
}

func anyHeld(held map[string]bool) bool {
	for _, h := range held {
		if h {
			return true
		}
	}
	return false
}

// replaceRoot keeps in the grant what a newly accepted root token replaces. One that the operator minted is to die.
func (p *pass) replaceRoot(next *grant.Root) {
	old := p.rec.Root
	switch {
	case old == nil:
	case old.Value == next.Value: // only checked against another organization
		next.Accepted, next.Created, next.Sequence = old.Accepted, old.Created, old.Sequence
		next.RotationGeneration, next.Refused = old.RotationGeneration, old.Refused
		p.rec.Root, p.rootFresh = next, true
		return
	default:
		next.Sequence = old.Sequence
		stranger := old.AccountID != next.AccountID
		if old.Created != "" {
			p.rec.Former = append(p.rec.Former, grant.FormerRoot{Value: old.Value, Created: old.Created, All: stranger})
		}
		if stranger { // cannot delete the old account's tokens, so they are replaced at once and forgotten
			p.rec.Tokens, p.rec.Retired = nil, nil
		}
	}
	p.rec.Root, p.rec.Bootstrap, p.rootFresh = next, "", true
}
