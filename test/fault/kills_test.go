package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/makesim"
)

// Kills at random moments, while many connections rotate all the time.
func TestRandomKills(t *testing.T) {
	t.Parallel()
	of := chosenClasses()
	total := *kills
	if total == 0 {
		if total = 24; *full {
			total = 1000
		}
	}
	each := (total + len(of) - 1) / len(of)
	var mu sync.Mutex
	var running sync.WaitGroup
	turns := make(chan struct{}, 3) // more at once on two cores would only wait
	var lines []string
	var windows []time.Duration
	for n, class := range of {
		k := &killer{world: newWorld(t), random: newRandom(n)}
		k.class = class
		running.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			err := k.run(each)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("class %s: %v; see %s", class, err, k.manager.log())
			}
			for _, p := range k.takeProblems() {
				t.Errorf("class %s: %s", class, p)
			}
			if class != makesim.ClassNoRotation && class != makesim.ClassBuggyGrace { // there old tokens come back
				windows = append(windows, k.windows(k.begun)...)
			}
			lines = append(lines, fmt.Sprintf("class %s: %d kills, %d refresh tokens presented, %d grants lost as they may",
				class, len(k.kills), len(k.make.presentations(k.begun)), k.lost))
		})
	}
	running.Wait()
	slices.Sort(lines)
	slices.Sort(windows)
	t.Logf("\n%s\nbetween Make's commit and ours, under this load: %s", strings.Join(lines, "\n"), percentiles(windows))
}

// How many connections of each kind rotate while the manager is killed.
const (
	consentedConnections = 6
	tokenConnections     = 2
)

// killer kills one manager again and again.
type killer struct {
	*world

	random *rand.Rand
	begun  time.Time
	kills  []time.Time
	lost   int
}

func consentedName(n int) string { return fmt.Sprintf("consented-%d", n) }
func tokenName(n int) string     { return fmt.Sprintf("minting-%d", n) }

// run prepares the connections, kills the manager, and looks after every tenth kill whether all of them came through.
func (k *killer) run(times int) error {
	if err := k.prepare(); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	k.begun = time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for n := range times {
		if overdue(k.begun) {
			break
		}
		if err := k.rotateTokens(ctx); err != nil {
			return err
		}
		k.kill(n)
		if n%10 == 9 || n == times-1 {
			if err := k.settle(); err != nil {
				return fmt.Errorf("after %d kills: %w", n+1, err)
			}
		}
	}
	return k.finish(ctx)
}

func (k *killer) prepare() error {
	knobs := k.make.sim.Knobs()
	knobs.RefreshClass, knobs.AccessTokenSeconds, knobs.RefreshGraceSeconds = k.class, 3, 3600
	if err := k.make.sim.SetKnobs(knobs); err != nil {
		return err
	}
	if err := k.makeRoot(); err != nil {
		return err
	}
	err := k.makeSecret(clientSecret, map[string]string{"client-id": makesim.OAuthClientID, "client-secret": makesim.OAuthClientSecret})
	if err != nil {
		return err
	}
	if err := k.manager.start(); err != nil {
		return err
	}
	byConsent := v1alpha1.Auth{OAuth: &v1alpha1.OAuthAuth{ClientRef: v1alpha1.LocalRef{Name: clientSecret}}}
	byToken := v1alpha1.Auth{APIToken: &v1alpha1.APITokenAuth{
		SecretRef: v1alpha1.SecretKeyRef{LocalRef: v1alpha1.LocalRef{Name: k.root}, Key: "token"},
	}}
	for n := range tokenConnections {
		if err := k.connectAs(tokenName(n), byToken); err != nil {
			return err
		}
	}
	for n := range consentedConnections {
		if err := k.connectAs(consentedName(n), byConsent); err != nil {
			return err
		}
		if err := k.consent(consentedName(n), patience); err != nil {
			return err
		}
	}
	return k.settle()
}

func (k *killer) connectAs(name string, auth v1alpha1.Auth) error {
	return cluster.Client.Create(context.Background(), &v1alpha1.MakeConnection{
		ObjectMeta: metav1.ObjectMeta{Namespace: k.user, Name: name},
		Spec: v1alpha1.MakeConnectionSpec{
			Zone: k.make.zone(), OrganizationID: makesim.OrganizationID, Auth: auth, Scopes: []v1alpha1.Scope{readScope},
			Consumers: []v1alpha1.Consumer{{ServiceAccountName: "agent"}}, Rotation: v1alpha1.Rotation{OverlapSeconds: new(int32(0))},
		},
	})
}

// rotateTokens asks for new API tokens, as a person does.
func (k *killer) rotateTokens(ctx context.Context) error {
	for n := range tokenConnections {
		conn, err := k.named(ctx, tokenName(n))
		if err != nil {
			return err
		}
		before := conn.DeepCopy()
		conn.Spec.Rotation.Generation++
		if err := cluster.Client.Patch(ctx, conn, client.MergeFrom(before)); err != nil {
			return err
		}
	}
	return nil
}

func (k *killer) named(ctx context.Context, name string) (*v1alpha1.MakeConnection, error) {
	conn := &v1alpha1.MakeConnection{}
	err := cluster.Client.Get(ctx, client.ObjectKey{Namespace: k.user, Name: name}, conn)
	return conn, err
}

// kill ends the process at a random moment: one time in four while it starts, else while it works.
func (k *killer) kill(n int) {
	started := time.Now()
	if k.random.IntN(4) > 0 {
		_ = await(20*time.Second, "the manager works", func() bool { // else it is killed while it starts
			return k.manager.inj.quietFor() < time.Since(started)
		})
	}
	time.Sleep(time.Duration(k.random.Int64N(int64(1200 * time.Millisecond)))) //nolint:forbidigo // the moment is what is tested
	k.kills = append(k.kills, time.Now())
	k.manager.crash()
	again := k.manager.start
	if n%2 == 1 {
		again = k.manager.replace
	}
	if err := again(); err != nil {
		k.problem("start the manager again: %v", err)
	}
}

// settle waits until every connection works, or lost its grant where that may be; then a person consents again.
func (k *killer) settle() error {
	ctx := context.Background()
	var names []string
	for n := range consentedConnections {
		names = append(names, consentedName(n))
	}
	for n := range tokenConnections {
		names = append(names, tokenName(n))
	}
	for _, name := range names {
		err := await(patience, name+" works, or has lost its grant", func() bool {
			conn, err := k.named(ctx, name)
			if err != nil {
				return false
			}
			if !isLost(conn) {
				return isReady(conn) && k.publishedAlive(ctx, name)
			}
			if why := k.mayBeLost(conn.UID); why != "" {
				k.problem("the grant of %s was lost: %s", name, why)
			}
			k.lost++
			if err := k.consent(name, patience); err != nil {
				k.problem("a person could not consent again: %v", err)
			}
			return false
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// publishedAlive reports whether the token that the consumer reads works.
func (k *killer) publishedAlive(ctx context.Context, name string) bool {
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: k.user, Name: v1alpha1.ConsumerSecretName(name, "agent")}
	if cluster.Client.Get(ctx, key, secret) != nil {
		return false
	}
	alive, _ := k.token(string(secret.Data[v1alpha1.TokenKey]))
	return alive
}

// mayBeLost says why a grant had to survive; "" where a kill came between Make's commit and ours. What a server of class F gives out
// for an old token dies with the grace period.
func (k *killer) mayBeLost(uid types.UID) string {
	switch k.class {
	case makesim.ClassStrict, makesim.ClassFamily, makesim.ClassBuggyGrace:
	default:
		return "P2: a server of class " + string(k.class) + " would have taken the old token"
	}
	history := k.history()
	for _, p := range k.make.presentations(k.begun) {
		ours := slices.ContainsFunc(history, func(s stored) bool { return s.uid == uid && s.token == p.token })
		if !ours || p.successor == "" || !k.storedAt(p.successor).IsZero() {
			continue
		}
		if slices.ContainsFunc(k.kills, func(at time.Time) bool { return at.After(p.sent) && at.Sub(p.sent) < 5*time.Second }) {
			return ""
		}
	}
	return "P3: no kill came between Make's commit and ours"
}

// finish lets the connections rest, and then counts what is alive at Make.
func (k *killer) finish(ctx context.Context) error {
	if err := k.settle(); err != nil { // of the last kills
		return err
	}
	if err := k.rotateTokens(ctx); err != nil {
		return err
	}
	if err := k.settle(); err != nil {
		return err
	}
	for n := range tokenConnections {
		conn, err := k.named(ctx, tokenName(n))
		if err != nil {
			return err
		}
		k.uid = conn.UID
		err = await(patience, tokenName(n)+" has one living token at Make", func() bool { return len(k.livingTokens()) == 1 })
		if err != nil {
			k.problem("%v: %v", err, k.livingTokens())
		}
	}
	k.checkPresentations(k.begun, k.kills...)
	if again := makesim.RepresentedAfterUse(k.make.sim.Ledger()); len(again) > 0 {
		k.problem("P1: %d refresh tokens were presented after their successor was used", len(again))
	}
	return nil
}
