package rotation_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/rotation"
)

// The authorization server, or something in front of it, answers what no client can read: that is kept, because it may hold the only
// good token, and does not end the grant.
func TestUnreadableAnswer(t *testing.T) {
	const most = 64 << 10
	long := append([]byte(`{"refresh_token":"only-good-one",`), slices.Repeat([]byte("x"), 3<<20)...)
	for name, test := range map[string]struct{ raw, kept []byte }{
		"a proxy's page":           {[]byte("<html>"), []byte("<html>")},
		"no token":                 {[]byte(`{}`), []byte(`{}`)},
		"a refresh token of null":  {[]byte(`{"refresh_token":null}`), []byte(`{"refresh_token":null}`)},
		"an empty refresh token":   {[]byte(`{"refresh_token":""}`), []byte(`{"refresh_token":""}`)},
		"more than a Secret holds": {long, long[:most]},
		"nothing":                  {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, makesim.ClassStrict)
			id := w.consented()
			before := w.read(id).OAuth
			server := serverFunc(func(context.Context, string) (makeapi.TokenResponse, error) {
				answer, err := makeapi.ParseTokenResponse(test.raw, w.clock.Now())
				if e, ok := errors.AsType[*makeapi.Error](err); ok {
					e.Status = http.StatusOK
				}
				return answer, err
			})
			p := w.process("pod", "p1")
			if _, err := p.Refresh(t.Context(), id, server, rotation.Ask{}); makeapi.KindOf(err) != makeapi.UnknownOutcome {
				t.Errorf("error %v is not about an unknown outcome", err)
			}
			got := w.read(id).OAuth
			if got.Intent == nil {
				t.Error("the intent is gone")
			}
			want := *before
			want.Unparsed, got.Intent = test.kept, nil
			if diff := cmp.Diff(&want, got); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
			w.clock.Step(settle) // it was not processed: the token is still good
			if _, err := p.Refresh(t.Context(), id, w.app, rotation.Ask{}); err != nil {
				t.Error(err)
			}
			w.checkUsable(id)
		})
	}
}

// Of an answer that is of no use otherwise the refresh token counts: the presented one was replaced by it.
func TestHalfReadAnswer(t *testing.T) {
	for name, spoil := range map[string]func(good string) string{
		"no access token":         func(good string) string { return `{"refresh_token":"` + good + `"}` },
		"an access token of null": func(good string) string { return `{"access_token":null,"refresh_token":"` + good + `"}` },
		"a life that is no time":  func(good string) string { return `{"access_token":"a","expires_in":[],"refresh_token":"` + good + `"}` },
		"no bearer token": func(good string) string {
			return `{"access_token":"a","token_type":"DPoP","refresh_token":"` + good + `"}`
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, makesim.ClassFamily)
			id := w.consented()
			before := w.read(id).OAuth
			server := serverFunc(func(ctx context.Context, value string) (makeapi.TokenResponse, error) {
				answer, err := w.app.Refresh(ctx, value)
				if err != nil {
					return answer, err
				}
				return makeapi.ParseTokenResponse([]byte(spoil(answer.RefreshToken)), w.clock.Now())
			})
			p := w.process("pod", "p1")
			if _, err := p.Refresh(t.Context(), id, server, rotation.Ask{RotationGeneration: 4}); makeapi.KindOf(err) != makeapi.Transient {
				t.Errorf("error %v is not transient", err)
			}
			rec := w.read(id)
			want := *before
			want.Generation, want.RefreshToken = 2, rec.OAuth.RefreshToken
			if diff := cmp.Diff(&want, rec.OAuth); diff != "" || rec.OAuth.RefreshToken == before.RefreshToken || rec.RotationGeneration != 0 {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
			w.checkUsable(id)
			w.checkNoReplay()
		})
	}
}

// A server that narrows or widens the scopes at a refresh is believed, one that says nothing changes nothing.
func TestScopesOfTheAnswer(t *testing.T) {
	for name, test := range map[string]struct{ answered, want []string }{
		"none named": {nil, []string{"scenarios:read"}},
		"others":     {[]string{"teams:read", "scenarios:run"}, []string{"scenarios:run", "teams:read"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, makesim.ClassStrict)
			id := w.consented()
			server := serverFunc(func(ctx context.Context, value string) (makeapi.TokenResponse, error) {
				answer, err := w.app.Refresh(ctx, value)
				answer.Scopes = test.answered
				return answer, err
			})
			rec, err := w.process("pod", "p1").Refresh(t.Context(), id, server, rotation.Ask{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, rec.OAuth.Scopes); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
