package grant_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/makeops/make-operator/internal/grant"
)

// sweep sweeps once by the newest key and says how many grants an older one still seals.
func sweep(t *testing.T, s *grant.Store) (outdated int) {
	t.Helper()
	newest, err := s.Keys.Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sweeper := &grant.Sweeper{Store: s, Cache: s.Client, Report: func(n int) { outdated = n }}
	if err := sweeper.Sweep(t.Context(), newest); err != nil {
		t.Fatal(err)
	}
	return outdated
}

func named(name string) grant.Identity {
	return grant.Identity{Namespace: "sales", Name: name, UID: "of-" + types.UID(name)}
}

func TestSweep(t *testing.T) {
	writes := 0
	c := newClient(t, interceptor.Funcs{
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			writes++
			return c.Update(ctx, o, opts...)
		},
	})
	s := newStore(t, c)
	old := s.Keys.(grant.Keyring)["key-0001"]
	write(t, s, id, settled())
	write(t, s, named("erp"), grant.Grant{Root: &grant.Root{Value: "v"}})

	s.Keys = grant.Keyring{"key-0001": old, "key-0002": grant.NewKey()}
	if outdated := sweep(t, s); outdated != 0 || writes != 2 {
		t.Errorf("%d outdated, %d writes", outdated, writes)
	}
	if outdated := sweep(t, s); outdated != 0 || writes != 2 {
		t.Errorf("the second time: %d outdated, %d writes", outdated, writes)
	}
	delete(s.Keys.(grant.Keyring), "key-0001")
	if diff := cmp.Diff(settled(), read(t, s, id).Grant); diff != "" {
		t.Errorf("without the old key (-want +got):\n%s", diff)
	}
}

// A grant that does not open, or whose refresh is under way, is left as it is, counted, and stops none of the others.
func TestSweepLeavesWhatItCannotSeal(t *testing.T) {
	for name, spoil := range map[string]struct {
		spoil   func(t *testing.T, s *grant.Store)
		wantErr bool
	}{
		"one that does not open": {func(t *testing.T, s *grant.Store) {
			secret := secretOf(t, s, named("bad"))
			secret.Data["sealed"][20] ^= 1
			if err := s.Client.Update(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
		}, true},
		"one without its annotation": {func(t *testing.T, s *grant.Store) {
			secret := secretOf(t, s, named("bad"))
			secret.Annotations = nil
			if err := s.Client.Update(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
		}, true},
		"one in a refresh": {func(t *testing.T, s *grant.Store) {
			rec := read(t, s, named("bad"))
			rec.OAuth = &grant.OAuth{RefreshToken: "r", Intent: &grant.Intent{Attempt: "a"}}
			if err := s.Write(t.Context(), named("bad"), rec); err != nil {
				t.Fatal(err)
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, newClient(t, interceptor.Funcs{}))
			write(t, s, named("bad"), grant.Grant{})
			write(t, s, id, settled())
			spoil.spoil(t, s)
			before := secretOf(t, s, named("bad"))
			s.Keys.(grant.Keyring)["key-0002"] = grant.NewKey()
			outdated := -1
			sweeper := &grant.Sweeper{Store: s, Cache: s.Client, Report: func(n int) { outdated = n }}
			if err := sweeper.Sweep(t.Context(), "key-0002"); (err != nil) != spoil.wantErr {
				t.Errorf("error %v", err)
			}
			if outdated != 1 {
				t.Errorf("%d outdated", outdated)
			}
			if got := secretOf(t, s, id).Annotations["makeops.dev/sealing-key"]; got != "key-0002" {
				t.Errorf("the good one is sealed by %q", got)
			}
			if got := secretOf(t, s, named("bad")); got.ResourceVersion != before.ResourceVersion {
				t.Error("the bad one was written")
			}
			err := sweeper.Sweep(t.Context(), "key-0002")
			if spoil.wantErr != (err != nil) || spoil.wantErr != (outdated == 1) {
				t.Errorf("a minute later: %d outdated, %v; a refresh has had its time by then", outdated, err)
			}
		})
	}
}

// A replica that is not elected learns the new key and writes nothing; once elected it sweeps, and again each minute.
func TestSweeperRuns(t *testing.T) {
	c := newClient(t, interceptor.Funcs{}, keySecret(map[string][]byte{"key-0001": grant.NewKey()}))
	keys := secretKeys(c)
	s := &grant.Store{Client: c, Namespace: namespace, Cluster: cluster, Keys: keys}
	write(t, s, id, settled())
	data := storedKeys(t, c)
	data["key-0002"] = grant.NewKey()
	storeKeys(t, c, data)

	clock := clocktesting.NewFakeClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	elected, swept := make(chan struct{}), make(chan int)
	sweeper := &grant.Sweeper{Store: s, Cache: c, Clock: clock, Elected: elected, Report: func(n int) { swept <- n }}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- sweeper.Start(ctx) }()

	for { // the first pass is through when the newest key seals
		if _, keyID := mustSeal(t, keys, "plain"); keyID == "key-0002" {
			break
		}
	}
	if got := secretOf(t, s, id).Annotations["makeops.dev/sealing-key"]; got != "key-0001" {
		t.Errorf("sealed by %q before it was elected", got)
	}
	close(elected)
	for tick := true; tick; {
		select {
		case n := <-swept:
			if n != 0 {
				t.Errorf("%d outdated", n)
			}
			tick = false
		default:
			clock.Step(grant.SweepEvery)
		}
	}
	if got := secretOf(t, s, id).Annotations["makeops.dev/sealing-key"]; got != "key-0002" {
		t.Errorf("sealed by %q", got)
	}
	cancel()
	for {
		select {
		case <-swept:
			continue
		case err := <-ended:
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		break
	}
	if sweeper.NeedLeaderElection() {
		t.Error("only the elected replica would learn new keys")
	}
}
