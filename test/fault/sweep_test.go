package fault

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/makeops/make-operator/internal/makesim"
)

// trialCase is one run of the sweep.
type trialCase struct {
	scenario scenario
	class    makesim.RefreshClass
	fault    fault
}

func (c trialCase) String() string {
	return fmt.Sprintf("%s, class %s, %s at %d. %q", c.scenario.name, c.class, c.fault.kind, c.fault.at.nth, c.fault.at.signature)
}

// slow reports whether most of the case is waiting.
func (c trialCase) slow() bool {
	return c.fault.kind == delayed || c.fault.at.toMake() && (c.fault.kind == tooMany || c.fault.kind == conflict)
}

// Every request of every scenario is disturbed in every way. Whatever happens, no refresh token is presented once its successor is
// stored, no grant is lost that the server would have kept, and the connection ends as it does undisturbed.
func TestSweep(t *testing.T) {
	t.Parallel()
	lessons := learnAll(t)
	cases := plan(lessons)
	results := tryAll(t, cases, lessons)
	for i, o := range results {
		for _, p := range o.problems {
			t.Errorf("%v: %s", cases[i], p)
		}
	}
	t.Log("\n" + summary(cases, results, lessons))
}

// learnAll runs each scenario once, undisturbed.
func learnAll(t *testing.T) map[string]lesson {
	t.Helper()
	lessons := map[string]lesson{}
	w := newWorld(t)
	for _, s := range chosenScenarios() {
		learned, err := w.learn(s, makesim.ClassFamily)
		if err != nil {
			t.Fatalf("learn %s: %v", s.name, err)
		}
		lessons[s.name] = learned
		for i, p := range learned.points {
			if *full {
				t.Logf("%s %2d. %s (%d)", s.name, i+1, p.signature, p.nth)
			}
		}
	}
	return lessons
}

func chosenScenarios() []scenario {
	return slices.DeleteFunc(scenarios(), func(s scenario) bool { return *only != "" && !slices.Contains(strings.Split(*only, ","), s.name) })
}

// allClasses are those of authorization servers, chosenClasses those that are asked for; a sample takes the two worst.
func chosenClasses() []makesim.RefreshClass {
	letters := *classes
	switch {
	case letters == "" && *full:
		letters = "ABCDEF"
	case letters == "":
		letters = "EF"
	}
	var out []makesim.RefreshClass
	for _, letter := range letters {
		out = append(out, makesim.RefreshClass(letter))
	}
	return out
}

func chosenKinds() []kind {
	return slices.DeleteFunc(slices.Clone(kinds), func(k kind) bool {
		return *onlyKinds != "" && !slices.Contains(strings.Split(*onlyKinds, ","), string(k))
	})
}

// plan lists the cases, those first that wait for long.
func plan(lessons map[string]lesson) []trialCase {
	random := newRandom(0)
	var cases []trialCase
	for _, s := range chosenScenarios() {
		of := chosenClasses()
		if !s.oauth {
			of = []makesim.RefreshClass{makesim.ClassFamily} // no token of that server takes part
		}
		for n, class := range of {
			for m, k := range chosenKinds() {
				for _, p := range pointsFor(lessons[s.name].points, k, n+m, random) {
					if p.reads() && class != readsIn(of) {
						continue // what is read does not depend on the class
					}
					cases = append(cases, trialCase{s, class, fault{p, k}})
				}
			}
		}
	}
	random.Shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] }) // so that a run that is cut off has tried some of all
	slices.SortStableFunc(cases, func(a, b trialCase) int { return cmp.Compare(rank(a), rank(b)) })
	return cases
}

// readsIn is the class in which reads are disturbed: the worst of them.
func readsIn(of []makesim.RefreshClass) makesim.RefreshClass {
	if slices.Contains(of, makesim.ClassFamily) {
		return makesim.ClassFamily
	}
	return of[0]
}

// newRandom is a sequence that can be had again, one of many.
func newRandom(n int) *rand.Rand { return rand.New(rand.NewPCG(*seed, uint64(n))) }

func rank(c trialCase) int {
	switch {
	case c.slow():
		return 0
	case c.scenario.fresh:
		return 2 // together, because each of them needs a manager of its own
	}
	return 1
}

// pointsFor are the requests to disturb in a way: all that change something or go to Make, and one of each kind of reads. A sample
// has one of them; for the scenario's heart, the exchange with the authorization server and what is stored around it, it takes turns.
func pointsFor(points []point, k kind, turn int, random *rand.Rand) []point {
	var acts, reads []point
	seen := map[string]bool{}
	for _, p := range points {
		switch {
		case p.aside():
		case !p.reads():
			acts = append(acts, p)
		case !seen[p.signature] && k != delayed:
			seen[p.signature] = true
			reads = append(reads, p)
		}
	}
	if *full {
		return append(acts, reads...)
	}
	if len(acts) == 0 {
		return nil
	}
	heart := slices.DeleteFunc(slices.Clone(acts), func(p point) bool {
		return !p.toMake() && !strings.Contains(p.signature, grantWrite)
	})
	if len(heart) > 0 {
		return []point{heart[turn%len(heart)]}
	}
	return []point{acts[random.IntN(len(acts))]}
}

// tryAll runs the cases, many managers at once.
func tryAll(t *testing.T, cases []trialCase, lessons map[string]lesson) []outcome {
	t.Helper()
	results := make([]outcome, len(cases))
	queue := make(chan int)
	var running sync.WaitGroup
	begun, done := time.Now(), 0
	var mu sync.Mutex
	for range min(*workers, len(cases)) {
		w := newWorld(t)
		running.Go(func() {
			for i := range queue {
				c := cases[i]
				o := w.try(c.scenario, c.class, c.fault, lessons[c.scenario.name])
				mu.Lock()
				results[i] = o
				if done++; done%25 == 0 || len(o.problems) > 0 {
					fmt.Printf("▸ %d of %d cases after %v, %d problems in: %v\n", done, len(cases), time.Since(begun).Round(time.Second), len(o.problems), c)
				}
				mu.Unlock()
			}
		})
	}
	for i := range cases {
		if overdue(begun) {
			results[i].skipped = true
			continue
		}
		queue <- i
	}
	close(queue)
	running.Wait()
	return results
}

// summary is a table of what was done, by scenario and class.
func summary(cases []trialCase, results []outcome, lessons map[string]lesson) string {
	type row struct{ cases, met, killed, lost, violations int }
	rows := map[string]*row{}
	var names []string
	total := &row{}
	skipped := 0
	for i, c := range cases {
		if results[i].skipped {
			skipped++
			continue
		}
		name := c.scenario.name + "\t" + string(c.class)
		if !c.scenario.oauth {
			name = c.scenario.name + "\tany"
		}
		if rows[name] == nil {
			rows[name] = &row{}
			names = append(names, name)
		}
		for _, r := range []*row{rows[name], total} {
			r.cases++
			r.violations += min(len(results[i].problems), 1)
			for n, is := range map[*int]bool{&r.met: results[i].met, &r.killed: results[i].killed, &r.lost: results[i].lost} {
				if is {
					*n++
				}
			}
		}
	}
	slices.Sort(names)
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "scenario\tclass\trequests\tcases\tfault met\tkilled\tgrant lost, as it may\tviolations")
	for _, name := range names {
		r, s := rows[name], strings.Split(name, "\t")[0]
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\n", name, len(lessons[s].points), r.cases, r.met, r.killed, r.lost, r.violations)
	}
	fmt.Fprintf(table, "all\t\t\t%d\t%d\t%d\t%d\t%d\n", total.cases, total.met, total.killed, total.lost, total.violations)
	_ = table.Flush() // into memory
	if skipped > 0 {
		fmt.Fprintf(&text, "%d cases were not tried, because of -at-most\n", skipped)
	}
	return text.String()
}
