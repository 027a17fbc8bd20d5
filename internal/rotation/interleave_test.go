package rotation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/rotation"
)

// TestInterleavings runs two processes on one connection in every order of their calls, with a death at every point, against the
// strictest server: a token works once.
func TestInterleavings(t *testing.T) {
	for name, variant := range map[string]struct {
		deaths int
		// slandered: from its answer on p is thought gone although it lives, as with a force-deleted pod on a node that nobody
		// reaches. Before its answer the budget ends p's request in time.
		slandered bool
		atLeast   int
	}{
		"both live":                            {0, false, 20},
		"one may die":                          {1, false, 200},
		"one is thought dead":                  {0, true, 200},
		"one is thought dead, and one may die": {1, true, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			schedules := 0
			for next := []int{}; next != nil; schedules++ {
				m := newModel(variant.deaths, variant.slandered)
				next = m.run(next)
				if len(m.broken) > 0 {
					t.Fatalf("%s\nafter\n%s", strings.Join(m.broken, "\n"), strings.Join(m.story, "\n"))
				}
			}
			t.Logf("%d schedules", schedules)
			if schedules < variant.atLeast {
				t.Errorf("only %d schedules: the model does not branch", schedules)
			}
		})
	}
}

// model is one run of the protocol: a store, a strict authorization server, and processes that a schedule lets take turns.
type model struct {
	clock     *clocktesting.FakeClock
	slandered bool
	deaths    int // that may still happen

	stored  []byte // the grant
	version int
	read    map[*grant.Record]int // which version a record came from

	issued     int // tokens so far: the newest one works
	presenting map[string]string
	dead       map[string]bool
	holding    map[string]bool // has an answer in its hands
	lost       bool            // a process died with an answer in its hands

	processes []*actor
	schedule  []int // choices to make
	options   []int // how many there were
	taken     []int
	story     []string
	broken    []string
}

// actor is a process that runs when it is its turn.
type actor struct {
	name   string
	turn   chan bool // true: go on; false: die
	parked chan string
	steps  int
	at     string // the call it waits to make; "" when it ended
}

func newModel(deaths int, slandered bool) *model {
	m := &model{
		clock: clocktesting.NewFakeClock(start), slandered: slandered, deaths: deaths,
		read: map[*grant.Record]int{}, issued: 1, presenting: map[string]string{}, dead: map[string]bool{},
		holding: map[string]bool{},
	}
	m.store(&grant.Grant{OAuth: &grant.OAuth{Generation: 1, AccessToken: "access-1", RefreshToken: "refresh-1"}})
	return m
}

// run makes one schedule and returns the next one, or nil after the last.
func (m *model) run(schedule []int) []int {
	m.schedule = schedule
	for _, name := range []string{"p", "q"} {
		a := &actor{name: name, turn: make(chan bool), parked: make(chan string)}
		m.processes = append(m.processes, a)
		go m.live(a)
		a.at = <-a.parked
	}
	for m.step() {
	}
	m.heal()
	for i, taken := range slices.Backward(m.taken) {
		if taken+1 < m.options[i] {
			return append(slices.Clone(m.taken[:i]), taken+1)
		}
	}
	return nil
}

// maxSteps bounds how long one process may keep the turn while it waits for the other.
const maxSteps = 9

// step lets one process make one call, or die before it; false when all have ended.
func (m *model) step() bool {
	var ready []*actor
	for _, a := range m.processes {
		if a.at != "" {
			ready = append(ready, a)
		}
	}
	if len(ready) == 0 {
		return false
	}
	if len(ready) > 1 {
		ready = slices.DeleteFunc(ready, func(a *actor) bool { return a.steps >= maxSteps })
	}
	options := len(ready)
	if m.deaths > 0 {
		options *= 2
	}
	choice := m.choose(options)
	a, lives := ready[choice%len(ready)], choice < len(ready)
	if !lives {
		m.deaths--
		m.dead[a.name] = true
		m.lost = m.lost || m.holding[a.name]
		delete(m.presenting, a.name)
	}
	m.tell("%s: %s%s", a.name, a.at, map[bool]string{false: " — dies"}[lives])
	a.steps++
	a.turn <- lives
	a.at = <-a.parked
	return true
}

func (m *model) choose(options int) int {
	choice := 0
	if i := len(m.taken); i < len(m.schedule) {
		choice = m.schedule[i]
	}
	m.taken, m.options = append(m.taken, choice), append(m.options, options)
	return choice
}

func (m *model) tell(format string, args ...any) {
	m.story = append(m.story, fmt.Sprintf(format, args...))
}

func (m *model) breaks(format string, args ...any) {
	m.broken = append(m.broken, fmt.Sprintf(format, args...))
}

// live is a process: it looks after the connection twice, as a controller does that is woken by what it sees.
func (m *model) live(a *actor) {
	defer func() {
		if r := recover(); r != nil && r != any(death{}) {
			panic(r)
		}
		a.parked <- ""
	}()
	refresher := &rotation.Refresher{
		Grants: seat{m, a}, Liveness: seat{m, a}, Clock: m.clock, Holder: grant.Holder{PodName: a.name, PodUID: a.name, Process: a.name},
	}
	for range 2 {
		if m.atRest() {
			return
		}
		m.clock.Step(settle)
		_, _ = refresher.Refresh(context.Background(), grant.Identity{}, seat{m, a}, rotation.Ask{})
	}
}

// heal is a last process that comes when all others have ended, and waits as long as it must.
func (m *model) heal() {
	healer := &actor{name: "healer"}
	refresher := &rotation.Refresher{
		Grants: seat{m, healer}, Liveness: seat{m, healer}, Clock: m.clock,
		Holder: grant.Holder{PodName: "healer", PodUID: "healer", Process: "healer"},
	}
	for range 3 {
		if m.atRest() {
			break
		}
		m.clock.Step(settle)
		for _, a := range m.processes {
			m.dead[a.name] = true
		}
		_, err := refresher.Refresh(context.Background(), grant.Identity{}, seat{m, healer}, rotation.Ask{})
		m.tell("healer: %v", err)
	}
	o := m.load().OAuth
	usable := o.Dead == "" && o.Intent == nil && o.RefreshToken == m.newest()
	switch {
	case usable:
	case o.Dead != v1alpha1.ReasonRefreshOutcomeLost:
		m.breaks("the grant is at generation %d, dead for the reason %q, with intent %+v, and Make is at %s", o.Generation, o.Dead, o.Intent, m.newest())
	case !m.lost:
		m.breaks("the grant was lost although nobody died with the answer in hand")
	}
}

func (m *model) atRest() bool {
	o := m.load().OAuth
	return o.Dead != "" || o.Intent == nil && o.Generation > 1
}

func (m *model) newest() string { return fmt.Sprintf("refresh-%d", m.issued) }

func (m *model) load() *grant.Grant {
	g := &grant.Grant{}
	if err := json.Unmarshal(m.stored, g); err != nil {
		panic(err)
	}
	return g
}

func (m *model) store(g *grant.Grant) {
	var err error
	if m.stored, err = json.Marshal(*g); err != nil {
		panic(err)
	}
	m.version++
}

// seat is the world as one process sees it. Every call waits for its turn.
type seat struct {
	*model
	a *actor
}

func (s seat) wait(call string) {
	if s.a.parked == nil {
		return // the healer is alone
	}
	s.a.parked <- call
	if !<-s.a.turn {
		panic(death{})
	}
}

func (s seat) Read(context.Context, grant.Identity) (*grant.Record, error) {
	s.wait("read")
	rec := &grant.Record{Grant: *s.load()}
	s.read[rec] = s.version
	return rec, nil
}

func (s seat) Write(_ context.Context, _ grant.Identity, r *grant.Record) error {
	call := "write"
	if r.OAuth.Generation > 1 {
		call = "store generation " + r.OAuth.RefreshToken
	}
	s.wait(call)
	if s.read[r] != s.version {
		return grant.ErrConflict
	}
	s.store(&r.Grant)
	s.read[r] = s.version
	if r.OAuth.Generation > 1 {
		s.holding[s.a.name] = false
	}
	return nil
}

func (s seat) Gone(_ context.Context, h grant.Holder) (bool, error) {
	return s.dead[h.PodUID] || s.slandered && h.PodUID == "p" && s.holding["p"], nil
}

func (s seat) Refresh(_ context.Context, value string) (makeapi.TokenResponse, error) {
	s.wait("present " + value)
	if current := s.load().OAuth; current.RefreshToken != value {
		s.breaks("%s presents %s after %s was stored", s.a.name, value, current.RefreshToken)
	}
	for other, theirs := range s.presenting {
		if theirs == value && !s.slandered {
			s.breaks("%s presents %s while %s does", s.a.name, value, other)
		}
	}
	s.presenting[s.a.name] = value
	answer, err := makeapi.TokenResponse{}, error(&makeapi.Error{Kind: makeapi.InvalidGrant})
	if value == s.newest() {
		s.issued++
		s.holding[s.a.name] = true
		answer, err = makeapi.TokenResponse{Raw: []byte("{}"), AccessToken: "access", RefreshToken: s.newest(), ExpiresIn: time.Minute}, nil
	}
	if err == nil {
		s.wait("take the answer")
	} else {
		s.wait("take the refusal")
	}
	delete(s.presenting, s.a.name)
	return answer, err
}
