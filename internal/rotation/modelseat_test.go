package rotation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
)

// seat is the world as one process sees it. Every call waits for its turn.
type seat struct {
	*model
	r *replica
}

func (s seat) wait(call string) {
	s.r.parked <- call
	if !<-s.r.turn {
		panic(killed{})
	}
}

func (s seat) learn(format string, args ...any) {
	s.r.trace = append(s.r.trace, fmt.Sprintf(format, args...))
}

func (s seat) Read(context.Context, grant.Identity) (*grant.Record, error) {
	if s.r.at != "idle" || s.r.inRefresh {
		s.wait("read")
	}
	s.r.inRefresh = true
	rec := &grant.Record{Grant: *s.load()}
	clear(s.r.records)
	s.r.records[rec] = s.version
	s.r.trace = slices.DeleteFunc(s.r.trace, func(t string) bool { return !strings.HasPrefix(t, "got") && t != "answered" })
	s.learn("read %s", s.shown())
	return rec, nil
}

func (s seat) Write(_ context.Context, _ grant.Identity, rec *grant.Record) error {
	s.r.begun = s.clock.Now()
	s.wait("write")
	announces := rec.OAuth.Intent != nil && rec.OAuth.Intent.Holder == s.r.refresher.Holder
	if s.mutant != nil && s.mutant.noIntent && announces {
		return nil
	}
	if s.r.records[rec] != s.version && (s.mutant == nil || !s.mutant.noCAS) {
		s.learn("conflict")
		return grant.ErrConflict
	}
	before := s.load().OAuth.Generation
	if o := s.stored.OAuth; rec.OAuth.Generation == o.Generation && rec.OAuth.RefreshToken != o.RefreshToken {
		s.breaks("%s stores generation %d in place of another", s.r.name, o.Generation)
	}
	s.store(&rec.Grant)
	s.r.records[rec] = s.version
	if !slices.Contains(s.r.trace, "wrote") {
		s.learn("wrote")
	}
	if rec.OAuth.Generation > before {
		s.r.trace = slices.DeleteFunc(s.r.trace, func(t string) bool { return t == "answered" })
		if t := s.server.tokens[rec.OAuth.RefreshToken]; t != nil {
			t.used = true // consumers get the access token now
		}
	}
	return nil
}

// Gone knows a pod's end at once.
func (s seat) Gone(_ context.Context, h grant.Holder) (bool, error) {
	for _, r := range s.procs {
		if r.refresher.Holder.PodUID == h.PodUID {
			return false, nil
		}
	}
	return true, nil
}

func (s seat) Refresh(_ context.Context, token string) (makeapi.TokenResponse, error) {
	for {
		s.wait("send")
		if s.clock.Since(s.r.begun) > budget { // the connection's deadline
			s.learn("too late")
			return makeapi.TokenResponse{}, &makeapi.Error{Kind: makeapi.Transient}
		}
		s.check(token)
		q := &request{by: s.r, token: token}
		s.r.request = q
		s.requests = append(s.requests, q)
		s.sends++
		s.wait("await")
		if s.r.lost {
			s.r.lost = false
			s.learn("nothing")
			if s.mutant != nil && s.mutant.resends {
				continue
			}
			return makeapi.TokenResponse{}, &makeapi.Error{Kind: makeapi.UnknownOutcome}
		}
		s.drop(q)
		s.r.request = nil
		s.learn("got %s", q.answer)
		if q.answer != "" {
			s.learn("answered")
		}
		return modelAnswer(q.answer)
	}
}

// check judges a presentation before it is sent.
func (s seat) check(token string) {
	for _, q := range s.requests {
		if q.token == token && !q.processed {
			s.breaks("%s presents %s while it is being presented", s.r.name, token)
		}
	}
	o := s.load().OAuth
	attempt := fmt.Sprint(s.r.name, s.r.incarnation, s.r.trace)
	if o.Intent != nil && o.Intent.Holder == s.r.refresher.Holder {
		attempt = o.Intent.Attempt
	}
	if s.attempts[attempt] {
		s.breaks("%s presents %s twice for one announcement", s.r.name, token)
	}
	s.attempts[attempt] = true
	if o.Dead != "" {
		s.breaks("%s presents %s of a dead grant", s.r.name, token)
	}
}

// modelClock waits for a turn where others sleep.
type modelClock struct {
	*clocktesting.FakeClock
	s seat
}

func (c modelClock) Sleep(time.Duration) {
	c.s.r.waiting, c.s.r.seen, c.s.r.tick = true, c.s.version, c.s.ticked
	c.s.wait("sleep")
}
