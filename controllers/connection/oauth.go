package connection

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/judge"
	"github.com/makeops/make-operator/internal/metrics"
	"github.com/makeops/make-operator/internal/rotation"
	"github.com/makeops/make-operator/internal/scope"
	"github.com/makeops/make-operator/internal/step"
)

// refreshGrant makes sure that there is a consent, and that its access token is not about to expire. What fails meanwhile takes nothing
// away that still works.
func (p *pass) refreshGrant(ctx context.Context) error {
	o := p.rec.OAuth
	switch {
	case o == nil || o.ClientID != p.clientID():
		return p.awaitConsent()
	case p.rolledBack(ctx):
		return p.refuseRollback()
	case o.Dead != "" && o.AccessToken == "": // revoked
		return p.needConsent(o.Dead)
	case o.Dead != "":
		return p.needConsent(o.Dead).Contained()
	}
	o = p.rec.OAuth // it may have been read again
	p.showAccount(o.AccountID, o.AccountName, o.Scopes)
	if !p.refreshDue() || p.suspended() {
		return p.checkExpiry()
	}
	switch twin, err := p.hasOlderTwin(ctx); {
	case err != nil:
		return err
	case twin:
		return contained(errShared(), o.Expiry.After(p.now))
	}
	err := p.callMake(v1alpha1.Authorized, func() error {
		rec, err := p.Refresher.Refresh(ctx, p.id, p.oauth(), p.ask())
		metrics.Refreshed(err)
		if rec != nil {
			p.rec = rec
		}
		return p.refreshed(err)
	})
	if p.rec.OAuth == nil {
		return p.awaitConsent()
	}
	p.showAccount(p.rec.OAuth.AccountID, p.rec.OAuth.AccountName, p.rec.OAuth.Scopes)
	if err == nil {
		err = p.keepClient(ctx)
	}
	return contained(err, p.rec.OAuth.Expiry.After(p.now) && !errors.Is(err, rotation.ErrRolledBack))
}

// ask is what a refresh is to do besides refreshing.
func (p *pass) ask() rotation.Ask {
	return rotation.Ask{
		Generation: p.rec.OAuth.Generation, Published: p.mark, AcceptRollback: p.acceptedRollback(),
		RotationGeneration: p.conn.Spec.Rotation.Generation, Uncertain: p.conn.Spec.Auth.OAuth.UncertainRefreshPolicy,
	}
}

// refreshed says what the outcome of a refresh means for the connection.
func (p *pass) refreshed(err error) error {
	switch {
	case errors.Is(err, rotation.ErrHeld):
		return inProgress("a refresh of the token may still be under way", heldPause)
	case errors.Is(err, rotation.ErrUncertain):
		return p.uncertain()
	case errors.Is(err, rotation.ErrRolledBack):
		return p.refuseRollback()
	case p.rec.OAuth == nil:
		return nil // deleted meanwhile
	case errors.Is(err, rotation.ErrDead), err == nil && p.rec.OAuth.Dead != "":
		return p.needConsent(p.rec.OAuth.Dead).Contained()
	case err != nil:
		return p.classify(err)
	}
	return nil
}

// keepClient keeps the client's secret after Make accepted it, where it changed since the consent: revocation needs it even when the
// user's Secret is gone.
func (p *pass) keepClient(ctx context.Context) error {
	secret := p.oauth().Client().Secret
	if p.rec.OAuth.ClientSecret == secret {
		return nil
	}
	p.rec.OAuth.ClientSecret = secret
	if err := p.Grants.Write(ctx, p.id, p.rec); err != nil {
		return p.classify(err)
	}
	return nil
}

// uncertain is for a refresh whose answer was lost, where the owner chose to wait.
func (p *pass) uncertain() *step.Problem {
	problem := step.Retryf(v1alpha1.ReasonRefreshUncertain,
		"the answer to a refresh was lost: it is repeated when the access token has ended, as spec.auth.oauth.uncertainRefreshPolicy says")
	problem.After = max(p.rec.OAuth.Expiry.Sub(p.now), time.Second)
	return problem
}

// refuseRollback is for a grant that came back from a backup. What consumers hold is newer and stays.
func (p *pass) refuseRollback() *step.Problem {
	p.conn.Status.Authorization.URL = p.consentURL()
	return step.Stallf(v1alpha1.ReasonGrantRolledBack, "%w (a backup was restored), so its refresh token is used up: "+
		"open status.authorization.url in a browser and consent again, or annotate the connection with %s=%d if Make takes such tokens twice",
		rotation.ErrRolledBack, v1alpha1.AcceptRollbackAnnotation, p.rec.OAuth.Generation)
}

// heldPause is how often a refresh by another replica is looked at.
const heldPause = 5 * time.Second

// refreshDue reports whether the access token is to be replaced now.
func (p *pass) refreshDue() bool {
	o := p.rec.OAuth
	if o.RefreshToken == "" {
		return false
	}
	at := p.refreshAt()
	return o.Intent != nil || p.conn.Spec.Rotation.Generation > p.rec.RotationGeneration || (!at.IsZero() && !p.now.Before(at))
}

// refreshAt is when the access token is to be replaced; zero means never.
func (p *pass) refreshAt() time.Time {
	o := p.rec.OAuth
	if o == nil || o.Dead != "" {
		return time.Time{}
	}
	if o.RefreshToken == "" {
		return o.Expiry
	}
	if o.Issued.Sub(p.now) > clockTolerance {
		return p.now
	}
	return rotation.RefreshAt(o.Issued, o.Expiry, string(p.conn.UID))
}

// clockTolerance is how far the clocks of replicas may differ. A token that was issued later than that from now tells of a clock that
// was set back since: by its stamps the token would be replaced long after it has expired.
const clockTolerance = time.Minute

// checkExpiry is for a token that cannot be refreshed, or must not be now.
func (p *pass) checkExpiry() error {
	o := p.rec.OAuth
	expired := !o.Expiry.IsZero() && !p.now.Before(o.Expiry)
	switch {
	case o.RefreshToken == "" && expired:
		return p.needConsent(v1alpha1.ReasonNonRefreshable)
	case o.RefreshToken == "" && !o.Expiry.IsZero(): // said before it hurts; the token is good until then
		return p.needConsent(v1alpha1.ReasonNonRefreshable).Contained()
	case expired:
		return errSuspended("refresh the expired token")
	default:
		return nil
	}
}

// awaitConsent asks for the first consent.
func (p *pass) awaitConsent() error {
	p.conn.Status.Authorization.URL = p.consentURL()
	return step.Waitf(consentPending, v1alpha1.ReasonConsentRequired, "open status.authorization.url in a browser and consent")
}

// needConsent asks for another consent, because the grant is of no more use.
func (p *pass) needConsent(reason string) *step.Problem {
	p.conn.Status.Authorization.URL = p.consentURL()
	why := map[string]string{
		v1alpha1.ReasonRefreshOutcomeLost: "the answer to a refresh was lost and Make refused the old token",
		v1alpha1.ReasonNonRefreshable:     "Make gave no refresh token to this client, so its access token ends for good when it expires: use a confidential client",
	}[reason]
	if why == "" {
		why = "Make refused the refresh token: it was revoked, used elsewhere, or expired"
	}
	return step.Stallf(reason, "%s; open status.authorization.url in a browser and consent again", why)
}

// consentURL is the operator's page where a person consents to this connection.
func (p *pass) consentURL() string {
	return p.ConsentURL + "/connect/" + p.conn.Namespace + "/" + p.conn.Name
}

// checkGrantedScopes compares what the consent gave with what the consumers ask for.
func (p *pass) checkGrantedScopes(ctx context.Context) error {
	p.shared = true
	if err := p.recheck(ctx); err != nil {
		return err
	}
	o := p.rec.OAuth
	if err := p.checkShared(ctx, o.Scopes); err != nil {
		p.conn.Status.Authorization.URL = p.consentURL()
		return err
	}
	if missing := scope.Missing(p.wantedScopes(), o.Scopes); len(missing) > 0 {
		p.conn.Status.Authorization.URL = p.consentURL()
		return step.Stallf(v1alpha1.ReasonScopeMissing, "the consent did not give %s: open status.authorization.url in a browser and consent again",
			strings.Join(missing, ", ")).Contained() // the others need what it gave
	}
	if more := scope.Beyond(o.Scopes, judge.Names(p.conn.Spec.Scopes)); len(more) > 0 {
		p.conn.Status.Authorization.URL = p.consentURL()
		return step.Stallf(v1alpha1.ReasonScopeDrift,
			"the consent gave more than spec.scopes allows (%s): consent again to narrow it", strings.Join(more, ", "))
	}
	return nil
}
