package rotation

import (
	"errors"
	"time"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
)

// rules are the protocol's decisions; the rest of it are calls. The model check puts a wrong rule in the place of each and has to
// notice.
type rules struct {
	// attempt names an announcement, each differently.
	attempt func() string
	// fence reports whether the holder of an intent cannot act any more: it is gone, or the intent was first seen that long ago.
	fence func(gone bool, seen, budget time.Duration) bool
	// uncertain says what to do about a refresh whose outcome is not known.
	uncertain func(o *grant.OAuth, policy v1alpha1.UncertainRefreshPolicy, now time.Time) uncertain
	// judge says what the outcome of a presentation means.
	judge func(answer makeapi.TokenResponse, err error) verdict
	// record puts an outcome that gave no token into the grant, and reports whether that changed it.
	record func(o *grant.OAuth, f refusal) bool
	// stillOurs reports whether an answer to what was presented belongs to what is stored now.
	stillOurs func(stored, presented *grant.OAuth) bool
	// undisturbed reports whether nobody else announced a presentation since our own.
	undisturbed func(open *grant.Intent, attempt string) bool
	// apply puts an answer into the grant.
	apply func(g *grant.Grant, a answered)
	// ahead reports whether a grant of that mark was in use after the stored one was written.
	ahead func(m Mark, stored *grant.OAuth) bool
}

func (r *Refresher) decide() *rules {
	if r.rules != nil {
		return r.rules
	}
	return protocol()
}

// protocol are the right rules.
func protocol() *rules {
	return &rules{
		attempt: newAttempt, fence: fence, uncertain: decideUncertain, judge: judge, record: record, stillOurs: stillOurs,
		undisturbed: undisturbed, apply: apply, ahead: ahead,
	}
}

func fence(gone bool, seen, budget time.Duration) bool {
	if gone {
		return seen >= settle
	}
	return seen >= budget+takeoverMargin
}

// uncertain is what to do about a refresh whose outcome is not known.
type uncertain int

const (
	presentAgain uncertain = iota
	waitForExpiry
	giveUp
)

func decideUncertain(o *grant.OAuth, policy v1alpha1.UncertainRefreshPolicy, now time.Time) uncertain {
	switch {
	case o.KeepsRefreshToken: // the server does not replace it, so presenting it again is no reuse
		return presentAgain
	case policy == v1alpha1.Reauthorize:
		return giveUp
	case policy == v1alpha1.WaitForExpiry && now.Before(o.Expiry):
		return waitForExpiry
	default:
		return presentAgain
	}
}

// verdict is what the outcome of a presentation means.
type verdict int

const (
	// unknown: the token may or may not have been used up.
	unknown verdict = iota
	// accepted: there is a new token.
	accepted
	// refused: the token was certainly not used up.
	refused
	// dead: the token is of no more use.
	dead
)

// judge does not take a page of some proxy for an answer of Make: only a readable refresh token is a successor.
func judge(answer makeapi.TokenResponse, err error) verdict {
	switch {
	case err == nil, answer.RefreshToken != "":
		return accepted
	}
	switch makeapi.KindOf(unreadable(err)) {
	case makeapi.InvalidGrant:
		return dead
	case makeapi.InvalidClient, makeapi.Invalid, makeapi.RateLimited, makeapi.Transient, makeapi.ZoneNotAllowed:
		return refused
	default:
		return unknown
	}
}

// maxUnparsed bounds what is kept of an answer that we could not read, in bytes: a Secret holds a megabyte, and one that does not
// fit would be tried for ever. Tokens are much shorter.
const maxUnparsed = 64 << 10

func record(o *grant.OAuth, f refusal) bool {
	switch f.verdict {
	case dead:
		o.Dead = v1alpha1.ReasonNeedsReauthorization
		if o.Intent.Presentations > 1 {
			o.Dead = v1alpha1.ReasonRefreshOutcomeLost
		}
		o.Intent = nil
		return true
	case refused:
		if o.Intent.Presentations > 1 {
			return false // an earlier presentation is still unaccounted for
		}
		o.Intent = nil
		return true
	}
	o.Unparsed = f.raw[:min(len(f.raw), maxUnparsed)]
	return len(o.Unparsed) > 0
}

// unreadable turns the error about an answer that could not be read into what it means for a refresh.
func unreadable(err error) error {
	e, ok := errors.AsType[*makeapi.Error](err)
	if !ok || e.Kind != makeapi.Invalid || e.Status < 200 || e.Status > 299 {
		return err
	}
	return &makeapi.Error{Op: e.Op, Kind: makeapi.UnknownOutcome, Status: e.Status, Reason: "answer not understood"}
}

// halfRead is the error beside an answer of which the refresh token could be read: the next attempt has another token to present.
func halfRead(err error) error {
	if err == nil {
		return nil
	}
	return &makeapi.Error{Op: "refresh access token", Kind: makeapi.Transient, Reason: "answer holds no usable access token"}
}
