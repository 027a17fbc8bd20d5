package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"k8s.io/utils/clock"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
)

// Grants reads and writes one kind of durable state by compare-and-swap; *grant.Store implements it.
type Grants interface {
	Read(ctx context.Context, id grant.Identity) (*grant.Record, error)
	Write(ctx context.Context, id grant.Identity, r *grant.Record) error
}

// AuthorizationServer presents a refresh token once; *makeapi.OAuth implements it.
type AuthorizationServer interface {
	Refresh(ctx context.Context, refreshToken string) (makeapi.TokenResponse, error)
}

// Liveness tells whether a process of the operator may still be running.
type Liveness interface {
	// Gone reports whether the holder has certainly ended.
	Gone(ctx context.Context, h grant.Holder) (bool, error)
}

// Errors of Refresh, besides those of its parts.
var (
	// ErrHeld means that another process announced a refresh and may still be at it.
	ErrHeld = errors.New("another process is refreshing")
	// ErrDead means that the grant is of no more use; its OAuth.Dead says why.
	ErrDead = errors.New("the refresh token is dead")
)

// Deadlines of one refresh.
const (
	// presentTimeout bounds the one request to the authorization server.
	presentTimeout = 20 * time.Second
	// budget bounds everything between announcing a refresh and the end of its request; takeoverMargin is added before a
	// successor acts on an intent whose holder it cannot see.
	budget         = 30 * time.Second
	takeoverMargin = 15 * time.Second
	// commitPause is the wait between attempts to store an answer, which goes on until it is stored or the process ends.
	commitPause = 200 * time.Millisecond
)

// maxUnparsed bounds what is kept of an answer that we could not read, in bytes: a Secret holds a megabyte, and one that does not
// fit would be tried for ever. Tokens are much shorter.
const maxUnparsed = 64 << 10

// Refresher replaces refresh tokens. Its zero value is not usable. It may refresh several grants at once, but each of them once at
// a time: an intent of its own process counts as one whose request has ended.
type Refresher struct {
	Grants   Grants
	Liveness Liveness
	// Holder is this process.
	Holder grant.Holder
	Clock  clock.Clock

	seen sightings
}

// Refresh presents the stored refresh token of id once and stores the answer, and with it that rotationGeneration was acted on. On
// success the record holds the new tokens.
//
// Errors: ErrHeld (look again later), ErrDead (a person has to consent again), grant.ErrConflict (read again), and those of the
// store and of makeapi, after which the record says what is known.
func (r *Refresher) Refresh(
	ctx context.Context, id grant.Identity, server AuthorizationServer, rotationGeneration int64,
) (*grant.Record, error) {
	rec, err := r.Grants.Read(ctx, id)
	if err != nil {
		return nil, err
	}
	switch {
	case rec.OAuth == nil:
		return rec, grant.ErrConflict
	case rec.OAuth.Dead != "":
		return rec, ErrDead
	case rec.OAuth.RefreshToken == "":
		return rec, grant.ErrConflict
	}
	begun := r.Clock.Now() // before anybody can see the intent
	if err := r.announce(ctx, id, rec); err != nil {
		return rec, err
	}
	answer, err := r.present(ctx, server, rec.OAuth.RefreshToken, begun)
	if err != nil && len(answer.Raw) == 0 {
		return rec, r.failed(ctx, id, rec, err)
	}
	return r.commit(ctx, id, rec, accepted{answer, r.Clock.Now(), rec.OAuth.Generation + 1, rotationGeneration})
}

// present makes the one request to the authorization server, in what is left of the budget.
func (r *Refresher) present(
	ctx context.Context, server AuthorizationServer, refreshToken string, begun time.Time,
) (makeapi.TokenResponse, error) {
	left := min(presentTimeout, budget-r.Clock.Since(begun))
	if left <= 0 {
		return makeapi.TokenResponse{}, &makeapi.Error{
			Op: "refresh access token", Kind: makeapi.Transient, Reason: "announcing it took too long",
		}
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	return server.Refresh(ctx, refreshToken)
}

// announce writes the intent to present the refresh token. Only one process can win this write.
func (r *Refresher) announce(ctx context.Context, id grant.Identity, rec *grant.Record) error {
	presentations := 0
	if open := rec.OAuth.Intent; open != nil {
		free, err := r.mayTakeOver(ctx, open)
		if err != nil {
			return err
		}
		if !free {
			return ErrHeld
		}
		presentations = open.Presentations
	}
	rec.OAuth.Intent = &grant.Intent{
		Attempt: uuid.NewString(), Presentations: presentations + 1, Holder: r.Holder, Budget: budget,
	}
	return r.Grants.Write(ctx, id, rec)
}

// mayTakeOver reports whether the holder of an open intent cannot present the token any more.
func (r *Refresher) mayTakeOver(ctx context.Context, open *grant.Intent) (bool, error) {
	if open.Holder.Process == r.Holder.Process {
		return true, nil // our own earlier attempt: its request has ended, only its outcome is unknown
	}
	if open.Holder.PodUID != "" && open.Holder.PodUID == r.Holder.PodUID {
		return true, nil // our container was restarted
	}
	gone, err := r.Liveness.Gone(ctx, open.Holder)
	if err != nil {
		return false, fmt.Errorf("look for the holder of a refresh: %w", err)
	}
	return gone || r.seen.since(open.Attempt, r.Clock.Now()) >= open.Budget+takeoverMargin, nil
}

// failed records what a refusal means. An unknown outcome leaves the intent open: the next attempt is a recovery.
func (r *Refresher) failed(ctx context.Context, id grant.Identity, rec *grant.Record, cause error) error {
	o := rec.OAuth
	switch makeapi.KindOf(cause) {
	case makeapi.InvalidGrant:
		o.Dead = v1alpha1.ReasonNeedsReauthorization
		if o.Intent.Presentations > 1 {
			o.Dead = v1alpha1.ReasonRefreshOutcomeLost
		}
		o.Intent = nil
		cause = fmt.Errorf("%w: %w", ErrDead, cause)
	case makeapi.InvalidClient, makeapi.Invalid, makeapi.RateLimited, makeapi.Transient, makeapi.ZoneNotAllowed:
		if o.Intent.Presentations > 1 {
			return cause // an earlier presentation is still unaccounted for
		}
		o.Intent = nil
	default:
		return cause
	}
	if err := r.Grants.Write(context.WithoutCancel(ctx), id, rec); err != nil {
		return fmt.Errorf("record what Make answered (%s): %w", cause.Error(), err) // what is not stored did not happen: read again
	}
	return cause
}

// accepted is an answer of the authorization server that is to be stored.
type accepted struct {
	makeapi.TokenResponse

	at                 time.Time
	generation         int64
	rotationGeneration int64
}

// commit stores an answer, whatever it takes: until then it exists in this process only, so neither a cancelled context nor a
// failing API server may lose it.
//
// Others take over from a process that they cannot see. Where one of them announced that it presents the token too, its outcome is
// waited for: storing before it would let the token be presented after its successor was stored.
func (r *Refresher) commit(ctx context.Context, id grant.Identity, rec *grant.Record, answer accepted) (*grant.Record, error) {
	ctx = context.WithoutCancel(ctx)
	presented, attempt := *rec.OAuth, rec.OAuth.Intent.Attempt
	for free := true; ; {
		if free {
			apply(&rec.Grant, answer)
			if err := r.Grants.Write(ctx, id, rec); err == nil {
				return rec, nil
			}
		}
		r.Clock.Sleep(commitPause)
		current, err := r.Grants.Read(ctx, id)
		if err != nil {
			continue // try again with what we have
		}
		o := current.OAuth
		if o == nil || o.Generation != presented.Generation || o.RefreshToken != presented.RefreshToken {
			return current, nil // our own write took place, or the grant was replaced: what is stored counts
		}
		rec, free = current, o.Intent == nil || o.Intent.Attempt == attempt
		if !free {
			free, _ = r.mayTakeOver(ctx, o.Intent) // on an error it may not: look again
		}
	}
}

// apply turns the stored tokens into the answered ones.
func apply(g *grant.Grant, answer accepted) {
	o := g.OAuth
	o.Generation = answer.generation
	o.Intent, o.Unparsed, o.Dead = nil, nil, ""
	g.RotationGeneration = max(g.RotationGeneration, answer.rotationGeneration)
	if answer.AccessToken == "" {
		o.Unparsed, o.Dead = answer.Raw[:min(len(answer.Raw), maxUnparsed)], v1alpha1.ReasonRefreshOutcomeLost
		return
	}
	o.AccessToken = answer.AccessToken
	if answer.RefreshToken != "" { // a server that does not rotate names none
		o.RefreshToken = answer.RefreshToken
	}
	if answer.Scopes != nil { // nil: as before, RFC 6749 section 6
		o.Scopes = slices.Sorted(slices.Values(answer.Scopes))
	}
	o.Issued, o.Expiry = answer.at, Expiry(answer.TokenResponse, answer.at)
}

// Expiry is when an access token received at a time stops working; zero if Make named no lifetime.
// Source: RFC 6749 section 5.1.
func Expiry(answer makeapi.TokenResponse, at time.Time) time.Time {
	if answer.ExpiresIn == 0 {
		return time.Time{}
	}
	return at.Add(answer.ExpiresIn)
}
