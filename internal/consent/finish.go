package consent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/judge"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/rotation"
	"github.com/makeops/make-operator/internal/scope"
)

// finish takes an open session, trades the code for tokens, and ends the session with an outcome. Of several that try only one gets
// to send the code; the others get errSession. A closed browser must not lose the tokens, so its going away stops nothing.
func (s *Server) finish(ctx context.Context, open *session, code string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishBudget)
	defer cancel()
	err := s.change(ctx, open, func(stored *session) { stored.Taken = s.Clock.Now() })
	if err != nil {
		return err
	}
	conn, err := s.connection(ctx, open)
	if err != nil {
		return errors.Join(err, s.conclude(ctx, open, trouble))
	}
	if conn == nil {
		return s.conclude(ctx, open, changed)
	}
	app, _, err := s.application(ctx, conn)
	if err != nil {
		return errors.Join(err, s.conclude(ctx, open, trouble))
	}
	answer, err := app.Exchange(ctx, code, open.Verifier)
	if err != nil {
		return errors.Join(err, s.conclude(ctx, open, exchangeOutcome(err)))
	}
	err = s.change(ctx, open, func(stored *session) { stored.Answer, stored.Received = answer.Raw, answer.Received })
	if err != nil { // not stored, so nobody else can revoke it
		return errors.Join(err, s.conclude(ctx, open, trouble), revoke(ctx, app, answer))
	}
	return s.settle(ctx, open)
}

// exchangeOutcome says what a refused code means.
func exchangeOutcome(err error) outcome {
	switch makeapi.KindOf(err) {
	case makeapi.InvalidGrant:
		return codeRefused
	case makeapi.InvalidClient:
		return clientDenied
	default:
		return trouble
	}
}

// resume finishes a session whose holder has stopped.
func (s *Server) resume(ctx context.Context, taken *session) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishBudget)
	defer cancel()
	err := s.change(ctx, taken, func(stored *session) { stored.Taken = s.Clock.Now() })
	switch {
	case err != nil:
		return err
	case taken.Answer == nil: // the code may be used up, and its answer is lost
		return s.conclude(ctx, taken, interrupted)
	default:
		return s.settle(ctx, taken)
	}
}

// settle makes a grant of the answer that the session holds, or ends the session otherwise and revokes what was granted.
func (s *Server) settle(ctx context.Context, taken *session) error {
	result, err := s.accept(ctx, taken)
	concluded := s.conclude(ctx, taken, result)
	if concluded != nil || result.Key == granted.Key || result.Key == partly.Key {
		return errors.Join(err, concluded)
	}
	// Only who ended the session revokes: had another process taken it over, its grant would die of this.
	return errors.Join(err, s.revokeAnswer(ctx, taken))
}

// accept checks whose tokens they are and stores them.
func (s *Server) accept(ctx context.Context, taken *session) (outcome, error) {
	answer, err := makeapi.ParseTokenResponse(taken.Answer, taken.Received)
	if err != nil {
		return trouble, err
	}
	conn, err := s.connection(ctx, taken)
	if err != nil {
		return trouble, err
	}
	if conn == nil {
		return changed, nil
	}
	id := grant.Identity{Namespace: conn.Namespace, Name: conn.Name, UID: conn.UID}
	rec, err := s.Grants.Read(ctx, id)
	if err != nil { // also if it does not open: its key may come back, or another replica may have it
		return trouble, err
	}
	if rec.ConsentID == taken.id() && rec.OAuth != nil { // stored before its holder stopped; by now its tokens may have successors
		return taken.stored(conn, rec.OAuth), nil
	}
	app, clientID, err := s.application(ctx, conn)
	if err != nil {
		return trouble, err
	}
	consented, err := s.inspect(ctx, conn, answer)
	if errors.Is(err, errStranger) {
		taken.Account = consented.AccountName
		return stranger, nil
	}
	if err != nil {
		return trouble, err
	}
	consented.ClientID, consented.ClientSecret = clientID, app.Client().Secret
	former, err := s.store(ctx, conn, taken, consented)
	if err != nil {
		return trouble, err
	}
	return taken.stored(conn, consented), s.revokeFormer(ctx, app, former, consented)
}

// stored is the outcome of a session whose grant is stored.
func (s *session) stored(conn *v1alpha1.MakeConnection, consented *grant.OAuth) outcome {
	s.Account = consented.AccountName
	s.Missing = scope.Missing(judge.Names(conn.Spec.Scopes), consented.Scopes)
	if len(s.Missing) > 0 {
		return partly
	}
	return granted
}

// errStranger means that the account is no member of the connection's organization.
var errStranger = errors.New("account is no member of the organization")

// inspect asks Make what the access token holds and whose it is. Beside errStranger it returns whose.
func (s *Server) inspect(ctx context.Context, conn *v1alpha1.MakeConnection, answer makeapi.TokenResponse) (*grant.OAuth, error) {
	zone := s.Make.Zone(conn.Spec.Zone, makeapi.AccessToken(answer.AccessToken)).For(conn.Spec.OrganizationID, makeapi.Interactive)
	holds, err := zone.CurrentAuthorization(ctx)
	if err != nil {
		return nil, err
	}
	user, err := zone.Me(ctx)
	if err != nil {
		return nil, err
	}
	consented := &grant.OAuth{
		AccessToken: answer.AccessToken, RefreshToken: answer.RefreshToken, Issued: answer.Received,
		Expiry: rotation.Expiry(answer, answer.Received), Scopes: slices.Sorted(slices.Values(holds.Scopes)),
		AccountID: user.ID, AccountName: user.Name, OrganizationID: conn.Spec.OrganizationID,
	}
	if !slices.Contains(user.OrganizationIDs, conn.Spec.OrganizationID) {
		return consented, errStranger
	}
	return consented, nil
}

// store replaces whatever grant the connection had, which it returns. A refresh of the old grant that is under way sees another
// generation and drops its answer.
func (s *Server) store(
	ctx context.Context, conn *v1alpha1.MakeConnection, taken *session, consented *grant.OAuth,
) (former *grant.OAuth, err error) {
	id := grant.Identity{Namespace: conn.Namespace, Name: conn.Name, UID: conn.UID}
	for range writeAttempts {
		rec, err := s.Grants.Read(ctx, id)
		if err != nil {
			return nil, err
		}
		if rec.ConsentID == taken.id() {
			return nil, nil
		}
		consented.Generation, former = 1, rec.OAuth
		if former != nil {
			consented.Generation = former.Generation + 1
		}
		rec.OAuth, rec.RotationGeneration, rec.ConsentID = consented, conn.Spec.Rotation.Generation, taken.id()
		rec.ConsentAsked = conn.Annotations[v1alpha1.ConsentAnnotation]
		rec.Consents++
		if err = s.Grants.Write(ctx, id, rec); !errors.Is(err, grant.ErrConflict) {
			return former, err
		}
	}
	return nil, grant.ErrConflict
}

// conclude ends a session with an outcome. Tokens that nobody stored stay in it until they are revoked. The error is errSession if
// another process took the session over.
func (s *Server) conclude(ctx context.Context, taken *session, result outcome) error {
	shown := *taken
	err := s.change(ctx, taken, func(stored *session) {
		stored.Outcome, stored.Account, stored.Missing = result.Key, shown.Account, shown.Missing
		if result.Key == granted.Key || result.Key == partly.Key {
			stored.Answer = nil
		} else {
			stored.Unrevoked = stored.Answer != nil
		}
	})
	if err == nil {
		s.count(result)
	}
	return err
}

// connection reads the connection that a session was begun for; nil means that it is another one by now, or changed.
func (s *Server) connection(ctx context.Context, begun *session) (*v1alpha1.MakeConnection, error) {
	conn := &v1alpha1.MakeConnection{}
	err := s.Client.Get(ctx, client.ObjectKey{Namespace: begun.Namespace, Name: begun.Name}, conn)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read connection: %w", err)
	}
	same := conn.UID == begun.UID && conn.Generation == begun.Generation && conn.DeletionTimestamp.IsZero() &&
		conn.Spec.Auth.OAuth != nil
	if !same {
		return nil, nil
	}
	return conn, nil
}
