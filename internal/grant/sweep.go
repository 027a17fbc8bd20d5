package grant

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

// SweepEvery is how often new keys are looked for.
const SweepEvery = time.Minute

// Sweeper takes part in a rotation of the sealing keys: on every replica it looks for new keys, and on the elected one it seals again
// what older keys sealed. It implements manager.Runnable. Its zero value is not usable.
type Sweeper struct {
	Store *Store
	// Cache lists the grants' Secrets without asking the API server.
	Cache client.Reader
	Clock clock.WithTicker
	// Elected is closed once this replica is the one that works.
	Elected <-chan struct{}
	// Report, unless nil, is told after each sweep how many grants older keys still seal.
	Report func(outdated int)

	// atWork are the refreshes that the last sweep found announced, by connection.
	atWork map[types.UID]string
}

// Start sweeps now and then every SweepEvery, until ctx ends.
func (s *Sweeper) Start(ctx context.Context) error {
	ticker := s.Clock.NewTicker(SweepEvery)
	defer ticker.Stop()
	for {
		if err := s.pass(ctx); err != nil && ctx.Err() == nil {
			logf.FromContext(ctx).Error(err, "look after the sealing keys")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}

// NeedLeaderElection is false: every replica has to know the new keys.
func (s *Sweeper) NeedLeaderElection() bool { return false }

func (s *Sweeper) pass(ctx context.Context) error {
	current, err := s.Store.Keys.Refresh(ctx)
	if current == "" {
		return err
	}
	select {
	case <-s.Elected:
		return errors.Join(err, s.Sweep(ctx, current))
	default:
		return err
	}
}

// Sweep seals again what another key than current sealed. A grant that does not open, or that somebody else writes at the same time,
// stops none of the others and stays for the next sweep.
func (s *Sweeper) Sweep(ctx context.Context, current string) error {
	grants := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "SecretList"}}
	if err := s.Cache.List(ctx, grants, client.InNamespace(s.Store.Namespace), client.HasLabels{Label}); err != nil {
		return fmt.Errorf("list grants: %w", err)
	}
	var errs []error
	outdated := 0
	for i := range grants.Items {
		secret := &grants.Items[i]
		if secret.Annotations[keyAnnotation] == current {
			continue
		}
		done, err := s.reseal(ctx, secret)
		if !done {
			outdated++
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("seal grant of %s again: %w", secret.Annotations[connectionAnnotation], err))
		}
	}
	if s.Report != nil {
		s.Report(outdated)
	}
	return errors.Join(errs...)
}

// underWay reports whether a grant's refresh was announced since the last sweep: its holder is about to write it. One that the last
// sweep saw already has had its time.
func (s *Sweeper) underWay(id Identity, rec *Record) bool {
	if rec.OAuth == nil || rec.OAuth.Intent == nil || s.atWork[id.UID] == rec.OAuth.Intent.Attempt {
		delete(s.atWork, id.UID)
		return false
	}
	if s.atWork == nil {
		s.atWork = map[types.UID]string{}
	}
	s.atWork[id.UID] = rec.OAuth.Intent.Attempt
	return true
}

// reseal writes a grant back as it is, which seals it by the newest key.
func (s *Sweeper) reseal(ctx context.Context, secret client.Object) (done bool, err error) {
	key, ok := ConnectionOf(secret)
	if !ok {
		return false, fmt.Errorf("%w: its annotations name no connection", ErrSealed)
	}
	id := Identity{Namespace: key.Namespace, Name: key.Name, UID: types.UID(secret.GetLabels()[Label])}
	rec, err := s.Store.Read(ctx, id)
	if err != nil {
		return false, err
	}
	if rec.resourceVersion == "" {
		return true, nil // deleted meanwhile
	}
	if s.underWay(id, rec) {
		return false, nil
	}
	err = s.Store.Write(ctx, id, rec)
	if errors.Is(err, ErrConflict) {
		return false, nil // whoever wrote it sealed it
	}
	return err == nil, err
}
