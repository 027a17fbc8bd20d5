package rotation_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/rotation"
)

func TestDecide(t *testing.T) {
	policy := rotation.Policy{Every: 10 * time.Hour, Overlap: time.Minute, Generation: 2, Key: "k"}
	at := rotation.RotateAt(start, policy.Every, policy.Key)
	fresh := grant.Token{Asked: []string{"a:read", "b:read"}, Minted: start, RotationGeneration: 2}
	want := rotation.Demand{Consumer: "x", Scopes: []string{"a:read", "b:read"}}
	held := func(change func(*grant.Token)) map[string]grant.Token {
		t := fresh
		change(&t)
		return map[string]grant.Token{"x": t}
	}
	none := func(*grant.Token) {}
	for name, test := range map[string]struct {
		held    map[string]grant.Token
		demands []rotation.Demand
		now     time.Time
		want    rotation.Plan
	}{
		"nothing wanted, nothing held": {nil, nil, start, rotation.Plan{}},
		"new consumer":                 {nil, []rotation.Demand{want}, start, rotation.Plan{Mint: []rotation.Demand{want}}},
		"all is well":                  {held(none), []rotation.Demand{want}, start, rotation.Plan{}},
		"not old enough":               {held(none), []rotation.Demand{want}, at.Add(-1), rotation.Plan{}},
		"old enough":                   {held(none), []rotation.Demand{want}, at, rotation.Plan{Mint: []rotation.Demand{want}}},
		"much too old":                 {held(none), []rotation.Demand{want}, at.Add(1000 * time.Hour), rotation.Plan{Mint: []rotation.Demand{want}}},
		"scopes narrowed": {
			held(none),
			[]rotation.Demand{{Consumer: "x", Scopes: []string{"a:read"}}},
			start,
			rotation.Plan{Mint: []rotation.Demand{{Consumer: "x", Scopes: []string{"a:read"}}}},
		},
		"scopes widened": {
			held(func(t *grant.Token) { t.Asked = []string{"a:read"} }), []rotation.Demand{want}, start, rotation.Plan{Mint: []rotation.Demand{want}},
		},
		"granted less than asked": {held(func(t *grant.Token) { t.Scopes = []string{"a:read"} }), []rotation.Demand{want}, start, rotation.Plan{}},
		"forced": {
			held(func(t *grant.Token) { t.RotationGeneration = 1 }), []rotation.Demand{want}, start, rotation.Plan{Mint: []rotation.Demand{want}},
		},
		"forced before by a later spec": {held(func(t *grant.Token) { t.RotationGeneration = 3 }), []rotation.Demand{want}, start, rotation.Plan{}},
		"gone, in order": {
			map[string]grant.Token{"z": fresh, "x": fresh, "y": fresh}, []rotation.Demand{want}, start, rotation.Plan{Drop: []string{"y", "z"}},
		},
		"one comes, one goes": {
			map[string]grant.Token{"z": fresh}, []rotation.Demand{want}, start, rotation.Plan{Mint: []rotation.Demand{want}, Drop: []string{"z"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := rotation.Decide(&grant.Grant{Tokens: test.held}, test.demands, policy, test.now)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if empty := len(test.want.Mint)+len(test.want.Drop) == 0; got.Empty() != empty {
				t.Errorf("empty: %t, want %t", got.Empty(), empty)
			}
		})
	}
}

func TestNextAtAndDue(t *testing.T) {
	policy := rotation.Policy{Every: 10 * time.Hour, Key: "k"}
	rotate := rotation.RotateAt(start, policy.Every, policy.Key)
	token := map[string]grant.Token{"x": {Minted: start}, "y": {Minted: start.Add(time.Hour)}}
	retired := func(at ...time.Time) (all []grant.Retired) {
		for _, t := range at {
			all = append(all, grant.Retired{NotBefore: t})
		}
		return all
	}
	soon, later := start.Add(time.Minute), start.Add(time.Hour)
	for name, test := range map[string]struct {
		grant grant.Grant
		next  time.Time
		due   []grant.Retired // at soon
	}{
		"nothing":                            {grant.Grant{}, time.Time{}, nil},
		"the oldest token":                   {grant.Grant{Tokens: token}, rotate, nil},
		"a retired token":                    {grant.Grant{Tokens: token, Retired: retired(later, soon)}, soon, retired(soon)},
		"one that is due already":            {grant.Grant{Retired: retired(start)}, start, retired(start)},
		"one that waits for the publication": {grant.Grant{Tokens: token, Retired: retired(time.Time{})}, rotate, nil},
		"nothing but such a one":             {grant.Grant{Retired: retired(time.Time{})}, time.Time{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := rotation.NextAt(&test.grant, policy); !got.Equal(test.next) {
				t.Errorf("next at %v, want %v", got, test.next)
			}
			if diff := cmp.Diff(test.due, rotation.Due(&test.grant, soon)); diff != "" {
				t.Errorf("due (-want +got):\n%s", diff)
			}
		})
	}
}
