package rotation

import (
	"context"
	"slices"
	"time"

	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
)

// answered is an answer of the authorization server that is to be stored.
type answered struct {
	makeapi.TokenResponse

	at                 time.Time
	generation         int64
	rotationGeneration int64
	presented          grant.OAuth // what it answers
}

func newAnswer(presented *grant.OAuth, answer makeapi.TokenResponse, at time.Time, rotationGeneration int64) answered {
	return answered{answer, at, presented.Generation + 1, rotationGeneration, *presented}
}

// commit stores an answer, whatever it takes: until then it exists in this process only, so neither a cancelled context nor a
// failing API server may lose it. It returns what is stored in the end.
//
// Others take over from a process that they cannot see. Where one of them announced that it presents the token too, its outcome is
// waited for: storing before it would let the token be presented after its successor was stored.
func (r *Refresher) commit(ctx context.Context, id grant.Identity, rec *grant.Record, a answered) *grant.Record {
	ctx = context.WithoutCancel(ctx)
	attempt := a.presented.Intent.Attempt
	failures := 0
	for free := true; ; {
		if free {
			r.decide().apply(&rec.Grant, a)
			err := r.Grants.Write(ctx, id, rec)
			if err == nil {
				break
			}
			failures++
			r.storeFailed(ctx, id, failures, err)
		}
		r.Clock.Sleep(commitPause)
		current, err := r.Grants.Read(ctx, id)
		if err != nil {
			failures++
			r.storeFailed(ctx, id, failures, err)
			continue // try again with what we have
		}
		if !r.decide().stillOurs(current.OAuth, &a.presented) {
			rec = current // our own write took place, or the grant was replaced: what is stored counts
			break
		}
		rec, free = current, r.decide().undisturbed(current.OAuth.Intent, attempt)
		if !free {
			free, _ = r.mayTakeOver(ctx, current.OAuth.Intent) // on an error it may not: look again
		}
	}
	r.marks.note(id, rec.OAuth)
	if r.Observer != nil {
		r.Observer.Stored(r.Clock.Since(a.at))
	}
	return rec
}

func (r *Refresher) storeFailed(ctx context.Context, id grant.Identity, times int, err error) {
	if r.Observer != nil {
		r.Observer.StoreFailed(ctx, id, times, err)
	}
}

// undisturbed reports whether an open intent is ours or none at all.
func undisturbed(open *grant.Intent, attempt string) bool { return open == nil || open.Attempt == attempt }

// stillOurs is true also of a grant that was rolled back meanwhile: what we hold is newer.
func stillOurs(stored, presented *grant.OAuth) bool {
	switch {
	case stored == nil, stored.Generation > presented.Generation:
		return false
	case stored.Generation < presented.Generation:
		return !stored.Issued.After(presented.Issued)
	default:
		return stored.RefreshToken == presented.RefreshToken
	}
}

// apply turns the stored tokens into the answered ones. An answer of which only the refresh token could be read replaces that one.
func apply(g *grant.Grant, a answered) {
	o := g.OAuth
	o.Generation = a.generation
	o.Intent, o.Unparsed, o.Dead = nil, nil, ""
	replaces := a.RefreshToken != "" && a.RefreshToken != a.presented.RefreshToken
	if a.presented.Intent.Presentations == 1 { // a second answer may repeat the first one's token
		o.KeepsRefreshToken = !replaces
	}
	if a.RefreshToken != "" { // a server that does not rotate may name none
		o.RefreshToken = a.RefreshToken
	}
	if a.AccessToken == "" {
		return
	}
	o.AccessToken = a.AccessToken
	g.RotationGeneration = max(g.RotationGeneration, a.rotationGeneration)
	if a.Scopes != nil { // nil: as before, RFC 6749 section 6
		o.Scopes = slices.Sorted(slices.Values(a.Scopes))
	}
	o.Issued, o.Expiry = a.at, Expiry(a.TokenResponse, a.at)
}
