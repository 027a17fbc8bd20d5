package connection_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/makesim"
)

// versions are all states of a Secret that anybody could have read while something was done, first the one before.
func (w *world) versions(name string, do func()) []*corev1.Secret {
	GinkgoHelper()
	before := w.secretNamed(name)
	seen := []*corev1.Secret{before}
	watcher, err := live.Watch(w.ctx, &corev1.SecretList{}, client.InNamespace(w.namespace), &client.ListOptions{
		Raw: &metav1.ListOptions{ResourceVersion: before.ResourceVersion},
	})
	Expect(err).NotTo(HaveOccurred())
	defer watcher.Stop()
	do()
	last := w.secretNamed(name)
	for seen[len(seen)-1].ResourceVersion != last.ResourceVersion {
		var event watch.Event
		Eventually(watcher.ResultChan()).Should(Receive(&event))
		if s, ok := event.Object.(*corev1.Secret); ok && s.Name == name {
			Expect(event.Type).To(Equal(watch.Modified))
			seen = append(seen, s)
		}
	}
	return seen
}

var _ = Describe("A consumer's Secret", func() {
	var w *world
	BeforeEach(func() { w = newWorld() })

	// agrees expects that everything in a Secret speaks of the same token.
	agrees := func(s *corev1.Secret, scheme string) {
		GinkgoHelper()
		token := string(s.Data[v1alpha1.TokenKey])
		Expect(string(s.Data[v1alpha1.AuthorizationKey])).To(Equal(scheme + " " + token))
		Expect(string(s.Data[v1alpha1.EnvAPIKey])).To(Equal(token))
		Expect(string(s.Data[v1alpha1.ZoneKey])).To(Equal(w.sim.Zone))
		Expect(string(s.Data[v1alpha1.EnvZone])).To(Equal(w.sim.Zone))
	}

	It("shows no two tokens at once while an API token rotates", func() {
		o := func() outcome { w.connectByToken(); return w.quiet() }()
		seen := w.versions("crm-reporting", func() {
			for range 4 {
				w.due(o)
				o = w.ready()
			}
		})
		Expect(len(seen)).To(BeNumerically(">=", 3))
		tokens := map[string]bool{}
		for _, s := range seen {
			agrees(s, "Token")
			Expect(tokens).NotTo(HaveKey(string(s.Data["token"])), "one write a token")
			tokens[string(s.Data["token"])] = true
		}
	})

	It("shows no expiry of another token while an OAuth token is refreshed", func() {
		w.secret("make-client", map[string]string{"client-id": makesim.OAuthClientID, "client-secret": makesim.OAuthClientSecret})
		w.connect(byOAuth)
		w.failing(v1alpha1.ReasonConsentRequired)
		w.consent(makesim.UserID)
		o := w.ready()
		ends := map[string]string{}
		learn := func() {
			rec := w.grant().OAuth
			ends[rec.AccessToken] = rec.Expiry.UTC().Format(time.RFC3339)
		}
		learn()
		seen := w.versions("crm-reporting", func() {
			for range 3 {
				w.due(o)
				o = w.ready()
				learn()
			}
		})
		Expect(seen).To(HaveLen(4))
		for _, s := range seen {
			agrees(s, "Bearer")
			Expect(s.Annotations[v1alpha1.ExpiryAnnotation]).To(Equal(ends[string(s.Data["token"])]))
		}
	})

	It("is replaced where somebody made it immutable", func() {
		w.connectByToken()
		frozen := w.secretNamed("crm-reporting")
		frozen.Immutable = new(true)
		Expect(live.Update(w.ctx, frozen)).To(Succeed())
		w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Rotation.Generation = 1 })
		w.ready()
		Expect(w.secretNamed("crm-reporting").Immutable).To(BeNil())
		Expect(w.token("crm-reporting")).NotTo(Equal(string(frozen.Data["token"])))
		w.quiet()
	})

	DescribeTable("is never written over another one of its name",
		func(foreign func(conn *v1alpha1.MakeConnection) *corev1.Secret) {
			w.root(makesim.RootToken)
			conn := w.connect()
			theirs := foreign(conn)
			theirs.Namespace, theirs.Name, theirs.StringData = w.namespace, "crm-reporting", map[string]string{"token": "theirs"}
			Expect(live.Create(w.ctx, theirs)).To(Succeed())
			o := w.stalled(v1alpha1.ReasonSecretConflict)
			Expect(o.messages["Synced"]).To(And(ContainSubstring("crm-reporting"), ContainSubstring("rename or delete")))
			kept := w.secretNamed("crm-reporting")
			Expect(kept.ResourceVersion).To(Equal(theirs.ResourceVersion))
			Expect(string(kept.Data["token"])).To(Equal("theirs"))
			w.quiet()
			Expect(live.Delete(w.ctx, kept)).To(Succeed())
			w.ready()
			Expect(strings.HasPrefix(w.token("crm-reporting"), "theirs")).To(BeFalse())
		},
		Entry("a user's", func(*v1alpha1.MakeConnection) *corev1.Secret { return &corev1.Secret{} }),
		Entry("one with all of our labels", func(conn *v1alpha1.MakeConnection) *corev1.Secret {
			return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{
				v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.ConnectionLabel: conn.Name, v1alpha1.CredentialLabel: "issued",
			}}}
		}),
		Entry("that of a connection of this name that was deleted", func(conn *v1alpha1.MakeConnection) *corev1.Secret {
			return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: "MakeConnection", Name: conn.Name, UID: "another", Controller: new(true),
			}}}}
		}),
	)
})
