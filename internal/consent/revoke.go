package consent

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
)

// errNoClient means that nobody can revoke any more: the connection or its OAuth client is gone.
var errNoClient = errors.New("the OAuth client is gone")

// revokeAnswer revokes the tokens that an ended session still holds, and removes them from it.
func (s *Server) revokeAnswer(ctx context.Context, ended *session) error {
	if ended.Answer == nil {
		return nil
	}
	answer, err := makeapi.ParseTokenResponse(ended.Answer, ended.Received)
	if err != nil {
		return fmt.Errorf("revoke unwanted grant: %w", err)
	}
	conn := &v1alpha1.MakeConnection{}
	err = s.Client.Get(ctx, client.ObjectKey{Namespace: ended.Namespace, Name: ended.Name}, conn)
	if apierrors.IsNotFound(err) || err == nil && conn.Spec.Auth.OAuth == nil {
		return fmt.Errorf("revoke unwanted grant: %w", errNoClient)
	}
	if err != nil {
		return fmt.Errorf("revoke unwanted grant: %w", err)
	}
	app, _, err := s.application(ctx, conn)
	if err != nil {
		return fmt.Errorf("revoke unwanted grant: %w", err)
	}
	if err := revoke(ctx, app, answer); err != nil {
		return err
	}
	return s.change(ctx, ended, func(stored *session) { stored.Answer, stored.Unrevoked = nil, false })
}

// revokeFormer revokes the grant that a consent replaced, if it is another account's. One of the same account is left alone: Make does
// not say whether revoking it would take the new one with it.
func (s *Server) revokeFormer(ctx context.Context, app *makeapi.OAuth, former, now *grant.OAuth) error {
	if former == nil || former.AccountID == now.AccountID || former.ClientID != now.ClientID {
		return nil
	}
	return revoke(ctx, app, makeapi.TokenResponse{AccessToken: former.AccessToken, RefreshToken: former.RefreshToken})
}

// revoke ends what was granted.
func revoke(ctx context.Context, app *makeapi.OAuth, answer makeapi.TokenResponse) error {
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
