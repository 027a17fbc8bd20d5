package makesim

import (
	"math/rand/v2"
	"slices"
	"time"
)

// state is everything that a request may read or change. The Server's mutex guards it.
type state struct {
	offset        time.Duration // of the simulator's clock from the injected one
	knobs         Knobs
	overrides     map[string]override // knobs of single credentials, see overrideKey
	random        *rand.Rand          // behind latency and Fault.Percent, see Knobs.Seed
	version       int64               // counts changes, see touch
	signer        *signer             // of id_tokens; nil until the first is needed
	organizations []*Organization
	users         []*User // the first one is preselected on the consent page
	clients       []*OAuthClient
	tables        tables            // the objects of all other families
	tokens        map[string]*token // every token that is alive or still remembered, by value
	prints        map[string]*token // the same by fingerprint
	apiTokens     map[stamp]*token  // of these the API tokens, by what deletion goes by
	grants        map[int64]*grant  // consents, by family
	families      int64             // consents so far
	sweepAt       int               // how many tokens it takes to forget some
	windows       map[int64]window  // by organization; not kept across restarts
}

// blankState has nothing in it.
func blankState() state {
	return state{
		knobs:     DefaultKnobs(),
		overrides: map[string]override{},
		random:    newRandom(0),
		tables:    tables{},
		tokens:    map[string]*token{},
		prints:    map[string]*token{},
		apiTokens: map[stamp]*token{},
		grants:    map[int64]*grant{},
		sweepAt:   keptTokens,
		windows:   map[int64]window{},
	}
}

// newState fails where a seeded object refers to nothing.
func newState(seed Seed, now time.Time) (state, error) {
	st := blankState()
	st.organizations = pointers(seed.Organizations)
	for _, o := range st.organizations {
		o.Teams = slices.Clone(o.Teams) // teams change in place
	}
	st.users = pointers(seed.Users)
	st.clients = pointers(seed.OAuthClients)
	for _, seeded := range seed.APITokens {
		user := st.user(seeded.UserID)
		scopes := slices.Clone(seeded.Scopes)
		if seeded.EveryUserScope {
			scopes = userScopes()
		}
		st.addAPIToken(&token{value: seeded.Value, user: user, scopes: scopes, label: seeded.Label, created: now})
	}
	return st, st.seedObjects(seed, now)
}

// stamp names an API token of a user.
type stamp struct {
	userID  int64
	created int64 // Unix milliseconds
}

// addAPIToken puts a token among the living. Its creation time becomes whole milliseconds, different from
// those of all the user's other tokens, because deletion goes by it.
func (st *state) addAPIToken(t *token) {
	t.kind, t.state = KindAPIToken, StateAlive
	at := stamp{userID: t.user.ID, created: t.created.UnixMilli()}
	for st.apiTokens[at] != nil {
		at.created++
	}
	t.created = time.UnixMilli(at.created).UTC()
	st.apiTokens[at] = t
	st.add(t)
}

// pointers copies a seed's values, so that two servers never share one.
func pointers[T any](values []T) []*T {
	out := make([]*T, 0, len(values))
	for _, v := range values {
		out = append(out, &v)
	}
	return out
}

func (st *state) user(id int64) *User {
	i := slices.IndexFunc(st.users, func(u *User) bool { return u.ID == id })
	if i < 0 {
		return nil
	}
	return st.users[i]
}

func (st *state) client(id string) *OAuthClient {
	i := slices.IndexFunc(st.clients, func(c *OAuthClient) bool { return c.ID == id })
	if i < 0 {
		return nil
	}
	return st.clients[i]
}
