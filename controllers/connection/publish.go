package connection

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/child"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/scope"
	"github.com/makeops/make-operator/internal/step"
)

// publish makes sure that each consumer's Secret, Role and RoleBinding is as it has to be, that those of former consumers are gone,
// and only then that replaced tokens die. A consumer in trouble does not stop the others.
func (p *pass) publish(ctx context.Context) error {
	trouble := p.ensureConsumers(ctx)
	if err := p.prune(ctx); err != nil {
		return err
	}
	if p.rec.Root != nil && !p.suspended() {
		if err := p.minter().DeleteDue(ctx, p.rec, p.now); err != nil {
			return p.classify(err)
		}
		if err := p.killFormer(ctx); err != nil {
			return err
		}
	}
	return trouble
}

// ensureConsumers ensures every consumer's objects, lists them in the status, and returns the first error. Those that it cannot
// ensure are held.
func (p *pass) ensureConsumers(ctx context.Context) error {
	before := p.conn.Status.Secrets
	var first error
	if p.rival != nil {
		first = step.Stallf(v1alpha1.ReasonSecretConflict, "%s needs Secret %s, which is a ServiceAccount's: rename one of them",
			p.rival.name(), p.rival.secretName)
	}
	var listed []v1alpha1.ConsumerSecret
	for _, c := range p.consumers {
		var err error
		if !p.held[c.key] {
			err = conflictOr(p.ensureAll(ctx, c))
		}
		if err != nil && first == nil {
			first = err
		}
		if err != nil || p.held[c.key] {
			p.hold(c)
			listed = append(listed, listedAs(before, c)...)
			continue
		}
		listed = append(listed, v1alpha1.ConsumerSecret{
			Name: c.secretName, ServiceAccountName: c.serviceAccount, ServerName: c.server, Scopes: p.scopesOf(c),
		})
	}
	p.conn.Status.Secrets = slices.SortedFunc(slices.Values(listed), bySecretName)
	return first
}

func bySecretName(a, b v1alpha1.ConsumerSecret) int { return strings.Compare(a.Name, b.Name) }

// hold keeps the token that a consumer's present one replaced alive.
func (p *pass) hold(c consumer) {
	if p.held == nil {
		p.held = map[string]bool{}
	}
	p.held[c.key] = true
}

// listedAs is what the status said of a consumer's Secret, if anything.
func listedAs(secrets []v1alpha1.ConsumerSecret, c consumer) []v1alpha1.ConsumerSecret {
	for _, s := range secrets {
		if s.ServiceAccountName == c.serviceAccount && s.ServerName == c.server {
			return []v1alpha1.ConsumerSecret{s}
		}
	}
	return nil
}

// scopesOf are those of a consumer's scopes that its token holds; of a token that awaits its replacement, what it was minted for.
func (p *pass) scopesOf(c consumer) []string {
	var holds []string
	switch {
	case p.conn.Spec.Auth.OAuth != nil:
		holds = p.rec.OAuth.Scopes
	case p.shared:
		holds = p.rec.Root.Scopes
	default:
		return p.rec.Tokens[c.key].Asked
	}
	missing := scope.Missing(c.scopes, holds)
	return slices.DeleteFunc(slices.Clone(c.scopes), func(s string) bool { return slices.Contains(missing, s) })
}

// ensureAll ensures one consumer's objects; the Secret comes last, so that nobody else can read it meanwhile.
func (p *pass) ensureAll(ctx context.Context, c consumer) error {
	var objects []client.Object
	if c.serviceAccount != "" {
		objects = append(objects, buildRole(p.conn, c), buildRoleBinding(p.conn, c))
	}
	for _, o := range append(objects, buildSecret(p.conn, c, p.tokenOf(c))) {
		if err := p.Children.Ensure(ctx, p.conn, o); err != nil {
			return err
		}
	}
	return nil
}

// tokenOf is what a consumer's Secret is to hold.
func (p *pass) tokenOf(c consumer) token {
	switch {
	case p.conn.Spec.Auth.OAuth != nil:
		o := p.rec.OAuth
		return token{value: o.AccessToken, header: makeapi.AccessToken(o.AccessToken).Header(), since: o.Issued, expiry: o.Expiry}
	case p.shared:
		root := p.rec.Root
		return token{value: root.Value, header: makeapi.APIToken(root.Value).Header(), since: root.Accepted}
	default:
		minted := p.rec.Tokens[c.key]
		return token{value: minted.Value, header: makeapi.APIToken(minted.Value).Header(), since: minted.Minted}
	}
}

// prune deletes the objects of consumers that are no more.
func (p *pass) prune(ctx context.Context) error {
	wanted := map[string]bool{}
	for _, c := range p.consumers {
		wanted[c.secretName] = true
	}
	selector := client.MatchingLabels{v1alpha1.ConnectionLabel: p.conn.Name}
	secrets := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "SecretList"}}
	for _, list := range []client.ObjectList{&rbacv1.RoleBindingList{}, &rbacv1.RoleList{}, secrets} {
		if err := p.Cache.List(ctx, list, client.InNamespace(p.conn.Namespace), selector); err != nil {
			return fmt.Errorf("list objects of the connection: %w", err)
		}
		items, err := meta.ExtractList(list)
		if err != nil {
			return err
		}
		for _, item := range items {
			o := item.(client.Object)
			if wanted[o.GetName()] {
				continue
			}
			if err := p.Children.Remove(ctx, p.conn, o); err != nil {
				return err
			}
		}
	}
	return nil
}

// conflictOr turns an object that is not ours into advice.
func conflictOr(err error) error {
	if errors.Is(err, child.ErrForeign) {
		problem := step.Stallf(v1alpha1.ReasonSecretConflict, "%w: rename or delete it, or rename the consumer", err)
		problem.After = conflictPause
		return problem
	}
	return err
}

// conflictPause is how often an object in the way is looked at again: it is not ours, so no event tells when it is gone.
const conflictPause = 5 * time.Minute
