package rotation

import (
	"context"
	"errors"
	"fmt"
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

// Observer is told what only the protocol sees. It must not block.
type Observer interface {
	// StoreFailed tells that an answer of the authorization server could not be stored, for how many times now; it is tried again.
	StoreFailed(ctx context.Context, id grant.Identity, times int, err error)
	// Stored tells for how long an answer existed in this process only: a process that dies meanwhile loses it.
	Stored(waited time.Duration)
}

// Errors of Refresh, besides those of its parts.
var (
	// ErrHeld means that somebody announced a refresh and may still be at it: another process, or what this one sent before.
	ErrHeld = errors.New("another refresh is under way")
	// ErrDead means that the grant is of no more use; its OAuth.Dead says why.
	ErrDead = errors.New("the refresh token is dead")
	// ErrUncertain means that the outcome of a refresh is not known, and that the policy waits until the access token has expired.
	ErrUncertain = errors.New("the outcome of a refresh is not known")
	// ErrRolledBack means that the stored grant is older than one that was in use: its refresh token is used up.
	ErrRolledBack = errors.New("the stored grant is older than one that was in use")
)

// Deadlines of one refresh.
const (
	// presentTimeout bounds the one request to the authorization server.
	presentTimeout = 20 * time.Second
	// budget bounds everything between announcing a refresh and the end of its request; takeoverMargin is added before a
	// successor acts on an intent whose holder it cannot see.
	budget         = 30 * time.Second
	takeoverMargin = 15 * time.Second
	// settle is for how long a request may still be inside the authorization server after its sender has ended or given up. Until
	// then nobody presents the token again: the older request would arrive as a reuse of what the newer one has replaced.
	settle = 3 * time.Second
	// commitPause is the wait between attempts to store an answer, which goes on until it is stored or the process ends.
	commitPause = 200 * time.Millisecond
)

// Refresher replaces refresh tokens. Its zero value is not usable. It may refresh several grants at once, but each of them once at
// a time: an intent of its own process counts as one whose request has ended.
type Refresher struct {
	Grants   Grants
	Liveness Liveness
	// Holder is this process.
	Holder grant.Holder
	Clock  clock.Clock
	// Observer may be nil.
	Observer Observer

	seen  sightings
	marks marks
	// rules are nil but in tests.
	rules *rules
}

// Ask is what a refresh is to do besides refreshing.
type Ask struct {
	// RotationGeneration is stored as acted on.
	RotationGeneration int64
	// Uncertain is the policy for a refresh whose outcome is not known; empty means Retry.
	Uncertain v1alpha1.UncertainRefreshPolicy
	// Published is the newest grant that consumers were given a token of; the zero one where there is none.
	Published Mark
	// AcceptRollback is the generation of a rolled-back grant that may be presented all the same; zero means none.
	AcceptRollback int64
}

// Refresh presents the stored refresh token of id once and stores the answer. On success the record holds the new tokens.
//
// Errors: ErrHeld (look again later), ErrUncertain (look again at the access token's expiry), ErrDead and ErrRolledBack (a person
// has to consent again), grant.ErrConflict (read again), and those of the store and of makeapi, after which the record says what is
// known.
func (r *Refresher) Refresh(ctx context.Context, id grant.Identity, server AuthorizationServer, ask Ask) (*grant.Record, error) {
	rec, err := r.Grants.Read(ctx, id)
	if err != nil {
		return nil, err
	}
	switch {
	case rec.OAuth == nil:
		return rec, grant.ErrConflict
	case r.RolledBack(id, rec.OAuth, ask):
		return rec, ErrRolledBack
	case rec.OAuth.Dead != "":
		return rec, ErrDead
	case rec.OAuth.RefreshToken == "":
		return rec, grant.ErrConflict
	}
	begun := r.Clock.Now() // before anybody can see the intent
	if err := r.announce(ctx, id, rec, ask.Uncertain); err != nil {
		return rec, err
	}
	answer, err := r.present(ctx, server, rec.OAuth.RefreshToken, begun)
	ended := r.Clock.Now()
	verdict := r.decide().judge(answer, err)
	if verdict != accepted {
		r.seen.since(rec.OAuth.Intent.Attempt, ended) // from now on this process waits for nothing
		return rec, r.failed(ctx, id, rec, refusal{verdict, answer.Raw, err})
	}
	rec = r.commit(ctx, id, rec, newAnswer(rec.OAuth, answer, ended, ask.RotationGeneration))
	return rec, halfRead(err)
}

// present makes the one request to the authorization server, in what is left of the budget. Once it is sent nothing cancels it, not
// even the end of this process: its answer may be the only good token.
func (r *Refresher) present(
	ctx context.Context, server AuthorizationServer, refreshToken string, begun time.Time,
) (makeapi.TokenResponse, error) {
	left := min(presentTimeout, budget-r.Clock.Since(begun))
	if left <= 0 {
		return makeapi.TokenResponse{}, &makeapi.Error{
			Op: "refresh access token", Kind: makeapi.Transient, Reason: "announcing it took too long",
		}
	}
	if err := ctx.Err(); err != nil {
		return makeapi.TokenResponse{}, &makeapi.Error{Op: "refresh access token", Kind: makeapi.Transient, Reason: "canceled"}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), left)
	defer cancel()
	return server.Refresh(ctx, refreshToken)
}

// announce writes the intent to present the refresh token. Only one process can win this write.
func (r *Refresher) announce(ctx context.Context, id grant.Identity, rec *grant.Record, policy v1alpha1.UncertainRefreshPolicy) error {
	presentations := 0
	if open := rec.OAuth.Intent; open != nil {
		free, err := r.mayTakeOver(ctx, open)
		if err != nil {
			return err
		}
		if !free {
			return ErrHeld
		}
		switch r.decide().uncertain(rec.OAuth, policy, r.Clock.Now()) {
		case giveUp:
			return r.bury(ctx, id, rec)
		case waitForExpiry:
			return ErrUncertain
		}
		presentations = open.Presentations
	}
	rec.OAuth.Intent = &grant.Intent{
		Attempt: r.decide().attempt(), Presentations: presentations + 1, Holder: r.Holder, Budget: budget,
	}
	return r.Grants.Write(ctx, id, rec)
}

// bury gives the refresh token up without presenting it again.
func (r *Refresher) bury(ctx context.Context, id grant.Identity, rec *grant.Record) error {
	rec.OAuth.Dead, rec.OAuth.Intent = v1alpha1.ReasonRefreshOutcomeLost, nil
	if err := r.Grants.Write(ctx, id, rec); err != nil {
		return err
	}
	return ErrDead
}

// mayTakeOver reports whether the holder of an open intent cannot present the token any more.
func (r *Refresher) mayTakeOver(ctx context.Context, open *grant.Intent) (bool, error) {
	seen := r.seen.since(open.Attempt, r.Clock.Now())
	// Our own earlier attempt has ended, only its outcome is unknown; and of our pod's container only one process lives.
	gone := open.Holder.Process == r.Holder.Process || open.Holder.PodUID != "" && open.Holder.PodUID == r.Holder.PodUID
	if !gone {
		var err error
		if gone, err = r.Liveness.Gone(ctx, open.Holder); err != nil {
			return false, fmt.Errorf("look for the holder of a refresh: %w", err)
		}
	}
	return r.decide().fence(gone, seen, open.Budget), nil
}

// refusal is an outcome that gave no new token.
type refusal struct {
	verdict verdict
	raw     []byte // an answer that could not be read
	cause   error
}

// failed records what a refusal means. An unknown outcome leaves the intent open: the next attempt is a recovery.
func (r *Refresher) failed(ctx context.Context, id grant.Identity, rec *grant.Record, f refusal) error {
	cause := unreadable(f.cause)
	if !r.decide().record(rec.OAuth, f) {
		return cause
	}
	if rec.OAuth.Dead != "" {
		cause = fmt.Errorf("%w: %w", ErrDead, cause)
	}
	if err := r.Grants.Write(context.WithoutCancel(ctx), id, rec); err != nil {
		return fmt.Errorf("record what Make answered (%s): %w", cause.Error(), err) // what is not stored did not happen: read again
	}
	return cause
}

// Expiry is when an access token received at a time stops working; zero if Make named no lifetime.
// Source: RFC 6749 section 5.1.
func Expiry(answer makeapi.TokenResponse, at time.Time) time.Time {
	if answer.ExpiresIn == 0 {
		return time.Time{}
	}
	return at.Add(answer.ExpiresIn)
}

func newAttempt() string { return uuid.NewString() }
