package makesim

import "slices"

// keptTokens is how many tokens are remembered, dead ones included, so that a long run stays small. Living
// tokens are never forgotten. A forgotten one is answered like one that was never issued.
const keptTokens = 10_000

// add makes a token known.
func (st *state) add(t *token) {
	st.tokens[t.value] = t
	st.prints[Fingerprint(t.value)] = t
}

// byFingerprint finds a token, nil if none has it.
func (st *state) byFingerprint(fingerprint string) *token { return st.prints[fingerprint] }

// forgetOld drops the older half of the dead tokens when there are too many.
func (s *Server) forgetOld() {
	st := &s.state
	if len(st.tokens) < st.sweepAt {
		return
	}
	var dead []*token
	for _, t := range st.tokens {
		if s.see(t, 0) != StateAlive { // its end is in the ledger before it goes
			dead = append(dead, t)
		}
	}
	slices.SortFunc(dead, func(a, b *token) int { return a.created.Compare(b.created) })
	old := map[*token]bool{}
	for _, t := range dead[:(len(dead)+1)/2] {
		old[t] = true
		delete(st.tokens, t.value)
		if fingerprint := Fingerprint(t.value); st.prints[fingerprint] == t {
			delete(st.prints, fingerprint)
		}
		if t.kind == KindAPIToken {
			delete(st.apiTokens, stamp{userID: t.user.ID, created: t.created.UnixMilli()})
		}
	}
	for _, g := range st.grants {
		g.tokens = slices.DeleteFunc(g.tokens, func(t *token) bool { return old[t] })
		if old[g.code] {
			g.code = nil
		}
		if len(g.tokens) == 0 && g.code == nil {
			delete(st.grants, g.family)
			delete(st.overrides, g.overrideKey())
		}
	}
	st.sweepAt = max(keptTokens, 2*len(st.tokens))
}
