package rotation

import (
	"maps"
	"slices"
	"time"

	"github.com/makeops/make-operator/internal/grant"
)

// Demand is a consumer that is to hold a minted token with these scopes, sorted.
type Demand struct {
	Consumer string
	Scopes   []string
}

// Policy is when minted tokens are replaced.
type Policy struct {
	// Every is the age that no token exceeds.
	Every time.Duration
	// Overlap is how long an old token lives on beside its published successor.
	Overlap time.Duration
	// Generation rotates every token that was minted for a smaller one.
	Generation int64
	// Key spreads many connections' rotations.
	Key string
}

// Plan is what has to happen to the minted tokens of a grant.
type Plan struct {
	// Mint are the consumers that need a new token.
	Mint []Demand
	// Drop are the consumers that are gone, sorted.
	Drop []string
}

// Decide compares the demands with what a grant holds.
func Decide(g *grant.Grant, demands []Demand, p Policy, now time.Time) Plan {
	var plan Plan
	wanted := map[string]bool{}
	for _, d := range demands {
		wanted[d.Consumer] = true
		t, ok := g.Tokens[d.Consumer]
		if !ok || !slices.Equal(t.Asked, d.Scopes) || p.Generation > max(g.RotationGeneration, t.RotationGeneration) ||
			!now.Before(RotateAt(t.Minted, p.Every, p.Key)) {
			plan.Mint = append(plan.Mint, d)
		}
	}
	for _, consumer := range slices.Sorted(maps.Keys(g.Tokens)) {
		if !wanted[consumer] {
			plan.Drop = append(plan.Drop, consumer)
		}
	}
	return plan
}

// Empty reports whether there is nothing to do.
func (p Plan) Empty() bool { return len(p.Mint) == 0 && len(p.Drop) == 0 }

// Due are the retired tokens whose overlap has ended.
func Due(g *grant.Grant, now time.Time) []grant.Retired {
	var due []grant.Retired
	for _, t := range g.Retired {
		if !t.NotBefore.IsZero() && !now.Before(t.NotBefore) {
			due = append(due, t)
		}
	}
	return due
}

// NextAt is when minted tokens next need something; zero means never.
func NextAt(g *grant.Grant, p Policy) time.Time {
	var next time.Time
	earlier := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	for _, t := range g.Tokens {
		earlier(RotateAt(t.Minted, p.Every, p.Key))
	}
	for _, t := range g.Retired {
		if !t.NotBefore.IsZero() { // else the publication comes first
			earlier(t.NotBefore)
		}
	}
	return next
}
