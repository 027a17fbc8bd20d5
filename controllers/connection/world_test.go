package connection_test

import (
	"context"
	"time"

	"github.com/google/uuid"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/controllers/connection"
	"github.com/makeops/make-operator/internal/child"
	"github.com/makeops/make-operator/internal/consent"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/optin"
	"github.com/makeops/make-operator/internal/policy"
	"github.com/makeops/make-operator/internal/rotation"
	"github.com/makeops/make-operator/internal/step"
)

// world is one spec's: a user's namespace, an operator with a namespace of its own, and Make. All of them follow one clock.
type world struct {
	ctx       context.Context
	namespace string
	operator  string
	clock     *testclock.FakeClock
	sim       *makesim.TLSServer
	writes    *writes
	events    *recorder
	shown     lines // pages of the consent server
	canary    *canary

	// The operator; start makes them anew, as a restart does.
	reconciler *connection.Reconciler
	pages      *consent.Server
}

// newWorld makes a world and has it checked for shown tokens and replayed refresh tokens when the spec ends. The organization is on
// a plan of Make, the largest one where none is given.
func newWorld(plan ...string) *world {
	GinkgoHelper()
	// Deletion stamps come from the API server, so the clock starts at its time.
	clock := testclock.NewFakeClock(time.Now().UTC().Truncate(time.Second))
	seed := makesim.DefaultSeed()
	if len(plan) > 0 {
		seed.Organizations[0].Plan = plan[0]
		// The smaller plans do not include custom roles and other objects.
		seed.Objects, seed.Scenarios, seed.Users = nil, nil, seed.Users[:3]
	}
	seed.APITokens = append(seed.APITokens, makesim.APIToken{
		Value: strangersToken, UserID: 1003, Label: "of a colleague", Scopes: []string{"user:read", "user:write", string(read), string(run)},
	})
	sim, err := makesim.NewTLSServer(makesim.Options{Clock: clock, Seed: seed})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(sim.Close)
	logged.take()
	w := &world{
		ctx: logf.IntoContext(context.Background(), logged.logger()), clock: clock, sim: sim,
		writes: &writes{}, events: &recorder{}, canary: newCanary(),
	}
	w.namespace, w.operator = w.makeNamespace("sales-"), w.makeNamespace("operator-")
	w.start()
	DeferCleanup(func() {
		Expect(w.canary.leaks(w)).To(BeEmpty())
		Expect(makesim.RepresentedAfterUse(w.sim.Ledger())).To(BeEmpty(), "refresh tokens presented after their successor was used")
	})
	return w
}

func (w *world) makeNamespace(prefix string) string {
	GinkgoHelper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: prefix}}
	Expect(live.Create(w.ctx, ns)).To(Succeed())
	return ns.Name
}

// start starts the operator, wired as main does.
func (w *world) start() {
	GinkgoHelper()
	c := w.writes.client()
	grants, err := grant.NewStore(w.ctx, c, w.operator)
	Expect(err).NotTo(HaveOccurred())
	api, err := makeapi.New(makeapi.Config{
		ExtraZones: []string{w.sim.Zone}, RootCAs: w.sim.CAPool(), UserAgent: "make-operator/test", Clock: w.clock,
	})
	Expect(err).NotTo(HaveOccurred())
	secrets := optin.Reader{Live: c}
	const public = "http://127.0.0.1:8090"
	w.reconciler = &connection.Reconciler{
		Client: c, Cache: c, Secrets: secrets, Grants: grants, Make: api, Clock: w.clock, ConsentURL: public,
		Policies: &policy.Reader{Client: live, Clock: w.clock},
		Steps:    &step.Runner{Client: c, Events: w.events, Clock: w.clock, Grace: step.DefaultGrace},
		Children: &child.Keeper{Client: c, Live: c},
		Refresher: &rotation.Refresher{
			Grants: grants, Liveness: grant.Pods{Live: c, Namespace: w.operator}, Clock: w.clock,
			Holder: grant.Holder{Process: uuid.NewString()},
		},
	}
	w.pages = &consent.Server{Client: c, Secrets: secrets, Grants: grants, Make: api, Clock: w.clock, PublicURL: public}
	Expect(grants.Keys.Ready(w.ctx)).To(Succeed())
	w.writes.take()
}

// strangersToken is a root token of another user of the organization.
const strangersToken = "0a0b0c0d-1111-4222-8333-444455556666"

// id is what crm's grant is bound to.
func (w *world) id() grant.Identity {
	GinkgoHelper()
	return grant.Identity{Namespace: w.namespace, Name: "crm", UID: w.crm().UID}
}

// secret makes a Secret of the user's that opts in.
func (w *world) secret(name string, data map[string]string) {
	GinkgoHelper()
	Expect(live.Create(w.ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.namespace, Name: name, Labels: map[string]string{v1alpha1.CredentialLabel: "true"},
		},
		StringData: data,
	})).To(Succeed())
}

// changeSecret replaces what a Secret of the user's holds.
func (w *world) changeSecret(name string, data map[string]string) {
	GinkgoHelper()
	s := w.secretNamed(name)
	s.Data, s.StringData = nil, data
	Expect(live.Update(w.ctx, s)).To(Succeed())
}

// root makes the Secret of the root token.
func (w *world) root(token string) {
	GinkgoHelper()
	w.secret("make-root", map[string]string{"token": token})
}

const (
	read v1alpha1.Scope = "scenarios:read"
	run  v1alpha1.Scope = "scenarios:run"
)

// connect makes a connection by API token: crm, for the ServiceAccount reporting, that may read.
func (w *world) connect(changes ...func(*v1alpha1.MakeConnection)) *v1alpha1.MakeConnection {
	GinkgoHelper()
	conn := &v1alpha1.MakeConnection{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.namespace, Name: "crm",
			Labels: map[string]string{"app.kubernetes.io/instance": "gitops"}, Annotations: map[string]string{"example.com/owner": "sales"},
		},
		Spec: v1alpha1.MakeConnectionSpec{
			Zone: w.sim.Zone, OrganizationID: makesim.OrganizationID, TeamID: makesim.TeamID,
			Auth: v1alpha1.Auth{APIToken: &v1alpha1.APITokenAuth{
				SecretRef: v1alpha1.SecretKeyRef{LocalRef: v1alpha1.LocalRef{Name: "make-root"}, Key: "token"},
			}},
			Scopes:    []v1alpha1.Scope{read, run},
			Consumers: []v1alpha1.Consumer{{ServiceAccountName: "reporting", Scopes: []v1alpha1.Scope{read}}},
			Rotation:  v1alpha1.Rotation{EverySeconds: 3600, OverlapSeconds: new(int32(300))},
		},
	}
	for _, change := range changes {
		change(conn)
	}
	Expect(live.Create(w.ctx, conn)).To(Succeed())
	return conn
}

// connectByToken makes the default connection and brings it to Ready.
func (w *world) connectByToken(changes ...func(*v1alpha1.MakeConnection)) *v1alpha1.MakeConnection {
	GinkgoHelper()
	w.root(makesim.RootToken)
	conn := w.connect(changes...)
	w.ready()
	return conn
}

// change changes crm's spec.
func (w *world) change(change func(*v1alpha1.MakeConnectionSpec)) {
	GinkgoHelper()
	conn := w.crm()
	change(&conn.Spec)
	Expect(live.Update(w.ctx, conn)).To(Succeed())
}

// server makes a MakeMCPServer for crm.
func (w *world) server(name string, scopes ...v1alpha1.Scope) *v1alpha1.MakeMCPServer {
	GinkgoHelper()
	server := &v1alpha1.MakeMCPServer{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec: v1alpha1.MakeMCPServerSpec{
			ConnectionRef: v1alpha1.ConnectionRef{Name: "crm"}, Scopes: scopes,
			Access: v1alpha1.Access{Rules: []v1alpha1.AccessRule{{
				ServiceAccounts: []v1alpha1.ServiceAccountSubject{{Name: "agent"}}, Scopes: scopes,
			}}},
		},
	}
	Expect(live.Create(w.ctx, server)).To(Succeed())
	return server
}

func (w *world) crm() *v1alpha1.MakeConnection {
	GinkgoHelper()
	conn := &v1alpha1.MakeConnection{}
	Expect(live.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "crm"}, conn)).To(Succeed())
	return conn
}

func (w *world) secretNamed(name string) *corev1.Secret {
	GinkgoHelper()
	s := &corev1.Secret{}
	Expect(live.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: name}, s)).To(Succeed())
	return s
}

// token is what a consumer's Secret holds.
func (w *world) token(secret string) string {
	GinkgoHelper()
	return string(w.secretNamed(secret).Data[v1alpha1.TokenKey])
}

// grant is what the operator stored for crm.
func (w *world) grant() *grant.Record {
	GinkgoHelper()
	conn := w.crm()
	rec, err := w.reconciler.Grants.Read(w.ctx, grant.Identity{Namespace: conn.Namespace, Name: conn.Name, UID: conn.UID})
	Expect(err).NotTo(HaveOccurred())
	return rec
}

// knobs changes how Make behaves.
func (w *world) knobs(change func(*makesim.Knobs)) {
	GinkgoHelper()
	k := w.sim.Knobs()
	change(&k)
	Expect(w.sim.SetKnobs(k)).To(Succeed())
}

// down lets Make answer nothing but errors, for longer than any spec takes; up ends that.
func (w *world) down() {
	GinkgoHelper()
	w.knobs(func(k *makesim.Knobs) {
		k.Faults = []makesim.Fault{{Kind: makesim.FaultResetBefore, Count: 1000}}
	})
}

func (w *world) up() {
	GinkgoHelper()
	w.knobs(func(k *makesim.Knobs) { k.Faults = []makesim.Fault{} })
}

// calls are the requests that Make got so far, each as "METHOD path".
func (w *world) calls() []string {
	var all []string
	for _, e := range w.sim.Ledger() {
		if e.Request != nil {
			all = append(all, e.Request.Method+" "+e.Request.Path)
		}
	}
	return all
}

// minted are the labels of the API tokens that were minted so far, each with its scopes.
func (w *world) minted() []makesim.TokenRecord {
	var all []makesim.TokenRecord
	for _, e := range w.sim.Ledger() {
		if e.Token != nil && e.Token.Event == makesim.TokenMinted && e.Token.Kind == makesim.KindAPIToken && e.Number != 0 {
			all = append(all, *e.Token)
		}
	}
	return all
}
