package connection_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makesim"
)

// Kinds of secret values.
const (
	rootToken    = "root token"
	mintedToken  = "minted token"
	accessToken  = "access token"
	refreshToken = "refresh token"
	clientSecret = "client secret"
	ownRoot      = "root token that the operator minted"
)

// canary knows the secret values of a world, and looks for them where they must not be.
type canary struct {
	// values are the kinds of value by value.
	values map[string]string
	// sharedRoot is set where the spec hands the root token on.
	sharedRoot bool
}

func newCanary() *canary {
	return &canary{values: map[string]string{
		makesim.RootToken: rootToken, makesim.ReaderToken: rootToken, makesim.OtherToken: rootToken,
		strangersToken: rootToken, makesim.OAuthClientSecret: clientSecret,
	}}
}

// learn adds the values that the operator has stored for crm.
func (c *canary) learn(w *world) {
	conn := w.crm()
	rec, err := w.reconciler.Grants.Read(w.ctx, grant.Identity{Namespace: conn.Namespace, Name: conn.Name, UID: conn.UID})
	if err != nil {
		return // a spec that lost the sealing key
	}
	for _, t := range rec.Tokens {
		c.values[t.Value] = mintedToken
	}
	if rec.Root != nil && rec.Root.Created != "" {
		c.values[rec.Root.Value] = ownRoot
	}
	if rec.OAuth != nil {
		c.values[rec.OAuth.AccessToken] = accessToken
		c.values[rec.OAuth.RefreshToken] = refreshToken
	}
	delete(c.values, "")
}

// leaks says where the values are and must not be.
func (c *canary) leaks(w *world) []string {
	GinkgoHelper()
	families, err := metrics.Registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	var found []string
	for where, text := range map[string]string{
		"the log": logged.all(), "events": w.events.all(), "the consent pages": w.shown.all(), "metrics": fmt.Sprint(families),
	} {
		found = append(found, c.in(where, text, nil)...)
	}
	for _, namespace := range []string{w.namespace, w.operator} {
		for _, list := range []client.ObjectList{
			&v1alpha1.MakeConnectionList{}, &v1alpha1.MakeMCPServerList{}, &rbacv1.RoleList{}, &rbacv1.RoleBindingList{},
			&corev1.ConfigMapList{}, &corev1.EventList{}, &corev1.SecretList{},
		} {
			Expect(live.List(w.ctx, list, client.InNamespace(namespace))).To(Succeed())
			items, err := meta.ExtractList(list)
			Expect(err).NotTo(HaveOccurred())
			for _, item := range items {
				found = append(found, c.inObject(item.(client.Object))...)
			}
		}
	}
	return found
}

func (c *canary) inObject(obj client.Object) []string {
	GinkgoHelper()
	where := fmt.Sprintf("%T %s", obj, obj.GetName())
	var found []string
	if secret, ok := obj.(*corev1.Secret); ok {
		allowed := c.allowedIn(secret)
		for key, content := range secret.Data {
			found = append(found, c.in(where+" under "+key, string(content), allowed)...)
		}
		secret.Data = nil
	}
	text, err := json.Marshal(obj)
	Expect(err).NotTo(HaveOccurred())
	return append(found, c.in(where, string(text), nil)...)
}

// allowedIn are the kinds of value that a Secret may hold: all in a user's own, a consumer's token in a consumer's, none in others.
func (c *canary) allowedIn(secret *corev1.Secret) []string {
	switch {
	case secret.Labels[v1alpha1.ManagedByLabel] == "":
		return slices.DeleteFunc(c.kinds(), func(kind string) bool { return kind == ownRoot })
	case secret.Labels[v1alpha1.ConnectionLabel] == "":
		return nil
	case c.sharedRoot:
		return []string{mintedToken, accessToken, rootToken}
	default:
		return []string{mintedToken, accessToken}
	}
}

func (c *canary) in(where, text string, allowed []string) []string {
	var found []string
	for value, kind := range c.values {
		if !slices.Contains(allowed, kind) && strings.Contains(text, value) {
			found = append(found, where+" shows a "+kind)
		}
	}
	return found
}

// kinds are the kinds of value that it knows, sorted.
func (c *canary) kinds() []string {
	return slices.Compact(slices.Sorted(maps.Values(c.values)))
}

// Every spec ends with a look for values that it knows. This one makes sure that all kinds of values are known, and found if shown.
var _ = Describe("A secret value", func() {
	It("is shown nowhere but where it belongs", func() {
		w := newWorld()
		w.connectByToken(rotatingRoot)
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Rotation.Generation = 1 })
		w.ready()
		Expect(live.Delete(w.ctx, w.crm())).To(Succeed())
		w.pass()
		for _, child := range []client.Object{&corev1.Secret{}, &rbacv1.Role{}, &rbacv1.RoleBinding{}} { // there is no garbage collector here
			Expect(live.DeleteAllOf(w.ctx, child, client.InNamespace(w.namespace))).To(Succeed())
		}

		w.secret("make-client", map[string]string{"client-id": makesim.OAuthClientID, "client-secret": makesim.OAuthClientSecret})
		w.connect(byOAuth)
		w.failing(v1alpha1.ReasonConsentRequired)
		w.consent(makesim.UserID)
		o := w.ready()
		w.due(o)
		w.down()
		w.pass()
		w.up()
		w.clock.Step(settle)
		w.ready()
		Expect(w.canary.kinds()).To(ConsistOf(rootToken, ownRoot, mintedToken, accessToken, refreshToken, clientSecret))
	})

	DescribeTable("is found where it must not be",
		func(show func(w *world, value string)) {
			w := newWorld()
			w.connectByToken()
			Expect(w.canary.leaks(w)).To(BeEmpty())
			value := w.token("crm-reporting")
			show(w, value)
			Expect(w.canary.leaks(w)).NotTo(BeEmpty())
			w.canary.values = nil // it was put there
		},
		Entry("in the log", func(w *world, value string) { logf.FromContext(w.ctx).V(7).Info("minted", "token", value) }),
		Entry("in an event", func(w *world, value string) { w.events.Eventf(nil, nil, "Normal", "Minted", "", "token %s", value) }),
		Entry("in an annotation", func(w *world, value string) {
			conn := w.crm()
			conn.Annotations["last"] = value
			Expect(live.Update(w.ctx, conn)).To(Succeed())
		}),
		Entry("in a condition", func(w *world, value string) {
			conn := w.crm()
			conn.Status.Conditions[0].Message = "token " + value
			Expect(live.Status().Update(w.ctx, conn)).To(Succeed())
		}),
		Entry("in another kind's Secret", func(w *world, value string) {
			w.canary.values[value] = refreshToken
		}),
	)
})
