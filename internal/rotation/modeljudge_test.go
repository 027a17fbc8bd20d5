package rotation

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// judge says what must hold when nothing can happen any more.
func (m *model) judge() {
	o := m.load().OAuth
	safe := m.class == 'A' || m.class == 'C' || (m.class == 'B' || m.class == 'F') && !m.late
	usable := o.Dead == "" && m.server.usable(o.RefreshToken, m.clock.Now())
	switch {
	case usable && o.Intent == nil && o.Generation > 1:
	case o.Intent != nil || o.Dead == "" && o.Generation == 1:
		m.breaks("it does not come to rest: intent %+v", o.Intent)
	case o.Dead == "" && m.overslept && m.class == 'E':
	case o.Dead == "":
		m.breaks("the stored token %s is of no use, and nobody was told", o.RefreshToken)
	case o.Dead != v1alpha1.ReasonRefreshOutcomeLost:
		m.breaks("the grant is dead for the wrong reason: %s", o.Dead)
	case !m.dropped && m.policy != v1alpha1.Reauthorize: // which takes a death before the presentation for a lost answer
		m.breaks("the grant is dead although no answer was lost")
	case safe && m.policy != v1alpha1.Reauthorize:
		m.breaks("the grant is dead although the server would have taken the token")
	}
	most := 1 + m.faults.crashes + m.faults.pauses + m.faults.losses
	if m.policy == v1alpha1.Reauthorize && m.class != 'A' {
		most = 1
	}
	if m.sends > most {
		m.breaks("%d presentations", m.sends)
	}
}

// key is the state, apart from how it came about.
func (m *model) key() [16]byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s|%s|%v|%t%t%t|%d %d|", m.shown(), m.server.state(m.clock.Now()), m.left, m.dropped, m.late, m.overslept, m.sends, m.short)
	for _, r := range m.procs {
		stale := false
		for _, version := range r.records {
			stale = stale || version != m.version
		}
		seen, gone := false, "never"
		if i := m.stored.OAuth.Intent; i != nil {
			first, known := r.refresher.seen.first[i.Attempt]
			seen = known && m.clock.Since(first) >= budget+takeoverMargin
			if first, known := r.refresher.seen.first[ended(i.Attempt)]; known {
				gone = strconv.FormatBool(m.clock.Since(first) >= settle)
			}
		}
		fmt.Fprintf(&b, "%s %d %t %t %t %t %v %t %t %s|", r.at, r.incarnation, r.paused, r.waiting && r.seen == m.version && r.tick == m.ticked,
			r.lost, m.clock.Since(r.begun) > budget, r.trace, stale, seen, gone)
	}
	for _, q := range m.requests {
		by := ""
		if q.by != nil {
			by = q.by.name
		}
		fmt.Fprintf(&b, "%s %s %t %s|", by, q.token, q.processed, q.answer)
	}
	sum := sha256.Sum256([]byte(m.canonical(b.String())))
	return [16]byte(sum[:16])
}

// canonical numbers announcements by where they stand in a state, not by when they were made.
func (m *model) canonical(state string) string {
	type place struct {
		at   int
		name string
	}
	var places []place
	for _, name := range m.announced {
		if at := strings.Index(state, name); at >= 0 {
			places = append(places, place{at, name})
		}
	}
	slices.SortFunc(places, func(a, b place) int { return a.at - b.at })
	for i, p := range places {
		state = strings.ReplaceAll(state, p.name, "#"+strconv.Itoa(i)+p.name[1:3]) // who announced it matters
	}
	return state
}
