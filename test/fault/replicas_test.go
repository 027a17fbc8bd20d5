package fault

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/internal/makesim"
)

// falseLease lets a manager believe that it holds its Lease: from a moment on it answers every renewal itself.
type falseLease struct {
	next http.Handler
	lies atomic.Bool

	mu          sync.Mutex
	contentType string
	last        []byte
}

func (f *falseLease) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	f.mu.Lock()
	if r.Method == http.MethodPut {
		f.last, f.contentType = body, r.Header.Get("Content-Type")
	}
	last, contentType := f.last, f.contentType
	f.mu.Unlock()
	if !f.lies.Load() || last == nil {
		f.next.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(last) // a dead client reads nothing
}

// newReplicas makes a world with two managers that elect a leader, in pods that exist. The first one leads.
func newReplicas(t *testing.T) (*world, *manager) {
	t.Helper()
	w := newWorld(t)
	second := w.newManager(t, &injector{})
	for _, m := range []*manager{w.manager, second} {
		m.args = append(m.args, "--leader-elect")
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.operator, Name: m.name},
			Spec: corev1.PodSpec{
				SchedulerName: "none", AutomountServiceAccountToken: new(false), // it stays where it is
				Containers: []corev1.Container{{Name: "manager", Image: "localhost/none"}},
			},
		}
		err := await(patience, "the pod can be made", func() bool { return cluster.Client.Create(context.Background(), pod) == nil })
		if err != nil { // it needs the namespace's default ServiceAccount
			t.Fatal(err)
		}
		m.podUID = string(pod.UID)
	}
	return w, second
}

// lease is who leads, and changes it where change is given.
func (w *world) lease(change func(*coordinationv1.Lease)) (string, error) {
	lease := &coordinationv1.Lease{}
	err := cluster.Client.Get(context.Background(), client.ObjectKey{Namespace: w.operator, Name: "make-operator"}, lease)
	if err != nil {
		return "", err
	}
	holder := ""
	if lease.Spec.HolderIdentity != nil {
		holder = *lease.Spec.HolderIdentity
	}
	if change == nil {
		return holder, nil
	}
	change(lease)
	return holder, cluster.Client.Update(context.Background(), lease)
}

// awaitLeader waits until somebody else than before leads.
func (w *world) awaitLeader(before string) error {
	return await(patience, "somebody else leads", func() bool {
		now, err := w.lease(nil)
		return err == nil && now != "" && now != before
	})
}

// Two managers that both believe to lead present no refresh token twice, and leave no API token behind.
func TestStolenLease(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*world) error{"oauth": (*world).prepareConsented, "api tokens": (*world).prepareByToken, "root": prepareRotatedRoot} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, second := newReplicas(t)
			truth := &falseLease{next: w.manager.api.proxy}
			w.manager.api.lies = truth
			if err := w.begin(scenario{prepare: prepare}, makesim.ClassFamily); err != nil {
				t.Fatal(err)
			}
			first, err := w.lease(nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := second.start(); err != nil {
				t.Fatal(err)
			}
			truth.lies.Store(true)
			if _, err := w.lease(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = new("") }); err != nil {
				t.Fatal(err)
			}
			if err := w.awaitLeader(first); err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			for range 20 {
				if err := w.rotate(); err != nil {
					t.Fatal(err)
				}
				if err := w.awaitConnection("the connection is Ready", isReady); err != nil {
					t.Fatal(err)
				}
			}
			if !w.manager.running() || !second.running() {
				t.Error("one of the managers has ended, so they did not compete")
			}
			w.checkOnePresentationEach(begun)
			w.checkAtRest()
			for _, p := range w.takeProblems() {
				t.Error(p)
			}
		})
	}
}

func prepareRotatedRoot(w *world) error {
	if err := w.prepareOwnRoot(); err != nil {
		return err
	}
	return w.takeRootOver()
}

// checkOnePresentationEach is P1 among the living: with nothing lost, nothing is presented twice.
func (w *world) checkOnePresentationEach(since time.Time) {
	w.checkPresentations(since)
	times := map[string]int{}
	for _, p := range w.make.presentations(since) {
		if times[p.token]++; times[p.token] == 2 {
			w.problem("P1: two managers presented the same refresh token")
		}
	}
}

// checkAtRest waits until the grant has no open ends, and every consumer one living token at Make.
func (w *world) checkAtRest() {
	err := await(patience, "the grant has no open ends", func() bool {
		rec, err := w.readGrant(context.Background(), connectionName, w.uid)
		if err != nil {
			return false
		}
		resting := rec.OAuth == nil || rec.OAuth.Intent == nil && rec.OAuth.Dead == ""
		want := len(rec.Tokens)
		if rec.Root != nil && rec.Root.Created != "" {
			want++
		}
		return resting && len(rec.Retired)+len(rec.Former) == 0 && len(w.livingTokens()) == want
	})
	if err != nil {
		w.problem("%v; living tokens: %v", err, w.livingTokens())
	}
}

// A leader that is stopped while it refreshes, for longer than its Lease lasts: what it announced is taken over only when it cannot
// present the token any more, and when it goes on it does no harm.
func TestStoppedLeader(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		at     string
		resume time.Duration
		class  makesim.RefreshClass
		// presented is how often the refresh token may be presented, lost whether the grant may be lost.
		presented int
		lost      bool
	}{
		{"announced, back before the takeover", "api PUT /{operator}" + grantWrite + "{uid}", 20 * time.Second, makesim.ClassFamily, 1, false},
		{"announced, back after the takeover", "api PUT /{operator}" + grantWrite + "{uid}", 65 * time.Second, makesim.ClassFamily, 1, false},
		{"answered, back before the takeover", tokenRefresh, 20 * time.Second, makesim.ClassFamily, 2, true},
		{"answered, back after the takeover, grace", tokenRefresh, 65 * time.Second, makesim.ClassGrace, 2, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !*full && test.resume > 30*time.Second {
				t.Skip("takes over a minute: with -full")
			}
			t.Parallel()
			w, second := newReplicas(t)
			knobs := w.make.sim.Knobs()
			knobs.RefreshGraceSeconds = 3600
			if err := w.make.sim.SetKnobs(knobs); err != nil {
				t.Fatal(err)
			}
			if err := w.begin(scenario{prepare: (*world).prepareConsented}, test.class); err != nil {
				t.Fatal(err)
			}
			if err := second.start(); err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			w.manager.inj.arm(fault{point{test.at, 1}, stopAfter}, func() {
				time.AfterFunc(test.resume, func() { w.manager.signal(syscall.SIGCONT) })
			})
			if err := w.rotate(); err != nil {
				t.Fatal(err)
			}
			r := &trial{world: w, scenario: scenario{oauth: true}, fault: fault{point{test.at, 1}, stopAfter}, outcome: &outcome{}, began: begun}
			if err := r.followReplicas(second, test.resume+2*patience); err != nil {
				t.Fatal(err)
			}
			if r.outcome.lost && !test.lost {
				t.Error("the grant was lost")
			}
			w.checkPresentations(begun)
			times := map[string]int{}
			for _, p := range w.make.presentations(begun) {
				if times[p.token]++; times[p.token] > test.presented {
					t.Errorf("a refresh token was presented %d times", times[p.token])
				}
			}
			for _, p := range w.takeProblems() {
				t.Error(p)
			}
		})
	}
}

// followReplicas starts managers again that ended because they lost their Lease, as the kubelet does, until the connection is Ready.
func (r *trial) followReplicas(second *manager, limit time.Duration) error {
	return await(limit, "the connection is Ready", func() bool {
		for _, m := range []*manager{r.manager, second} {
			if !m.running() {
				if err := m.start(); err != nil {
					r.problem("start a manager again: %v", err)
				}
			}
		}
		conn, err := r.connection(context.Background())
		if err != nil || r.manager.inj.metAt().IsZero() {
			return false
		}
		if isLost(conn) && r.lostAt.IsZero() {
			r.lostAt, r.outcome.lost = time.Now(), true
			if err := r.consent(connectionName, patience); err != nil {
				r.problem("a person could not consent again: %v", err)
			}
		}
		return isReady(conn) && r.settledGrant(conn.UID, conn.Spec.Rotation.Generation)
	})
}

// settledGrant reports whether the stored grant is that of a rotation, with no open ends.
func (w *world) settledGrant(uid types.UID, rotation int64) bool {
	rec, err := w.readGrant(context.Background(), connectionName, uid)
	if err != nil || rec.OAuth == nil {
		return false
	}
	return rec.RotationGeneration == rotation && rec.OAuth.Intent == nil && rec.OAuth.Dead == ""
}
