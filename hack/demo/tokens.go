package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/testkit/stack"
)

// showTokens looks at what a connection with an API token became.
func (d *demo) showTokens(ctx context.Context) error {
	conn := &v1alpha1.MakeConnection{}
	if err := d.awaitReady(ctx, crm, conn); err != nil {
		return err
	}
	d.verify(true, "MakeConnection %s is Ready: account %q of organization %d", crm, conn.Status.Account.Name, conn.Spec.OrganizationID)
	name := v1alpha1.ConsumerSecretName(crm.Name, "reporting")
	secret, err := d.secret(ctx, name)
	if err != nil {
		return err
	}
	want := []string{
		v1alpha1.EnvAPIKey, v1alpha1.EnvTeam, v1alpha1.EnvZone, v1alpha1.AuthorizationKey, v1alpha1.BaseURLKey,
		v1alpha1.TokenKey, v1alpha1.ZoneKey,
	}
	keys := slices.Sorted(maps.Keys(secret.Data))
	d.verify(slices.Equal(keys, want), "Secret %s has the keys %s", name, strings.Join(keys, ", "))
	minted, err := d.mintedScopes(string(secret.Data[v1alpha1.TokenKey]))
	if err != nil {
		return err
	}
	d.verify(slices.Equal(minted, []string{"scenarios:read"}), "its token was minted at Make with %s, the root token holds %d scopes",
		strings.Join(minted, ", "), len(conn.Status.GrantedScopes))
	for _, who := range []struct {
		account string
		want    bool
	}{{"reporting", true}, {"default", false}} {
		can, err := d.canRead(ctx, who.account, name)
		if err != nil {
			return err
		}
		d.verify(can == who.want, "kubectl auth can-i get secret/%s --as=system:serviceaccount:%s:%s: %s", name, namespace, who.account, yes(can))
	}
	return nil
}

// showConsent consents to the OAuth connection as a person would in a browser.
func (d *demo) showConsent(ctx context.Context) error {
	conn := &v1alpha1.MakeConnection{}
	err := d.eventually(ctx, "the connection asks for consent", 30*time.Second, func(ctx context.Context) (bool, error) {
		err := d.Client.Get(ctx, oauth, conn)
		return conn.Status.Authorization.URL != "", err
	})
	if err != nil {
		return err
	}
	d.say("status.authorization.url is %s; opening it, and allowing the request at the simulated Make", conn.Status.Authorization.URL)
	status, err := d.Consent(ctx, oauth, makesim.UserID)
	if err != nil {
		return err
	}
	if err := d.awaitReady(ctx, oauth, conn); err != nil {
		return err
	}
	secret, err := d.secret(ctx, v1alpha1.ConsumerSecretName(oauth.Name, "reporting"))
	if err != nil {
		return err
	}
	expiry := secret.Annotations[v1alpha1.ExpiryAnnotation]
	d.verify(status == 200 && expiry != "" && strings.HasPrefix(string(secret.Data[v1alpha1.AuthorizationKey]), "Bearer "),
		"MakeConnection %s is Ready after the consent; its Secret holds a Bearer token until %s and no refresh token", oauth, expiry)
	return nil
}

// mintedScopes asks makesim's ledger with which scopes a token was made.
func (d *demo) mintedScopes(token string) ([]string, error) {
	entries, err := d.ReadLedger()
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Token != nil && e.Token.Event == makesim.TokenMinted && e.Token.Token == makesim.Fingerprint(token) {
			return e.Token.Scopes, nil
		}
	}
	return nil, fmt.Errorf("makesim never minted that token")
}

// canRead asks the API server whether a ServiceAccount may read a Secret.
func (d *demo) canRead(ctx context.Context, account, secret string) (bool, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:   "system:serviceaccount:" + namespace + ":" + account,
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: "get", Resource: "secrets", Name: secret,
		},
	}}
	err := d.Client.Create(ctx, review)
	return review.Status.Allowed, err
}

func (d *demo) secret(ctx context.Context, name string) (*corev1.Secret, error) {
	s := &corev1.Secret{}
	err := d.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, s)
	return s, err
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// showQuiet watches the audit log while nothing is due.
func (d *demo) showQuiet(ctx context.Context) error {
	if d.AuditLog == "" {
		d.say("skipped: this cluster's audit log is not at hand")
		return nil
	}
	const idle = 20 * time.Second
	since := time.Now()
	before, err := d.callsToMake()
	if err != nil {
		return err
	}
	d.say("looking at the API server's audit log and at makesim's ledger for %.0f s", idle.Seconds())
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(idle):
	}
	writes, err := d.Writes(since)
	if err != nil {
		return err
	}
	after, err := d.callsToMake()
	if err != nil {
		return err
	}
	d.verify(len(writes) == 0, "%d writes of the manager to the API server in %.0f idle seconds%s", len(writes), idle.Seconds(), listed(writes))
	d.verify(after == before, "%d calls to Make in the same time", after-before)
	return nil
}

// settle waits until makesim has had nothing to do for a moment.
func (d *demo) settle(ctx context.Context) error {
	last, since := -1, time.Now()
	return d.eventually(ctx, "Make has nothing to do", 30*time.Second, func(context.Context) (bool, error) {
		calls, err := d.callsToMake()
		if calls != last {
			last, since = calls, time.Now()
		}
		return time.Since(since) > time.Second, err
	})
}

// callsToMake counts the requests that makesim has answered.
func (d *demo) callsToMake() (int, error) {
	entries, err := d.ReadLedger()
	n := 0
	for _, e := range entries {
		if e.Request != nil {
			n++
		}
	}
	return n, err
}

func listed(writes []stack.Request) string {
	var b strings.Builder
	for _, w := range writes {
		fmt.Fprintf(&b, "\n          %s %s", w.Verb, w.URI)
	}
	return b.String()
}
