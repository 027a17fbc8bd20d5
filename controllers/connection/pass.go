package connection

import (
	"errors"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/rotation"
	"github.com/makeops/make-operator/internal/scope"
	"github.com/makeops/make-operator/internal/step"
)

// pass is the working set of one reconcile. Each field says which step fills it.
type pass struct {
	*Reconciler

	conn *v1alpha1.MakeConnection
	id   grant.Identity
	now  time.Time

	rules      scope.Rules       // checkScopes: what policy allows
	warned     []scope.Violation // checkScopes: what policies that only warn have against the spec
	again      time.Time         // every step that judges: when the first exception ends; zero means never
	unanswered bool              // recheck: Make did not say what the tokens hold
	ending     map[string]bool   // checkScopes: consumers, by key, whose token must not be replaced
	consumers  []consumer        // checkScopes
	credential *corev1.Secret    // readCredentials: the Secret that the spec refers to
	rec        *grant.Record     // readCredentials; replaced by every step that writes the grant
	rival      *consumer         // checkScopes: one that is left out, because another has its Secret
	rootFresh  bool              // acceptRoot: rec.Root is not stored yet
	shared     bool              // ensureTokens: all consumers hold the same credential
	held       map[string]bool   // ensureTokens: consumers, by key, whose token must not be published

	mark       rotation.Mark  // refreshGrant: the newest grant of which a consumer's Secret tells
	calls      atomic.Int64   // to Make, so far
	retry      v1alpha1.Retry // what the pass before left
	unfinished bool           // callMake: something that needs Make did not succeed, or has to wait
}

func (r *Reconciler) newPass(conn *v1alpha1.MakeConnection) *pass {
	return &pass{Reconciler: r, conn: conn, id: identityOf(conn), now: r.Clock.Now(), retry: conn.Status.Retry}
}

func (p *pass) steps() []step.Step {
	steps := []step.Step{
		{Condition: v1alpha1.ScopesAllowed, Do: p.checkScopes},
		{Condition: v1alpha1.WithinPolicy, Do: p.checkWarnings, Advisory: true},
		{Condition: v1alpha1.CredentialsAvailable, Do: p.readCredentials},
	}
	if p.conn.Spec.Auth.OAuth != nil {
		steps = append(steps,
			step.Step{Condition: v1alpha1.Authorized, Do: p.authorize},
			step.Step{Condition: v1alpha1.ScopesGranted, Do: p.checkGrantedScopes})
	} else {
		steps = append(steps,
			step.Step{Condition: v1alpha1.Authorized, Do: p.acceptRoot},
			step.Step{Condition: v1alpha1.ScopesGranted, Do: p.ensureTokens})
	}
	steps = append(steps, step.Step{Condition: v1alpha1.Synced, Do: p.publish})
	if p.rotatesRoot() {
		steps = append(steps, step.Step{Condition: v1alpha1.RootRotated, Do: p.rotateRoot, Advisory: true})
	}
	return append(steps,
		step.Step{Condition: v1alpha1.LeastPrivilege, Do: p.judgePrivilege, Advisory: true},
	)
}

// suspended reports whether the owner stopped every call to Make.
func (p *pass) suspended() bool { return p.conn.Spec.Suspend == v1alpha1.SuspendEnabled }

// zone speaks to the connection's zone with a credential; the calls count against the connection's organization.
func (p *pass) zone(c makeapi.Credential, priority makeapi.Priority) *makeapi.Zone {
	return p.Make.Zone(p.conn.Spec.Zone, c).For(p.conn.Spec.OrganizationID, priority).Counted(&p.calls)
}

// keepSchedule adds to the outcome of a pass when the next rotation is due, or policy has to be asked again. A problem does not stop
// the clock of what still works; but what is overdue is part of the problem.
func (p *pass) keepSchedule(result reconcile.Result, err error) (reconcile.Result, error) {
	at, now := p.dueAt(), p.Clock.Now()
	if (err != nil || result.RequeueAfter > 0) && !at.After(now) {
		at = time.Time{}
	}
	if at.IsZero() || !p.again.IsZero() && p.again.Before(at) {
		at = p.again
	}
	if at.IsZero() {
		return result, err
	}
	// By the clock as it is, and as it went on since the pass began: it may have been set meanwhile.
	wait := max(min(at.Sub(now), at.Sub(p.now.Add(p.Clock.Since(p.now)))), time.Second)
	switch {
	case err == nil && result.RequeueAfter == 0:
		return reconcile.Result{RequeueAfter: wait}, nil
	case errors.Is(err, reconcile.TerminalError(nil)):
		return reconcile.Result{RequeueAfter: wait}, nil
	case err == nil:
		result.RequeueAfter = min(result.RequeueAfter, wait)
	}
	return result, err
}

// dueAt is when something is to be done without any event; zero means never.
func (p *pass) dueAt() time.Time {
	at, recheck := p.replaceAt(), p.recheckAt()
	switch {
	case p.unanswered || recheck.IsZero():
		return at
	case at.IsZero() || recheck.Before(at):
		return recheck
	}
	return at
}

// replaceAt is when the next token is to be replaced or ended; zero means never.
func (p *pass) replaceAt() time.Time {
	switch {
	case p.rec == nil:
		return time.Time{}
	case p.conn.Spec.Auth.OAuth == nil && p.suspended():
		return time.Time{}
	case p.conn.Spec.Auth.OAuth == nil:
		return p.tokensDueAt()
	case p.suspended() && p.rec.OAuth != nil && p.rec.OAuth.Expiry.After(p.now):
		return p.rec.OAuth.Expiry // to say that the token has expired
	case p.suspended():
		return time.Time{}
	default:
		return p.refreshAt()
	}
}

// tokensDueAt is when a minted token, or the root token, is to be replaced.
func (p *pass) tokensDueAt() time.Time {
	next := rotation.NextAt(&p.rec.Grant, p.rotationPolicy())
	root := p.rec.Root
	if !p.rotatesRoot() || root == nil {
		return next
	}
	at := rotation.RootAt(root, p.rotationPolicy())
	if at.IsZero() || !next.IsZero() && next.Before(at) { // zero: at once, or when somebody changes an object
		return next
	}
	return at
}

// rotationPolicy is spec.rotation with its defaults.
func (p *pass) rotationPolicy() rotation.Policy {
	spec := p.conn.Spec.Rotation
	every, overlap := defaultEvery, defaultOverlap
	if spec.EverySeconds > 0 {
		every = time.Duration(spec.EverySeconds) * time.Second
	}
	overlap = min(overlap, every/2)
	if spec.OverlapSeconds != nil {
		overlap = time.Duration(*spec.OverlapSeconds) * time.Second
	}
	return rotation.Policy{Every: every, Overlap: overlap, Generation: spec.Generation, Key: string(p.conn.UID)}
}

// Defaults of spec.rotation, as its documentation states them.
const (
	defaultEvery   = 30 * 24 * time.Hour
	defaultOverlap = 10 * time.Minute
)
