package connection

import (
	"context"
	"slices"
	"strings"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/judge"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/metrics"
	"github.com/makeops/make-operator/internal/rotation"
	"github.com/makeops/make-operator/internal/scope"
	"github.com/makeops/make-operator/internal/step"
)

// mintScopes let a token create, list and delete tokens. Source: Make's API reference, /users/me/api-tokens.
var mintScopes = []string{"user:read", "user:write"}

// ensureTokens makes sure that each consumer has a token of its own that holds what it asked for. Where the root token cannot mint,
// all consumers share it.
func (p *pass) ensureTokens(ctx context.Context) error {
	if err := p.recheck(ctx); err != nil {
		return err
	}
	lacks := scope.Missing(mintScopes, p.rec.Root.Scopes)
	p.shared = len(lacks) > 0 && len(p.rec.Tokens) == 0 && len(p.rec.Retired) == 0
	plan := p.planTokens(lacks)
	var err error
	switch {
	case p.suspended():
	case !plan.Empty():
		err = p.callMake(v1alpha1.ScopesGranted, func() error {
			err := p.minter().Apply(ctx, p.rec, plan, p.rotationPolicy(), p.now)
			metrics.Minted(len(plan.Mint), err)
			return err
		})
	case p.rootFresh:
		err = p.classify(p.Grants.Write(ctx, p.id, p.rec))
	}
	if err != nil {
		return p.keepMinted(ctx, err)
	}
	if p.shared {
		if err := p.checkShared(ctx, p.rec.Root.Scopes); err != nil {
			return err
		}
	}
	if err := p.endDrifted(ctx); err != nil {
		return err
	}
	missing := scope.Missing(p.wantedScopes(), p.rec.Root.Scopes)
	if !p.shared {
		missing = append(missing, lacks...)
	}
	if problem := p.checkMinted(); problem != nil && len(missing) == 0 {
		return problem.Contained()
	}
	if len(missing) > 0 {
		return step.Stallf(v1alpha1.ReasonScopeMissing, "the token in Secret %s lacks %s: make one that holds them, or narrow spec.scopes",
			p.credential.Name, strings.Join(missing, ", ")).Contained()
	}
	return nil
}

// keepMinted lets what was minted before go on working after a failure. Of the failed attempt it keeps what is stored.
func (p *pass) keepMinted(ctx context.Context, failure error) error {
	rec, err := p.Grants.Read(ctx, p.id)
	if err != nil || rec.Root == nil {
		return failure
	}
	p.rec = rec
	_ = p.checkMinted() // holds back those without a token
	return contained(failure, len(rec.Tokens) > 0)
}

// planTokens is what has to happen to the minted tokens, as far as a root token that lacks some scopes for minting can do it.
func (p *pass) planTokens(lacks []string) rotation.Plan {
	if len(lacks) > 0 {
		return rotation.Plan{}
	}
	demands := make([]rotation.Demand, 0, len(p.consumers))
	for _, c := range p.consumers {
		demands = append(demands, rotation.Demand{Consumer: c.key, Scopes: c.scopes})
	}
	plan := rotation.Decide(&p.rec.Grant, demands, p.rotationPolicy(), p.now)
	plan = p.endDue(plan)
	plan.Mint = slices.DeleteFunc(plan.Mint, func(d rotation.Demand) bool { return len(scope.Missing(d.Scopes, p.rec.Root.Scopes)) > 0 })
	return plan
}

// endDue drops consumers whose token must not be replaced, where it would be now.
func (p *pass) endDue(plan rotation.Plan) rotation.Plan {
	plan.Mint = slices.DeleteFunc(plan.Mint, func(d rotation.Demand) bool {
		if !p.ending[d.Consumer] {
			return false
		}
		if _, ok := p.rec.Tokens[d.Consumer]; ok {
			plan.Drop = append(plan.Drop, d.Consumer)
		}
		p.consumers = slices.DeleteFunc(p.consumers, func(c consumer) bool { return c.key == d.Consumer })
		return true
	})
	slices.Sort(plan.Drop)
	return plan
}

// checkMinted compares what each consumer's token holds with what it asked for, and holds back those that differ. It returns the
// first difference.
func (p *pass) checkMinted() *step.Problem {
	var first *step.Problem
	p.held = map[string]bool{}
	for _, c := range p.consumers {
		problem := p.checkToken(c)
		if problem != nil && first == nil {
			first = problem
		}
	}
	return first
}

func (p *pass) checkToken(c consumer) *step.Problem {
	token, ok := p.rec.Tokens[c.key]
	missing, more := scope.Missing(token.Asked, token.Scopes), scope.Beyond(token.Scopes, token.Asked)
	p.held[c.key] = !p.shared && (!ok || len(missing)+len(more) > 0)
	switch {
	case p.shared:
		return nil
	case !ok:
		return errSuspended("mint a token for " + c.name())
	case len(missing) > 0:
		return step.Stallf(v1alpha1.ReasonScopeMissing,
			"Make granted the token of %s without %s: check the account's role", c.name(), strings.Join(missing, ", "))
	case len(more) > 0:
		return drifted(c, more, token.Revoked)
	case !slices.Equal(token.Asked, c.scopes):
		return errSuspended("mint another token for " + c.name())
	}
	return nil
}

// wantedScopes are all that any consumer asks for, sorted; those of the spec where there is no consumer.
func (p *pass) wantedScopes() []string {
	if len(p.consumers) == 0 {
		return judge.Sorted(p.conn.Spec.Scopes)
	}
	var all []string
	for _, c := range p.consumers {
		all = append(all, c.scopes...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// minter mints and deletes tokens by the accepted root token.
func (p *pass) minter() *rotation.Minter {
	return &rotation.Minter{
		ID:     p.id,
		Grants: p.Grants, Held: p.held, Root: p.rec.Root.Created,
		API: p.zone(makeapi.APIToken(p.rec.Root.Value), makeapi.Rotation),
		Verify: func(ctx context.Context, value string) (makeapi.Authorization, error) {
			return p.zone(makeapi.APIToken(value), makeapi.Rotation).CurrentAuthorization(ctx)
		},
	}
}

// judgePrivilege says whether each consumer holds a token of its own with its own scopes only.
func (p *pass) judgePrivilege(context.Context) error {
	p.endRetry() // this is the last step
	switch {
	case !p.shared:
		return nil
	case p.conn.Spec.Auth.OAuth != nil && len(p.consumers) == 1 && len(scope.Beyond(p.rec.OAuth.Scopes, p.consumers[0].scopes)) == 0:
		return nil
	case p.conn.Spec.Auth.OAuth != nil:
		return step.Stallf(v1alpha1.ReasonSharedToken,
			"all consumers share one OAuth access token, because Make cannot narrow it: use apiToken with user:write for a token each")
	default:
		return step.Stallf(v1alpha1.ReasonSharedToken,
			"all consumers share the token of Secret %s, because it lacks %s: use one that holds it, so that the operator can mint narrower ones",
			p.credential.Name, strings.Join(scope.Missing(mintScopes, p.rec.Root.Scopes), ", "))
	}
}

// name is the consumer in a sentence.
func (c consumer) name() string {
	if c.server != "" {
		return "MakeMCPServer " + c.server
	}
	return "ServiceAccount " + c.serviceAccount
}
