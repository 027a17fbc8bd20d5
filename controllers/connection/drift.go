package connection

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/judge"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/rotation"
	"github.com/makeops/make-operator/internal/scope"
	"github.com/makeops/make-operator/internal/step"
)

const (
	// recheckEvery is how often, at least, Make is asked what the tokens of a connection hold: about once a day, with the spread of RotateAt.
	recheckEvery = 25 * time.Hour
	// recheckPause is when it is tried again where Make did not answer: nothing depends on it.
	recheckPause = time.Hour
)

// recheckAt is when Make is to be asked again what the connection's tokens hold; zero means never.
func (p *pass) recheckAt() time.Time {
	if p.rec == nil || p.suspended() || p.rec.Root == nil && p.rec.OAuth == nil || p.rec.OAuth != nil && p.rec.OAuth.Dead != "" {
		return time.Time{}
	}
	last := p.conn.CreationTimestamp.Time // durable, so that a restart owes no call
	if p.rec.Checked.After(last) {
		last = p.rec.Checked
	}
	if p.rec.Root != nil && p.rec.Root.Accepted.After(last) {
		last = p.rec.Root.Accepted
	}
	return rotation.RotateAt(last, recheckEvery, string(p.conn.UID))
}

// recheck asks Make what the connection's tokens hold, once a day: the root token's and each minted one's, or the access token's. An
// answer that does not come is no trouble of the connection's.
func (p *pass) recheck(ctx context.Context) error {
	at := p.recheckAt()
	if at.IsZero() || p.now.Before(at) {
		return nil
	}
	before := p.rec.Grant
	err := p.askAgain(ctx)
	if err == nil {
		p.rec.Checked = p.now
		return p.Grants.Write(ctx, p.id, p.rec)
	}
	p.rec.Grant = before
	if makeapi.KindOf(err) == makeapi.DeadCredential && p.rec.OAuth == nil {
		return p.classify(err)
	}
	p.unanswered = true
	p.lookAgain(p.now.Add(recheckPause))
	return nil
}

// askAgain replaces what the grant says of its tokens' scopes. A minted token that Make does not know any more is to be minted anew.
func (p *pass) askAgain(ctx context.Context) error {
	holds := func(c makeapi.Credential) ([]string, error) {
		answer, err := p.zone(c, makeapi.Background).CurrentAuthorization(ctx)
		return slices.Sorted(slices.Values(answer.Scopes)), err
	}
	if o := p.rec.OAuth; o != nil {
		scopes, err := holds(makeapi.AccessToken(o.AccessToken))
		if err == nil {
			changed := *o
			changed.Scopes = scopes
			p.rec.OAuth = &changed
			p.showAccount(changed.AccountID, changed.AccountName, scopes)
		}
		return err
	}
	root := *p.rec.Root
	var err error
	if root.Scopes, err = holds(makeapi.APIToken(root.Value)); err != nil {
		return err
	}
	p.rec.Root = &root
	p.showAccount(root.AccountID, root.AccountName, root.Scopes)
	p.rec.Tokens = maps.Clone(p.rec.Tokens)
	for _, consumer := range slices.Sorted(maps.Keys(p.rec.Tokens)) {
		token := p.rec.Tokens[consumer]
		if token.Revoked {
			continue
		}
		scopes, err := holds(makeapi.APIToken(token.Value))
		switch {
		case makeapi.KindOf(err) == makeapi.DeadCredential:
			token.Asked = nil // which no consumer asks for
		case err != nil:
			return err
		default:
			token.Scopes = scopes
		}
		p.rec.Tokens[consumer] = token
	}
	return nil
}

// endDrifted revokes tokens that Make granted more than was asked, before anybody has them. Published ones are judged by policy: what it
// denies ends by its onViolation.
func (p *pass) endDrifted(ctx context.Context) error {
	if p.suspended() || p.shared {
		return nil
	}
	var fresh []string
	var denied []v1alpha1.ConsumerSecret
	revoke, says := false, ""
	for _, c := range p.consumers {
		token, ok := p.rec.Tokens[c.key]
		if !ok || token.Revoked || len(scope.Beyond(token.Scopes, token.Asked)) == 0 {
			continue
		}
		listed := listedAs(p.conn.Status.Secrets, c)
		if !p.published(c) || len(listed) == 0 {
			fresh = append(fresh, c.key)
			continue
		}
		verdict := judge.Granted(p.conn, c.key, token.Scopes, p.rules)
		p.lookAgain(verdict.Until)
		if !verdict.Allowed() {
			denied, revoke = append(denied, listed...), revoke || verdict.Revoke
			says = c.name() + " holds more than policy lets it hold: " + verdict.Message()
		}
	}
	if len(fresh) > 0 {
		if err := p.minter().Revoke(ctx, p.rec, fresh); err != nil {
			return p.classify(err)
		}
	}
	if len(denied) > 0 && revoke { // else it is replaced in its time, and said meanwhile
		return p.withdraw(ctx, step.Stallf(v1alpha1.ReasonScopeDrift, "%s", says), denied, revoke)
	}
	return nil
}

// published reports whether a consumer's present token is in its Secret: what it replaced has begun its overlap, if there is any.
func (p *pass) published(c consumer) bool {
	for _, retired := range p.rec.Retired {
		if retired.Consumer == c.key && retired.NotBefore.IsZero() {
			return false
		}
	}
	return true
}

// drifted is the problem of a token that holds more than was asked.
func drifted(c consumer, more []string, revoked bool) *step.Problem {
	what := strings.Join(more, ", ")
	if revoked {
		return step.Stallf(v1alpha1.ReasonScopeDrift,
			"Make granted a new token of %s more than asked (%s), so it was revoked before anybody had it: raise spec.rotation.generation to try again",
			c.name(), what)
	}
	return step.Stallf(v1alpha1.ReasonScopeDrift,
		"the token of %s holds more than asked at Make: %s; raise spec.rotation.generation to replace it", c.name(), what)
}
