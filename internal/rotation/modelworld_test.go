package rotation

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
)

// faults are how many of each may happen in one run.
type faults struct{ crashes, pauses, losses int }

// setup is what a run is made of, besides its schedule.
type setup struct {
	class  byte
	policy v1alpha1.UncertainRefreshPolicy
	faults faults
	mutant *mutant // nil: the protocol as it is
}

// mutant is a protocol with one mistake in it.
type mutant struct {
	name  string
	class byte         // of a server that shows it
	with  faults       // that show it
	rules func(*rules) // changes decisions
	// Mistakes outside of the decisions.
	noCAS, noIntent, resends, earlyPublish, oneHolder bool
}

// model is one run: two replicas of the operator with one grant, a store and an authorization server, all of which take turns.
type model struct {
	setup
	left   faults
	clock  *clocktesting.FakeClock
	server *modelServer

	stored  *grant.Grant
	version int
	ticked  int // changes when time passes
	short   int // how often some seconds passed

	procs     []*replica
	requests  []*request
	attempts  map[string]bool // that were presented
	announced []string
	dropped   bool // an answer with a token never reached the store, or a request never the server
	late      bool // so much time passed that a grace ended
	// overslept is set by a pause longer than others wait for: a server that ends families may then end one that was saved.
	overslept bool
	sends     int

	story  []string
	broken []string
}

// request is a presentation on its way.
type request struct {
	by        *replica // nil once nobody waits for its answer
	token     string
	processed bool
	answer    string
}

// replica is a place where processes of the operator run, one after the other.
type replica struct {
	name        string
	incarnation int
	refresher   *Refresher
	at          string // the call that its process waits to make
	paused      bool
	waiting     bool // until the grant changes or time passes
	seen, tick  int  // when it began to wait
	begun       time.Time
	trace       []string // what its process learned in this refresh
	records     map[*grant.Record]int
	request     *request
	lost        bool // its answer is lost
	inRefresh   bool // it has read the grant

	turn   chan bool // false: the process dies
	parked chan string
}

type killed struct{}

func newModel(s setup) *model {
	m := &model{
		setup: s, left: s.faults, clock: clocktesting.NewFakeClock(time.Unix(1e9, 0).UTC()), server: newModelServer(s.class),
		attempts: map[string]bool{},
	}
	m.store(&grant.Grant{OAuth: &grant.OAuth{
		Generation: 1, AccessToken: "access", RefreshToken: "refresh-1", Issued: m.clock.Now(), Expiry: m.clock.Now().Add(time.Minute),
	}})
	for _, name := range []string{"p", "q"} {
		r := &replica{name: name}
		m.procs = append(m.procs, r)
		m.start(r)
	}
	return m
}

// start starts a process. Those of p follow each other in one pod; q gets a new pod each time, and its old one is gone.
func (m *model) start(r *replica) {
	r.incarnation++
	holder := grant.Holder{PodName: "p", PodUID: "p", Process: fmt.Sprint(r.name, r.incarnation)}
	if r.name == "q" {
		holder.PodName, holder.PodUID = holder.Process, holder.Process
	}
	if m.mutant != nil && m.mutant.oneHolder {
		holder = grant.Holder{PodName: "p", PodUID: "p", Process: "p"}
	}
	decide, attempts := protocol(), 0
	decide.attempt = func() string {
		attempts++
		name := fmt.Sprintf("@%s%d-%d@", r.name, r.incarnation, attempts)
		m.announced = append(m.announced, name)
		return name
	}
	if m.mutant != nil && m.mutant.rules != nil {
		m.mutant.rules(decide)
	}
	s := seat{m, r}
	r.refresher = &Refresher{Grants: s, Liveness: s, Clock: modelClock{m.clock, s}, Holder: holder, rules: decide}
	r.paused, r.waiting, r.trace, r.request, r.lost, r.records = false, false, nil, nil, false, map[*grant.Record]int{}
	r.turn, r.parked = make(chan bool), make(chan string)
	go m.live(r, r.turn, r.parked)
	r.at = <-r.parked
}

// live refreshes whenever it is its turn, as the controller does.
func (m *model) live(r *replica, turn chan bool, parked chan string) {
	defer func() {
		if e := recover(); e != nil && e != any(killed{}) {
			panic(e)
		}
		parked <- "dead"
	}()
	for {
		parked <- "idle"
		if !<-turn {
			panic(killed{})
		}
		r.trace, r.inRefresh = nil, false
		clear(r.records)
		_, err := r.refresher.Refresh(context.Background(), grant.Identity{UID: "uid"}, seat{m, r}, Ask{Generation: 1, Uncertain: m.policy})
		m.tell("%s: %v", r.name, err)
		r.trace = nil
		r.waiting, r.seen, r.tick = true, m.version, m.ticked
	}
}

// action is something that may happen next.
type action struct {
	name  string
	do    func()
	fault bool // it uses up something of the bound
}

// actions are all that may happen next, none at the end.
func (m *model) actions() []action {
	var all []action
	add := func(do func(), format string, args ...any) {
		all = append(all, action{name: fmt.Sprintf(format, args...), do: do})
	}
	fault := func(do func(), format string, args ...any) {
		add(do, format, args...)
		all[len(all)-1].fault = true
	}
	var busy []*replica
	for _, r := range m.procs {
		if m.runnable(r) {
			busy = append(busy, r)
			add(func() { m.run(r) }, "%s: %s", r.name, r.at)
		}
		if m.left.crashes > 0 && (r.at != "idle" || m.runnable(r)) {
			fault(func() { m.crash(r) }, "%s dies before %s", r.name, r.at)
		}
	}
	orphans, under := false, false
	for _, q := range m.requests {
		switch {
		case q.processed:
			busy = append(busy, q.by)
			add(func() { m.run(q.by) }, "%s gets the answer", q.by.name)
		default:
			under, orphans = true, orphans || q.by == nil
			add(func() { m.process(q) }, "the server processes %s", q.token)
			if q.by == nil {
				add(func() { m.drop(q) }, "the request with %s gets lost", q.token)
			}
		}
		if m.left.losses > 0 && q.by != nil {
			fault(func() { m.left.losses--; m.lose(q) }, "the answer to %s gets lost", q.by.name)
		}
	}
	// Time passes while nobody can act; whoever could pauses.
	busy = slices.DeleteFunc(busy, func(r *replica) bool { return r.paused })
	if len(busy) > m.left.pauses || !m.mayWait() {
		return all
	}
	pass := add
	if len(busy) > 0 {
		pass = fault
	}
	if !orphans && m.short < mostShort {
		pass(func() { m.short++; m.tick(settle, busy) }, "some seconds pass")
	}
	if !under {
		pass(func() { m.tick(budget+takeoverMargin, busy) }, "a minute passes")
	}
	return all
}

// mayWait reports whether somebody waits for time to pass.
func (m *model) mayWait() bool {
	for _, r := range m.procs {
		if r.waiting && !m.atRest() || r.at == "sleep" {
			return true
		}
	}
	return false
}

// mostShort is how often some seconds may pass: together they are less than a request takes at most.
const mostShort = 2

func (m *model) runnable(r *replica) bool {
	fresh := !r.waiting || r.seen != m.version || r.tick != m.ticked
	switch {
	case r.at == "dead", r.at == "await":
		return false
	case r.at == "idle":
		return fresh && !m.atRest()
	case r.at == "sleep":
		return fresh
	}
	return true
}

func (m *model) run(r *replica) {
	r.waiting, r.paused = false, false
	r.turn <- true
	r.at = <-r.parked
}

func (m *model) end(r *replica) {
	r.turn <- false
	<-r.parked
	if q := r.request; q != nil {
		q.by = nil
		if q.processed && q.answer != "" || !q.processed {
			m.dropped = true
		}
		if q.processed {
			m.drop(q)
		}
	} else if slices.Contains(r.trace, "answered") {
		m.dropped = true
	}
}

func (m *model) crash(r *replica) {
	m.left.crashes--
	m.end(r)
	m.start(r)
}

func (m *model) process(q *request) {
	o := m.load().OAuth
	if m.class != 'A' && m.class != 'F' && o.RefreshToken != q.token {
		m.breaks("%s reaches the server after %s was stored", q.token, o.RefreshToken)
	}
	q.processed, q.answer = true, m.server.present(q.token, m.clock.Now())
	if q.by == nil {
		m.drop(q)
	}
	if q.by != nil && q.answer != "" && m.mutant != nil && m.mutant.earlyPublish {
		m.server.tokens[q.answer].used = true
	}
}

func (m *model) drop(q *request) {
	m.requests = slices.DeleteFunc(m.requests, func(other *request) bool { return other == q })
}

// lose lets the sender of a request know nothing of its outcome.
func (m *model) lose(q *request) {
	r := q.by
	m.dropped = true
	q.by, r.request, r.lost = nil, nil, true
	if q.processed {
		m.drop(q)
	}
	m.run(r)
}

// tick lets time pass, in which those who could have acted pause.
func (m *model) tick(d time.Duration, pause []*replica) {
	for _, r := range pause {
		m.left.pauses--
		r.paused = true
	}
	for _, r := range m.procs {
		m.overslept = m.overslept || r.paused && d >= takeoverMargin
	}
	m.ticked++
	m.clock.Step(d)
	m.late = m.late || d > modelGrace && (m.class == 'B' || m.class == 'F')
}

func (m *model) atRest() bool {
	o := m.stored.OAuth
	return o.Dead != "" || o.Intent == nil && o.Generation > 1
}

func (m *model) tell(format string, args ...any) {
	m.story = append(m.story, fmt.Sprintf(format, args...))
}

func (m *model) breaks(format string, args ...any) {
	m.broken = append(m.broken, fmt.Sprintf(format, args...))
}

// load is what is stored, to be changed by the caller. The protocol uses no other part of a grant.
func (m *model) load() *grant.Grant { return copied(m.stored) }

func copied(g *grant.Grant) *grant.Grant {
	o := *g.OAuth
	if o.Intent != nil {
		o.Intent = new(*o.Intent)
	}
	return &grant.Grant{OAuth: &o, RotationGeneration: g.RotationGeneration}
}

func (m *model) store(g *grant.Grant) {
	m.stored = copied(g)
	m.version++
}

// shown is the stored grant in a line.
func (m *model) shown() string {
	o := m.stored.OAuth
	intent := "none"
	if i := o.Intent; i != nil {
		intent = i.Attempt + "/" + strconv.Itoa(i.Presentations)
	}
	expired := ""
	if m.policy == v1alpha1.WaitForExpiry {
		expired = strconv.FormatBool(m.clock.Now().Before(o.Expiry))
	}
	return strings.Join([]string{strconv.FormatInt(o.Generation, 10), o.RefreshToken, o.Dead, intent, expired}, " ")
}
