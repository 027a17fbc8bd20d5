package rotation_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/rotation"
)

func TestRefresh(t *testing.T) {
	for _, class := range classes {
		t.Run(string(class), func(t *testing.T) {
			w := newWorld(t, class)
			id := w.consented()
			before := w.read(id).OAuth
			w.clock.Step(4 * time.Minute)

			rec, err := w.process("pod", "p1").Refresh(t.Context(), id, w.app, rotation.Ask{RotationGeneration: 3})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(w.read(id).Grant, rec.Grant); diff != "" {
				t.Errorf("the record is not what is stored (-stored +record):\n%s", diff)
			}
			if rotated := rec.OAuth.RefreshToken != before.RefreshToken; rotated != (class != makesim.ClassNoRotation) {
				t.Errorf("refresh token replaced: %t", rotated)
			}
			want := *before
			want.Generation, want.AccessToken, want.RefreshToken = 2, rec.OAuth.AccessToken, rec.OAuth.RefreshToken
			want.Issued, want.Expiry = w.clock.Now(), w.clock.Now().Add(5*time.Minute)
			want.KeepsRefreshToken = class == makesim.ClassNoRotation
			if diff := cmp.Diff(&want, rec.OAuth); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if rec.OAuth.AccessToken == before.AccessToken || rec.RotationGeneration != 3 {
				t.Errorf("same access token: %t; rotation generation %d", rec.OAuth.AccessToken == before.AccessToken, rec.RotationGeneration)
			}
			if n := len(w.presentations(before.RefreshToken)); n != 1 {
				t.Errorf("the refresh token was presented %d times", n)
			}
			w.checkUsable(id)
			w.checkNoReplay()
		})
	}
}

// The intent stands before the token is presented, and the access token is published by nobody before it is stored.
func TestIntentComesFirst(t *testing.T) {
	w := newWorld(t, makesim.ClassStrict)
	id := w.consented()
	server := serverFunc(func(ctx context.Context, value string) (makeapi.TokenResponse, error) {
		intent := w.read(id).OAuth.Intent
		want := &grant.Intent{Presentations: 1, Holder: grant.Holder{PodName: "pod", PodUID: "pod", Process: "p1"}, Budget: 30 * time.Second}
		if intent != nil {
			want.Attempt = intent.Attempt
		}
		if diff := cmp.Diff(want, intent); diff != "" || intent.Attempt == "" {
			t.Errorf("intent while presenting (-want +got):\n%s", diff)
		}
		return w.app.Refresh(ctx, value)
	})
	if _, err := w.process("pod", "p1").Refresh(t.Context(), id, server, rotation.Ask{}); err != nil {
		t.Fatal(err)
	}
}

// What an answer means for the intent, for the grant, and for the caller.
func TestRefusals(t *testing.T) {
	refused := func(kind makeapi.Kind) error { return &makeapi.Error{Op: "refresh", Kind: kind} }
	type after struct {
		Intent bool
		Dead   string
	}
	for name, test := range map[string]struct {
		err    error
		first  after // where the token was never presented before
		second after // where an earlier presentation is unaccounted for
		dead   bool
	}{
		"invalid grant": {
			refused(makeapi.InvalidGrant), after{Dead: v1alpha1.ReasonNeedsReauthorization}, after{Dead: v1alpha1.ReasonRefreshOutcomeLost}, true,
		},
		"invalid client":   {refused(makeapi.InvalidClient), after{}, after{Intent: true}, false},
		"invalid request":  {refused(makeapi.Invalid), after{}, after{Intent: true}, false},
		"rate limited":     {refused(makeapi.RateLimited), after{}, after{Intent: true}, false},
		"not sent":         {refused(makeapi.Transient), after{}, after{Intent: true}, false},
		"zone not allowed": {refused(makeapi.ZoneNotAllowed), after{}, after{Intent: true}, false},
		"unknown outcome":  {refused(makeapi.UnknownOutcome), after{Intent: true}, after{Intent: true}, false},
		"unknown error":    {errNetwork, after{Intent: true}, after{Intent: true}, false},
	} {
		for _, earlier := range []int{0, 1} {
			t.Run(name+map[int]string{0: " at first", 1: " in recovery"}[earlier], func(t *testing.T) {
				w := newWorld(t, makesim.ClassStrict)
				id := w.consented()
				want := test.first
				if earlier > 0 {
					want = test.second
					rec := w.read(id)
					rec.OAuth.Intent = &grant.Intent{Attempt: "a", Presentations: earlier, Holder: grant.Holder{Process: "p1"}, Budget: time.Second}
					if err := w.Write(t.Context(), id, rec); err != nil {
						t.Fatal(err)
					}
				}
				server := serverFunc(func(context.Context, string) (makeapi.TokenResponse, error) { return makeapi.TokenResponse{}, test.err })
				p := w.process("pod", "p1")
				if earlier > 0 {
					_, _ = p.Refresh(t.Context(), id, server, rotation.Ask{}) // sees the intent
					w.clock.Step(settle)
				}
				_, err := p.Refresh(t.Context(), id, server, rotation.Ask{})
				if !errors.Is(err, test.err) || errors.Is(err, rotation.ErrDead) != test.dead {
					t.Errorf("error %v", err)
				}
				o := w.read(id).OAuth
				if diff := cmp.Diff(want, after{o.Intent != nil, o.Dead}); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if o.Intent != nil && o.Intent.Presentations != earlier+1 {
					t.Errorf("%d presentations are counted, want %d", o.Intent.Presentations, earlier+1)
				}
				if o.Generation != 1 || o.RefreshToken == "" {
					t.Errorf("the tokens changed: generation %d", o.Generation)
				}
			})
		}
	}
}

// A refusal that was answered while nothing could be stored is no news: only what is stored counts.
func TestRefusalThatCannotBeStored(t *testing.T) {
	for name, kind := range map[string]makeapi.Kind{"invalid grant": makeapi.InvalidGrant, "transient": makeapi.Transient} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, makesim.ClassStrict)
			id := w.consented()
			server := serverFunc(func(context.Context, string) (makeapi.TokenResponse, error) {
				rec := w.read(id) // somebody else writes the grant meanwhile
				rec.RotationGeneration++
				if err := w.Write(t.Context(), id, rec); err != nil {
					t.Fatal(err)
				}
				return makeapi.TokenResponse{}, &makeapi.Error{Kind: kind}
			})
			_, err := w.process("pod", "p1").Refresh(t.Context(), id, server, rotation.Ask{})
			if !errors.Is(err, grant.ErrConflict) || errors.Is(err, rotation.ErrDead) {
				t.Errorf("error %v, want %v and not %v", err, grant.ErrConflict, rotation.ErrDead)
			}
			if dead := w.read(id).OAuth.Dead; dead != "" {
				t.Errorf("dead is %q", dead)
			}
		})
	}
}

// A token that was revoked behind our back is reported as such.
func TestRevokedBehindOurBack(t *testing.T) {
	w := newWorld(t, makesim.ClassFamily)
	id := w.consented()
	value := w.read(id).OAuth.RefreshToken
	w.sim.RevokeToken(value)
	p := w.process("pod", "p1")
	for range 2 { // the second time without asking Make
		if _, err := p.Refresh(t.Context(), id, w.app, rotation.Ask{}); !errors.Is(err, rotation.ErrDead) {
			t.Errorf("error %v, want %v", err, rotation.ErrDead)
		}
	}
	if got := w.read(id).OAuth.Dead; got != v1alpha1.ReasonNeedsReauthorization {
		t.Errorf("reason %q", got)
	}
	if n := len(w.presentations(value)); n != 1 {
		t.Errorf("a dead token was presented %d times", n)
	}
}

// What cannot be presented is not presented: the caller is to look at the grant again.
func TestNothingToPresent(t *testing.T) {
	for name, spoil := range map[string]func(*grant.Record){
		"no consent":       func(r *grant.Record) { r.OAuth = nil },
		"no refresh token": func(r *grant.Record) { r.OAuth.RefreshToken = "" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, makesim.ClassStrict)
			id := w.consented()
			rec := w.read(id)
			spoil(rec)
			if err := w.Write(t.Context(), id, rec); err != nil {
				t.Fatal(err)
			}
			server := serverFunc(func(context.Context, string) (makeapi.TokenResponse, error) {
				t.Error("something was presented")
				return makeapi.TokenResponse{}, errNetwork
			})
			if _, err := w.process("pod", "p1").Refresh(t.Context(), id, server, rotation.Ask{}); !errors.Is(err, grant.ErrConflict) {
				t.Errorf("error %v, want %v", err, grant.ErrConflict)
			}
		})
	}
}

// Every way in which the real client loses an answer keeps the intent, and the next attempt is the recovery.
func TestLostAnswer(t *testing.T) {
	type result struct {
		Usable bool
		Dead   string
	}
	lost := result{Dead: v1alpha1.ReasonRefreshOutcomeLost}
	for _, class := range classes {
		for name, test := range map[string]struct {
			fault makesim.Fault
			want  map[makesim.RefreshClass]result
		}{
			"processed, connection reset": {
				makesim.Fault{Kind: makesim.FaultResetAfter}, map[makesim.RefreshClass]result{makesim.ClassStrict: lost, makesim.ClassFamily: lost},
			},
			"not processed, connection reset": {makesim.Fault{Kind: makesim.FaultResetBefore}, nil},
			"not processed, 500":              {makesim.Fault{Kind: makesim.FaultStatus, Status: http.StatusInternalServerError}, nil},
			"not processed, 504":              {makesim.Fault{Kind: makesim.FaultStatus, Status: http.StatusGatewayTimeout}, nil},
		} {
			t.Run(string(class)+" "+name, func(t *testing.T) {
				w := newWorld(t, class)
				id := w.consented()
				value := w.read(id).OAuth.RefreshToken
				w.fault(test.fault)
				p := w.process("pod", "p1")
				if _, err := p.Refresh(t.Context(), id, w.app, rotation.Ask{}); makeapi.KindOf(err) != makeapi.UnknownOutcome {
					t.Fatalf("first attempt: %v", err)
				}
				if w.read(id).OAuth.Intent == nil {
					t.Fatal("the intent is gone")
				}
				w.clock.Step(settle)
				_, err := p.Refresh(t.Context(), id, w.app, rotation.Ask{})
				want, ok := test.want[class]
				if !ok {
					want = result{Usable: true}
				}
				if got := (result{err == nil, w.read(id).OAuth.Dead}); got != want {
					t.Errorf("got %+v, want %+v (%v)", got, want, err)
				}
				if n := len(w.presentations(value)); n != 2 {
					t.Errorf("presented %d times", n)
				}
				if want.Usable {
					w.checkUsable(id)
				}
				w.checkNoReplay()
			})
		}
	}
}

// A server in front of Make that answers 429 or 403 did not pass the request on: the intent goes, the token stays.
func TestNotProcessed(t *testing.T) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusForbidden} {
		w := newWorld(t, makesim.ClassFamily)
		id := w.consented()
		w.fault(makesim.Fault{Kind: makesim.FaultStatus, Status: status})
		if _, err := w.process("pod", "p1").Refresh(t.Context(), id, w.app, rotation.Ask{}); err == nil {
			t.Fatalf("%d: no error", status)
		}
		w.checkUsable(id)
	}
}

// A server that names no refresh token leaves the one it was given good.
func TestAnswerWithoutRefreshToken(t *testing.T) {
	w := newWorld(t, makesim.ClassNoRotation)
	id := w.consented()
	before := w.read(id).OAuth.RefreshToken
	server := serverFunc(func(ctx context.Context, value string) (makeapi.TokenResponse, error) {
		answer, err := w.app.Refresh(ctx, value)
		answer.RefreshToken = ""
		return answer, err
	})
	rec, err := w.process("pod", "p1").Refresh(t.Context(), id, server, rotation.Ask{})
	if err != nil || rec.OAuth.RefreshToken != before {
		t.Errorf("the refresh token is kept: %t, %v", rec.OAuth.RefreshToken == before, err)
	}
	w.checkUsable(id)
}

// What a pass learned of Make before it was cancelled is stored.
func TestRefusalOfACancelledPass(t *testing.T) {
	for name, test := range map[string]struct {
		kind makeapi.Kind
		dead string
	}{
		"never sent":    {makeapi.Transient, ""},
		"invalid grant": {makeapi.InvalidGrant, v1alpha1.ReasonNeedsReauthorization},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, makesim.ClassStrict)
			id := w.consented()
			ctx, cancel := context.WithCancel(t.Context())
			server := serverFunc(func(context.Context, string) (makeapi.TokenResponse, error) {
				cancel()
				return makeapi.TokenResponse{}, &makeapi.Error{Kind: test.kind}
			})
			if _, err := w.process("pod", "p1").Refresh(ctx, id, server, rotation.Ask{}); makeapi.KindOf(err) != test.kind {
				t.Errorf("error %v", err)
			}
			if o := w.read(id).OAuth; o.Intent != nil || o.Dead != test.dead {
				t.Errorf("intent %t, dead %q", o.Intent != nil, o.Dead)
			}
		})
	}
}
