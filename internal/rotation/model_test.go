package rotation

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
)

var full = flag.Bool("model.full", false, "check the whole bound for all classes and policies, which takes long")

// bound is what the model check covers: with two replicas everything that can happen in any order.
var bound = faults{crashes: 2, pauses: 1, losses: 1}

// parts of the bound that take seconds each.
var parts = []faults{{crashes: 1, losses: 1}, {pauses: 1, losses: 1}, {crashes: 1, pauses: 1}, {crashes: 2}}

// TestModel runs the protocol in every order of its calls, with every crash, pause and lost answer of the bound, or of each part of it.
func TestModel(t *testing.T) {
	for _, s := range setups() {
		t.Run(fmt.Sprintf("%c %s %+v", s.class, s.policy, s.faults), func(t *testing.T) {
			found := explore(s)
			if found.broken != nil {
				t.Fatalf("%s\nafter\n%s", strings.Join(found.broken, "\n"), strings.Join(found.story, "\n"))
			}
			t.Logf("%d states, %d runs", found.states, found.runs)
			if found.states < 500 {
				t.Error("so few states: the model does not branch")
			}
		})
	}
}

func setups() []setup {
	var all []setup
	add := func(policy v1alpha1.UncertainRefreshPolicy, classes string, faults ...faults) {
		for _, class := range []byte(classes) {
			for _, f := range faults {
				all = append(all, setup{class: class, policy: policy, faults: f})
			}
		}
	}
	if *full {
		for _, policy := range []v1alpha1.UncertainRefreshPolicy{v1alpha1.RetryUncertain, v1alpha1.WaitForExpiry, v1alpha1.Reauthorize} {
			add(policy, "ABCDEF", bound)
		}
		return all
	}
	add(v1alpha1.RetryUncertain, "ABCDF", parts[0])
	add(v1alpha1.RetryUncertain, "E", parts...)
	add(v1alpha1.WaitForExpiry, "D", parts[0])
	add(v1alpha1.Reauthorize, "E", parts[0])
	return all
}

// TestMutants plants a mistake in the protocol, and wants the model check to find each.
func TestMutants(t *testing.T) {
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			found := explore(setup{class: m.class, faults: m.with, mutant: &m})
			if found.broken != nil {
				t.Logf("%s, after %d runs", found.broken[0], found.runs)
				return
			}
			t.Error("was not noticed")
		})
	}
}

func mutants() []mutant {
	return []mutant{
		{name: "writes do not compare", class: 'E', noCAS: true},
		{name: "no announcement", class: 'E', noIntent: true},
		{name: "a lost answer is asked for again at once", class: 'E', with: faults{losses: 1}, resends: true},
		{name: "tokens are used before they are stored", class: 'C', with: faults{losses: 1}, earlyPublish: true},
		{name: "all processes call themselves the same", class: 'E', oneHolder: true},
		{name: "no fence", class: 'E', rules: func(r *rules) {
			r.fence = func(bool, time.Duration, time.Duration) bool { return true }
		}},
		{name: "a dead holder's request does not settle", class: 'E', with: faults{crashes: 1}, rules: func(r *rules) {
			r.fence = func(gone bool, seen, budget time.Duration) bool { return gone || fence(gone, seen, budget) }
		}},
		{name: "the fence is too short for the budget", class: 'E', rules: func(r *rules) {
			r.fence = func(gone bool, seen, _ time.Duration) bool { return fence(gone, seen, -takeoverMargin) }
		}},
		{name: "an open intent is never taken over", class: 'E', with: faults{crashes: 1}, rules: func(r *rules) {
			r.fence = func(bool, time.Duration, time.Duration) bool { return false }
		}},
		{name: "an unknown outcome withdraws the intent", class: 'E', with: faults{losses: 1}, rules: func(r *rules) {
			r.judge = func(a makeapi.TokenResponse, err error) verdict {
				if v := judge(a, err); v != unknown {
					return v
				}
				return refused
			}
		}},
		{name: "an unknown outcome ends the grant", class: 'C', with: faults{losses: 1}, rules: func(r *rules) {
			r.judge = func(a makeapi.TokenResponse, err error) verdict {
				if v := judge(a, err); v != unknown {
					return v
				}
				return dead
			}
		}},
		{name: "invalid_grant is tried again", class: 'E', with: faults{losses: 1}, rules: func(r *rules) {
			r.judge = func(a makeapi.TokenResponse, err error) verdict {
				if v := judge(a, err); v != dead {
					return v
				}
				return unknown
			}
		}},
		{name: "earlier presentations are forgotten", class: 'E', with: faults{losses: 1}, rules: func(r *rules) {
			r.record = func(o *grant.OAuth, f refusal) bool {
				o.Intent.Presentations = 1
				return record(o, f)
			}
		}},
		{name: "a late holder overwrites its successor", class: 'C', with: faults{pauses: 1}, rules: func(r *rules) {
			r.stillOurs = func(*grant.OAuth, *grant.OAuth) bool { return true }
		}},
		{name: "an answer is dropped after a conflict", class: 'D', with: faults{pauses: 1}, rules: func(r *rules) {
			r.stillOurs = func(*grant.OAuth, *grant.OAuth) bool { return false }
		}},
		{name: "a late holder does not wait for its successor", class: 'D', with: faults{pauses: 1}, rules: func(r *rules) {
			r.undisturbed = func(*grant.Intent, string) bool { return true }
		}},
		{name: "the new refresh token is not stored", class: 'E', rules: func(r *rules) {
			r.apply = func(g *grant.Grant, a answered) {
				before := g.OAuth.RefreshToken
				apply(g, a)
				g.OAuth.RefreshToken = before
			}
		}},
		{name: "the intent stays after success", class: 'E', rules: func(r *rules) {
			r.apply = func(g *grant.Grant, a answered) {
				before := g.OAuth.Intent
				apply(g, a)
				g.OAuth.Intent = before
			}
		}},
		{name: "an uncertain refresh is given up", class: 'C', with: faults{losses: 1}, rules: func(r *rules) {
			r.uncertain = func(*grant.OAuth, v1alpha1.UncertainRefreshPolicy, time.Time) uncertain { return giveUp }
		}},
	}
}

// exploration is what became of all runs.
type exploration struct {
	states, runs  int
	broken, story []string
}

// explore runs a setup in every order. A state that was met before is not followed again.
func explore(s setup) exploration {
	visited := map[[16]byte]bool{}
	var found exploration
	for next := []int{}; next != nil; found.runs++ {
		m := newModel(s)
		next = m.follow(next, visited)
		if len(m.broken) > 0 {
			found.broken, found.story = m.broken, m.story
			break
		}
	}
	found.states = len(visited)
	return found
}

// settle goes on without faults, in turns, and wants the grant to come to rest.
func (m *model) settle() {
	for i := range longest {
		actions := slices.DeleteFunc(m.actions(), func(a action) bool { return a.fault })
		if len(actions) == 0 {
			m.judge()
			return
		}
		choice := actions[i%len(actions)]
		m.tell("%s", choice.name)
		choice.do()
	}
	m.breaks("it does not come to rest")
}

// longest is more steps than any run takes that comes to an end.
const longest = 200

// follow makes one run, as a schedule says and then as it comes, and returns the next schedule, or nil after the last.
func (m *model) follow(schedule []int, visited map[[16]byte]bool) []int {
	var taken, options []int
	defer func() {
		for _, r := range m.procs {
			m.end(r)
		}
	}()
	for len(m.broken) == 0 {
		if len(taken) >= len(schedule) {
			key := m.key()
			if visited[key] {
				if len(visited)%8 == 0 || len(visited) < 200 {
					m.settle()
				}
				break
			}
			visited[key] = true
		}
		actions := m.actions()
		if len(actions) == 0 {
			m.judge()
			break
		}
		if len(taken) > longest {
			m.breaks("it goes on for ever")
			break
		}
		choice := 0
		if i := len(taken); i < len(schedule) {
			choice = schedule[i]
		}
		taken, options = append(taken, choice), append(options, len(actions))
		m.tell("%s", actions[choice].name)
		actions[choice].do()
	}
	for i, choice := range slices.Backward(taken) {
		if choice+1 < options[i] {
			return append(slices.Clone(taken[:i]), choice+1)
		}
	}
	return nil
}
