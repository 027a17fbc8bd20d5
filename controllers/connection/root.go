package connection

import (
	"context"
	"slices"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/step"
)

// acceptRoot makes sure that Make accepts the root token, for the right organization. A token that was accepted before is not
// asked about again.
func (p *pass) acceptRoot(ctx context.Context) error {
	value := p.rootToken()
	if p.rec.Root != nil && value == p.rec.Bootstrap { // what the Secret holds is dead; its successor counts
		value = p.rec.Root.Value
	}
	if root := p.rec.Root; root != nil && root.Value == value && root.OrganizationID == p.conn.Spec.OrganizationID {
		p.showAccount(root.AccountID, root.AccountName, root.Scopes)
		return nil
	}
	if p.suspended() {
		if p.rec.Root == nil {
			return errSuspended("check the token")
		}
		return errSuspended("check the changed token").Contained()
	}
	root, err := p.inspect(ctx, value)
	if err != nil {
		return err
	}
	p.replaceRoot(root)
	p.showAccount(root.AccountID, root.AccountName, root.Scopes)
	return nil
}

// inspect asks Make what a token holds and whose it is.
func (p *pass) inspect(ctx context.Context, value string) (*grant.Root, error) {
	zone := p.zone(makeapi.APIToken(value), makeapi.Background)
	holds, err := zone.CurrentAuthorization(ctx)
	if err != nil {
		return nil, p.classify(err)
	}
	user, err := zone.Me(ctx)
	if err != nil {
		return nil, p.classify(err)
	}
	if !slices.Contains(user.OrganizationIDs, p.conn.Spec.OrganizationID) {
		return nil, step.Stallf(v1alpha1.ReasonWrongOrganization,
			"the token's account is no member of organization %d: correct spec.organizationID, or put a token of that organization into Secret %s",
			p.conn.Spec.OrganizationID, p.credential.Name)
	}
	return &grant.Root{
		Value: value, Scopes: slices.Sorted(slices.Values(holds.Scopes)),
		AccountID: user.ID, AccountName: user.Name, OrganizationID: p.conn.Spec.OrganizationID,
		Accepted: p.now,
	}, nil
}

// showAccount puts whose credential it is, and what it holds, into the status.
func (p *pass) showAccount(id int64, name string, scopes []string) {
	p.conn.Status.Account = v1alpha1.Account{ID: id, Name: truncated(name, maxAccountName)}
	p.conn.Status.GrantedScopes = slices.Clone(scopes)
}

// maxAccountName is the length that the API allows, in characters.
const maxAccountName = 256

func truncated(s string, length int) string {
	if r := []rune(s); len(r) > length {
		return string(r[:length])
	}
	return s
}

func errSuspended(what string) *step.Problem {
	return step.Stallf(v1alpha1.ReasonSuspended, "the connection is suspended: set spec.suspend to Disabled to %s", what)
}
