package consent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/rotation"
)

// Outcomes that a person meets.
var (
	granted = outcome{"Connected", "Make gave the operator its tokens. You can close this page.", http.StatusOK}
	expired = outcome{
		"Not valid any more", "This consent was used already, took over ten minutes, or was started again. Open the connection's page and start anew.",
		http.StatusGone,
	}
	cancelled = outcome{"Not connected", "Make says that the consent was not given. Nothing was changed.", http.StatusOK}
	changed   = outcome{"The connection changed", "It was changed or deleted meanwhile. Open its page and start anew.", http.StatusConflict}
	stranger  = outcome{
		"Another organization",
		"Your account at Make is no member of the connection's organization. What you granted was revoked. Sign in at Make with the right account and start anew.",
		http.StatusForbidden,
	}
	trouble = outcome{"Try again", "Something did not answer. Nothing was changed; open the connection's page and start anew.", http.StatusBadGateway}
)

// callback ends a consent: it trades the code for tokens, checks whose they are, and stores them.
func (s *Server) callback(w http.ResponseWriter, r *http.Request) {
	ctx, query := r.Context(), r.URL.Query()
	taken, err := s.takeSession(ctx, query.Get("state"))
	switch {
	case errors.Is(err, errSession):
		s.tell(ctx, w, expired)
		return
	case err != nil:
		logf.FromContext(ctx).Error(err, "read consent session")
		s.tell(ctx, w, trouble)
		return
	case query.Get("error") != "", query.Get("code") == "":
		s.tell(ctx, w, cancelled)
		return
	}
	result, err := s.accept(ctx, taken, query.Get("code"))
	if err != nil {
		logf.FromContext(ctx).Error(err, "finish consent", "connection", taken.Namespace+"/"+taken.Name)
	}
	s.tell(ctx, w, result)
}

// accept returns what to tell the person, and an error for the log where there is one.
func (s *Server) accept(ctx context.Context, taken *session, code string) (outcome, error) {
	conn := &v1alpha1.MakeConnection{}
	err := s.Client.Get(ctx, client.ObjectKey{Namespace: taken.Namespace, Name: taken.Name}, conn)
	if apierrors.IsNotFound(err) {
		return changed, nil
	}
	if err != nil {
		return trouble, err
	}
	if conn.UID != taken.UID || conn.Generation != taken.Generation || conn.Spec.Auth.OAuth == nil {
		return changed, nil
	}
	app, clientID, err := s.application(ctx, conn)
	if err != nil {
		return trouble, err
	}
	answer, err := app.Exchange(ctx, code, taken.Verifier)
	if err != nil {
		return trouble, err
	}
	consented, err := s.inspect(ctx, conn, answer)
	if err == nil {
		consented.ClientID = clientID
		err = s.store(ctx, conn, consented)
	}
	if err != nil {
		revoked := s.revoke(ctx, app, answer)
		if errors.Is(err, errStranger) {
			return stranger, revoked
		}
		return trouble, errors.Join(err, revoked)
	}
	return granted, nil
}

// errStranger means that the account is no member of the connection's organization.
var errStranger = errors.New("account is no member of the organization")

// inspect asks Make what the access token holds and whose it is.
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
	if !slices.Contains(user.OrganizationIDs, conn.Spec.OrganizationID) {
		return nil, errStranger
	}
	now := s.Clock.Now()
	return &grant.OAuth{
		AccessToken: answer.AccessToken, RefreshToken: answer.RefreshToken, Issued: now, Expiry: rotation.Expiry(answer, now),
		Scopes: slices.Sorted(slices.Values(holds.Scopes)), AccountID: user.ID, AccountName: user.Name,
	}, nil
}

// store replaces whatever grant the connection had. A refresh of the old grant that is under way sees another generation and drops
// its answer.
func (s *Server) store(ctx context.Context, conn *v1alpha1.MakeConnection, consented *grant.OAuth) error {
	id := grant.Identity{Namespace: conn.Namespace, Name: conn.Name, UID: conn.UID}
	ctx = context.WithoutCancel(ctx) // a closed browser must not lose the tokens
	for range 5 {
		rec, err := s.Grants.Read(ctx, id)
		if err != nil { // also if it does not open: its key may come back, or another replica may have it
			return err
		}
		consented.Generation = 1
		if rec.OAuth != nil {
			consented.Generation = rec.OAuth.Generation + 1
		}
		rec.OAuth, rec.RotationGeneration = consented, conn.Spec.Rotation.Generation
		rec.Consents++
		if err = s.Grants.Write(ctx, id, rec); !errors.Is(err, grant.ErrConflict) {
			return err
		}
	}
	return grant.ErrConflict
}

// revoke ends what was granted by mistake.
func (s *Server) revoke(ctx context.Context, app *makeapi.OAuth, answer makeapi.TokenResponse) error {
	ctx = context.WithoutCancel(ctx)
	for _, value := range []string{answer.RefreshToken, answer.AccessToken} {
		if value == "" {
			continue
		}
		if err := app.Revoke(ctx, value); err != nil {
			return fmt.Errorf("revoke unwanted grant: %w", err)
		}
	}
	return nil
}
