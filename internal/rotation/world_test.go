package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/rotation"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// classes are all behaviours of authorization servers towards a refresh token that comes again.
var classes = []makesim.RefreshClass{
	makesim.ClassNoRotation, makesim.ClassGrace, makesim.ClassUntilUsed, makesim.ClassStrict, makesim.ClassFamily, makesim.ClassBuggyGrace,
}

// world is a simulated Make, an API server that holds grants, and one clock for both.
type world struct {
	t     *testing.T
	clock *clocktesting.FakeClock
	sim   *makesim.TLSServer
	make  *makeapi.Client
	app   *makeapi.OAuth
	store *grant.Store
	// gone are the pods that have ended.
	gone map[string]bool

	mu      sync.Mutex
	commits []commit
	made    int
}

// commit is a write of a grant that took place.
type commit struct {
	uid        types.UID
	after      int64 // the ledger's length then
	generation int64
	token      string // fingerprint of the refresh token
}

func newWorld(t *testing.T, class makesim.RefreshClass) *world {
	t.Helper()
	w := &world{t: t, clock: clocktesting.NewFakeClock(start), gone: map[string]bool{}}
	var err error
	if w.sim, err = makesim.NewTLSServer(makesim.Options{Clock: w.clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.sim.Close)
	w.make, err = makeapi.New(makeapi.Config{ExtraZones: []string{w.sim.Zone}, RootCAs: w.sim.CAPool(), Clock: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	w.app = w.make.OAuth(w.sim.Zone, makeapi.OAuthClient{
		ID: makesim.OAuthClientID, Secret: makesim.OAuthClientSecret, RedirectURL: makesim.RedirectURL,
	})
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	w.store = &grant.Store{
		Client: fake.NewClientBuilder().WithScheme(scheme).Build(), Namespace: "make-operator-system", Cluster: "c",
		Keys: grant.Keyring{"key-0001": grant.NewKey()},
	}
	w.knobs(func(k *makesim.Knobs) { k.RefreshClass = class })
	return w
}

// knobs changes the simulator's behaviour.
func (w *world) knobs(change func(*makesim.Knobs)) {
	w.t.Helper()
	k := w.sim.Knobs()
	change(&k)
	if err := w.sim.SetKnobs(k); err != nil {
		w.t.Fatal(err)
	}
}

// fault disturbs the next request to the token endpoint.
func (w *world) fault(f makesim.Fault) {
	f.PathPrefix, f.Count = "/oauth/v2/token", 1
	w.knobs(func(k *makesim.Knobs) { k.Faults = append(k.Faults, f) })
}

// consented is a new connection whose grant comes from a consent of its own.
func (w *world) consented() grant.Identity {
	w.t.Helper()
	w.made++
	id := grant.Identity{Namespace: "sales", Name: fmt.Sprintf("crm-%d", w.made), UID: types.UID(fmt.Sprintf("uid-%d", w.made))}
	w.consent(id, 1)
	return id
}

// consent stores what a new consent gives for id, as that generation.
func (w *world) consent(id grant.Identity, generation int64) makeapi.TokenResponse {
	w.t.Helper()
	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	ctx := context.Background() // also from within a pass that was cancelled
	back, err := w.sim.Approve(ctx, w.app.AuthCodeURL("state", verifier, []string{"scenarios:read"}), makesim.UserID)
	if err != nil {
		w.t.Fatal(err)
	}
	got, err := w.app.Exchange(ctx, back.Query().Get("code"), verifier)
	if err != nil {
		w.t.Fatal(err)
	}
	rec := w.read(id)
	rec.OAuth = &grant.OAuth{
		Generation: generation, AccessToken: got.AccessToken, RefreshToken: got.RefreshToken,
		Issued: w.clock.Now(), Expiry: rotation.Expiry(got, w.clock.Now()), Scopes: []string{"scenarios:read"}, ClientID: makesim.OAuthClientID,
	}
	if err := w.Write(ctx, id, rec); err != nil {
		w.t.Fatal(err)
	}
	return got
}

func (w *world) read(id grant.Identity) *grant.Record {
	w.t.Helper()
	rec, err := w.store.Read(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return rec
}

// Read and Write make world the Grants of every process; it remembers each write that took place.
func (w *world) Read(ctx context.Context, id grant.Identity) (*grant.Record, error) {
	if err := ctx.Err(); err != nil { // as the real client
		return nil, err
	}
	return w.store.Read(ctx, id)
}

func (w *world) Write(ctx context.Context, id grant.Identity, r *grant.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.store.Write(ctx, id, r)
	if err == nil && r.OAuth != nil {
		w.commits = append(w.commits, commit{
			uid: id.UID, after: int64(len(w.sim.Ledger())), generation: r.OAuth.Generation, token: makesim.Fingerprint(r.OAuth.RefreshToken),
		})
	}
	return err
}

// Gone makes world the Liveness of every process.
func (w *world) Gone(_ context.Context, h grant.Holder) (bool, error) { return w.gone[h.PodUID], nil }

// process is a start of the operator in a pod.
func (w *world) process(pod, name string) *rotation.Refresher {
	return &rotation.Refresher{
		Grants: w, Liveness: w, Clock: w.clock, Holder: grant.Holder{PodName: pod, PodUID: pod, Process: name},
	}
}

// presentations are those of a connection's refresh tokens, as the authorization server saw them.
func (w *world) presentations(value string) []makesim.Entry {
	return slices.DeleteFunc(w.sim.Ledger(), func(e makesim.Entry) bool {
		return e.Token == nil || e.Token.Event != makesim.TokenPresented || e.Token.Token != makesim.Fingerprint(value)
	})
}

// checkNoReplay fails if a refresh token was presented after its successor had been stored.
func (w *world) checkNoReplay() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	firstStored, byGrant := map[string]commit{}, map[types.UID][]commit{}
	for _, c := range w.commits {
		byGrant[c.uid] = append(byGrant[c.uid], c)
		if _, ok := firstStored[c.token]; !ok {
			firstStored[c.token] = c
		}
	}
	for _, e := range w.sim.Ledger() {
		if e.Token == nil || e.Token.Event != makesim.TokenPresented {
			continue
		}
		presented, ok := firstStored[e.Token.Token]
		if !ok {
			continue // a code
		}
		for _, c := range byGrant[presented.uid] {
			if c.generation > presented.generation && c.token != presented.token && c.after < e.Seq {
				w.t.Errorf("generation %d of %s was presented (entry %d) after generation %d was stored (entry %d)",
					presented.generation, c.uid, e.Seq, c.generation, c.after)
			}
		}
	}
	if again := makesim.RepresentedAfterUse(w.sim.Ledger()); len(again) > 0 {
		w.t.Errorf("presented after the successor was used: %+v", again)
	}
}

// checkUsable fails unless the stored grant is good for another refresh, and its access token works.
func (w *world) checkUsable(id grant.Identity) {
	w.t.Helper()
	o := w.read(id).OAuth
	if o.Intent != nil || o.Dead != "" || o.Unparsed != nil {
		w.t.Errorf("the grant is not at rest: intent %t, dead %q, unparsed %t", o.Intent != nil, o.Dead, o.Unparsed != nil)
		return
	}
	if !w.sim.TokenAlive(o.AccessToken) {
		w.t.Errorf("the stored access token is %s", w.sim.TokenState(o.AccessToken))
	}
	next, err := w.process("later", "later").Refresh(context.Background(), id, w.app, rotation.Ask{})
	if err != nil {
		w.t.Errorf("the stored refresh token is of no use: %v", err)
		return
	}
	if next.OAuth.Generation != o.Generation+1 || !w.sim.TokenAlive(next.OAuth.AccessToken) {
		w.t.Errorf("the next refresh gave generation %d after %d", next.OAuth.Generation, o.Generation)
	}
}

// serverFunc is an authorization server made of a function.
type serverFunc func(ctx context.Context, refreshToken string) (makeapi.TokenResponse, error)

func (f serverFunc) Refresh(ctx context.Context, refreshToken string) (makeapi.TokenResponse, error) {
	return f(ctx, refreshToken)
}

var errNetwork = errors.New("network is down")
