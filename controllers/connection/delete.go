package connection

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/metrics"
	"github.com/makeops/make-operator/internal/step"
)

// revocationBudget is how long a deletion waits for Make. After that the tokens are given up, so that nothing hangs for ever.
const revocationBudget = 5 * time.Minute

// revocationPause is the wait between attempts to revoke.
const revocationPause = 15 * time.Second

// delete revokes what the connection holds at Make and lets it go.
func (r *Reconciler) delete(ctx context.Context, conn *v1alpha1.MakeConnection) (reconcile.Result, error) {
	if !controllerutil.ContainsFinalizer(conn, v1alpha1.ConnectionFinalizer) {
		return reconcile.Result{}, nil
	}
	p := r.newPass(conn)
	if err := p.revoke(ctx); err != nil {
		if p.now.Before(conn.DeletionTimestamp.Add(revocationBudget)) && !hopeless(err) {
			return r.Steps.Run(ctx, conn, step.Step{Condition: v1alpha1.Revoked, Do: func(context.Context) error {
				return step.Waitf(revocationPause, v1alpha1.ReasonRevocationPending, "revoke tokens at Make: %w", err)
			}})
		}
		r.abandon(ctx, conn, err)
	}
	if err := r.Grants.Delete(ctx, p.id); err != nil {
		return reconcile.Result{}, err
	}
	before := conn.DeepCopy()
	controllerutil.RemoveFinalizer(conn, v1alpha1.ConnectionFinalizer)
	err := r.Client.Patch(ctx, conn, client.MergeFrom(before))
	return reconcile.Result{}, client.IgnoreNotFound(err)
}

// abandon says that tokens were left alive. A terminating namespace takes no event any more, so it is logged too.
func (r *Reconciler) abandon(ctx context.Context, conn *v1alpha1.MakeConnection, err error) {
	metrics.RevocationAbandoned()
	ctrl.LoggerFrom(ctx).Info("gave up revoking tokens at Make", "namespace", conn.Namespace, "name", conn.Name, "reason", err.Error())
	r.Steps.Events.Eventf(conn, nil, corev1.EventTypeWarning, "RevocationAbandoned", "Delete",
		"tokens at Make may still be alive, delete them in the account's profile: %s", err)
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
	return errors.Is(err, grant.ErrSealed) || errors.Is(err, errGrantLost)
}
