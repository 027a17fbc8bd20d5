package fault

import (
	"time"

	"github.com/makeops/make-operator/internal/makesim"
)

// judge checks what must hold after every run, whatever the class of the server.
func (r *trial) judge() {
	r.checkPresentations(r.began)
	if again := makesim.RepresentedAfterUse(r.make.sim.Ledger()); len(again) > 0 {
		r.problem("P1: %d refresh tokens were presented after their successor was used", len(again))
	}
	if r.outcome.lost && r.fault.kind == undisturbed {
		r.problem("P2: the grant was lost without a fault")
	}
}

// checkPresentations is P1 and the bound of P3: a refresh token is presented only while it is the one that is stored, and once more
// at most for each time that its outcome was not learned: by each of these deaths, or else by the one fault.
func (w *world) checkPresentations(since time.Time, deaths ...time.Time) {
	history := w.history()
	seen := map[string][]time.Time{}
	for _, p := range w.make.presentations(since) {
		seen[p.token] = append(seen[p.token], p.sent)
		if w.presentedTooOften(seen[p.token], deaths) {
			w.problem("P3: a refresh token was presented %d times", len(seen[p.token]))
		}
		var owner *stored // what was stored last of the grant that the token belongs to
		for i := range history {
			if history[i].token == p.token && history[i].at.Before(p.sent) {
				owner = &history[i]
			}
		}
		if owner == nil {
			w.problem("P1: a refresh token was presented that was never stored before")
			continue
		}
		for _, s := range history {
			if s.uid == owner.uid && s.at.After(owner.at) && s.at.Before(p.sent) && (s.token != p.token || s.dead != "") {
				w.problem("P1: generation %d was presented %v after generation %d was stored", owner.generation, p.sent.Sub(s.at), s.generation)
				break
			}
		}
	}
}

func (w *world) presentedTooOften(times, deaths []time.Time) bool {
	if w.class == makesim.ClassNoRotation || w.class == makesim.ClassBuggyGrace {
		return false // these give out the same token again
	}
	allowed := 2
	if len(deaths) > 0 {
		allowed = 1
		for _, at := range deaths {
			if at.After(times[0]) {
				allowed++
			}
		}
	}
	return len(times) > allowed
}

// mayBeLost says why the grant had to survive; "" where nothing could save it. Only a server that refuses a token which was used
// once may cost a grant, and only if the answer was lost between the server and the store.
func (r *trial) mayBeLost() string {
	switch r.class {
	case makesim.ClassStrict, makesim.ClassFamily, otherServer:
	default:
		return "P2: a server of class " + string(r.class) + " would have taken the old token"
	}
	if r.fault.at.signature == tokenRefresh && r.fault.kind.losesReply() {
		return ""
	}
	if !r.fault.kind.kills() {
		return "P3: the process lived, and the answer reached it"
	}
	met := r.manager.inj.metAt()
	for _, p := range r.make.presentations(r.began) {
		if p.successor == "" || p.answered.After(met) {
			continue
		}
		if at := r.storedAt(p.successor); at.IsZero() || at.After(met) {
			return "" // it died between Make's commit and ours
		}
	}
	return "P3: the process did not die between Make's commit and ours"
}

// storedAt is when a refresh token was stored; zero for never.
func (w *world) storedAt(token string) time.Time {
	for _, s := range w.history() {
		if s.token == token {
			return s.at
		}
	}
	return time.Time{}
}

// otherServer stands for an authorization server that is not makesim.
const otherServer makesim.RefreshClass = "other"
