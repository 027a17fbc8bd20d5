package connection

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/metrics"
	"github.com/makeops/make-operator/internal/scope"
	"github.com/makeops/make-operator/internal/step"
)

// revocationBudget is how long a deletion waits for Make. After that the tokens are given up, so that nothing hangs for ever.
const revocationBudget = 10 * time.Minute

// delete revokes what the connection holds at Make and lets it go.
func (r *Reconciler) delete(ctx context.Context, conn *v1alpha1.MakeConnection) (reconcile.Result, error) {
	if !controllerutil.ContainsFinalizer(conn, v1alpha1.ConnectionFinalizer) {
		return reconcile.Result{}, nil
	}
	p := r.newPass(conn)
	if conn.Spec.OnDelete != v1alpha1.Retain {
		if err := p.revoke(ctx); err != nil {
			if p.now.Before(conn.DeletionTimestamp.Add(revocationBudget)) && !hopeless(err) {
				return r.Steps.Run(ctx, conn, step.Step{Condition: v1alpha1.Revoked, Do: func(context.Context) error {
					return step.Waitf(p.revocationPause(), v1alpha1.ReasonRevocationPending, "revoke tokens at Make: %w", err)
				}})
			}
			metrics.RevocationAbandoned()
			r.Steps.Events.Eventf(conn, nil, corev1.EventTypeWarning, "RevocationAbandoned", "Delete",
				"tokens at Make may still be alive, delete them in the account's profile: %s", err)
		}
	}
	if err := r.Grants.Delete(ctx, p.id); err != nil {
		return reconcile.Result{}, err
	}
	before := conn.DeepCopy()
	controllerutil.RemoveFinalizer(conn, v1alpha1.ConnectionFinalizer)
	err := r.Client.Patch(ctx, conn, client.MergeFrom(before))
	return reconcile.Result{}, client.IgnoreNotFound(err)
}

// revocationPause is the wait between attempts to revoke: it grows, and the last attempt comes when the budget ends.
func (p *pass) revocationPause() time.Duration {
	tried := p.now.Sub(p.conn.DeletionTimestamp.Time)
	return max(min(max(firstRevocationPause, tried/2), revocationBudget-tried), time.Second)
}

const firstRevocationPause = 15 * time.Second

// revoke kills every token of the connection at Make. The credential Secret may be gone already, with its namespace.
func (p *pass) revoke(ctx context.Context) error {
	rec, err := p.Grants.Read(ctx, p.id)
	if err != nil {
		return err
	}
	p.rec = rec
	if rec.Root != nil && (len(rec.Tokens)+len(rec.Retired) > 0 || len(scope.Missing(mintScopes, rec.Root.Scopes)) == 0) {
		if err := p.minter().DeleteAll(ctx); err != nil {
			return fmt.Errorf("delete minted tokens: %w", err)
		}
	}
	if rec.OAuth == nil {
		return nil
	}
	if p.credential, err = p.readSecret(ctx); err != nil {
		return err
	}
	for _, value := range []string{rec.OAuth.RefreshToken, rec.OAuth.AccessToken} {
		if value == "" {
			continue
		}
		if err := p.oauth().Revoke(ctx, value); err != nil {
			return err
		}
	}
	return nil
}

// hopeless reports whether trying again cannot help: the credential is dead, gone or cannot be opened.
func hopeless(err error) bool {
	if problem, ok := errors.AsType[*step.Problem](err); ok {
		return problem.Kind == step.Stall
	}
	switch makeapi.KindOf(err) {
	case makeapi.DeadCredential, makeapi.InvalidClient, makeapi.MissingScope, makeapi.ZoneNotAllowed:
		return true
	}
	return errors.Is(err, grant.ErrSealed)
}
