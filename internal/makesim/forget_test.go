package makesim

import "testing"

func TestOldDeadTokensAreForgotten(t *testing.T) {
	s, err := New(Options{LedgerLimit: 1})
	if err != nil {
		t.Fatal(err)
	}
	user, client := s.state.users[0], s.state.clients[0]
	g := &grant{family: 1, client: client, user: user}
	s.state.grants[1] = g
	c := &call{x: &exchange{}, now: s.Now()}
	first := s.issue(c, g, nil, 1, nil)
	living := first.access
	for range keptTokens {
		s.issue(c, g, nil, 1, living) // an access token only
		last := g.tokens[len(g.tokens)-1]
		s.revokeToken(0, last)
	}
	if len(s.state.tokens) < keptTokens {
		t.Fatalf("%d tokens before", len(s.state.tokens))
	}
	s.forgetOld()
	after := len(s.state.tokens)
	if after > keptTokens/2+10 || len(s.state.prints) > after || len(g.tokens) > after {
		t.Errorf("%d tokens, %d fingerprints, %d in the family after", after, len(s.state.prints), len(g.tokens))
	}
	for _, value := range []string{RootToken, first.access.value, first.refresh.value} {
		if s.TokenState(value) != StateAlive {
			t.Errorf("a living token is %s", s.TokenState(value))
		}
	}
}
