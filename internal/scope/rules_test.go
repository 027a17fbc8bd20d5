package scope

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// fields are the fields of findings, each with the policy that made it.
func fields(violations []Violation) []string {
	var all []string
	for _, v := range violations {
		all = append(all, v.Field+" by "+v.Policy)
	}
	return all
}

// TestCombination says which policies count together, in any order.
func TestCombination(t *testing.T) {
	broad := Connection{
		Namespace: "sales", Name: "crm", Scopes: []string{"teams:read", "scenarios:run", "admin:read", "user:write"},
		Consumers: []Consumer{{Name: "bot", Scopes: []string{"user:write"}}},
	}
	for name, tt := range map[string]struct {
		policies        []Policy
		denied, audited []string
	}{
		"none: the built-in": {nil, []string{"spec.scopes[2] by built-in", "spec.consumers[0].scopes[0] by built-in"}, nil},
		"one that limits no scopes leaves the built-in": {
			[]Policy{{Name: "zones", AllowedZones: []string{"eu1.make.com"}}},
			[]string{"spec.scopes[2] by built-in", "spec.consumers[0].scopes[0] by built-in"},
			nil,
		},
		"one that does not deny leaves the built-in": {
			[]Policy{{Name: "watch", MaxRisk: Low, Enforcement: Audit}},
			[]string{"spec.scopes[2] by built-in", "spec.consumers[0].scopes[0] by built-in"},
			[]string{"spec.scopes[1] by watch", "spec.scopes[2] by watch", "spec.scopes[3] by watch", "spec.consumers[0].scopes[0] by watch"},
		},
		"one that denies takes the place of the built-in": {[]Policy{{Name: "trusting", MaxRisk: Critical}}, nil, nil},
		"each must allow": {
			[]Policy{{Name: "b", MaxRisk: High}, {Name: "a", AllowedScopes: []string{"scenarios:run", "user:write"}}},
			[]string{"spec.scopes[0] by a", "spec.scopes[2] by a", "spec.scopes[3] by b", "spec.consumers[0].scopes[0] by b"},
			nil,
		},
		"one for a consumer judges that one only, and the built-in the rest": {
			[]Policy{{Name: "bot", Holders: []string{ServiceAccount("bot")}, MaxRisk: Low}, {Name: "other", Holders: []string{ServiceAccount("other")}, MaxRisk: Low}},
			[]string{"spec.scopes[2] by built-in", "spec.consumers[0].scopes[0] by bot"},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			verdict := JudgeConnection(broad, Rules{Policies: tt.policies, Now: noon})
			if diff := cmp.Diff(tt.denied, fields(verdict.Violations)); diff != "" {
				t.Errorf("denied (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.audited, fields(verdict.Audited)); diff != "" {
				t.Errorf("audited (-want +got):\n%s", diff)
			}
			reversed := slices.Clone(tt.policies)
			slices.Reverse(reversed)
			if diff := cmp.Diff(verdict, JudgeConnection(broad, Rules{Policies: reversed, Now: noon})); diff != "" {
				t.Errorf("the order of policies matters (-given +reversed):\n%s", diff)
			}
		})
	}
}

func TestExceptions(t *testing.T) {
	end := noon.Add(time.Hour)
	lift := Exception{Namespace: "sales", Connection: "crm", Scopes: []string{"scenarios:run"}, Expires: end}
	conn := Connection{Namespace: "sales", Name: "crm", Scopes: []string{"scenarios:read", "scenarios:run"}, Consumers: []Consumer{{Name: "bot"}}}
	judged := func(c Connection, e Exception, now time.Time) Verdict {
		return JudgeConnection(c, Rules{Policies: []Policy{{Name: "p", MaxRisk: Moderate, Exceptions: []Exception{e}}}, Now: now})
	}
	if v := judged(conn, lift, end.Add(-time.Nanosecond)); !v.Allowed() || !v.Until.Equal(end) {
		t.Errorf("before its end: %v until %v", v.Violations, v.Until)
	}
	v := judged(conn, lift, end)
	want := []string{"spec.scopes[1]: scope scenarios:run is refused (risk High, policy p): the exception for it has ended; it runs scenarios, with every effect that they have on other systems; ask for scenarios:read if that is enough, or have the policy changed"}
	if diff := cmp.Diff(want, sentences(v.Violations)); diff != "" || !v.Until.IsZero() {
		t.Errorf("at its end, until %v (-want +got):\n%s", v.Until, diff)
	}
	for name, change := range map[string]func(*Exception){
		"another namespace":  func(e *Exception) { e.Namespace = "hr" },
		"another connection": func(e *Exception) { e.Connection = "erp" },
		"another scope":      func(e *Exception) { e.Scopes = []string{"hooks:read"} },
	} {
		e := lift
		change(&e)
		if v := judged(conn, e, noon); v.Allowed() || !v.Until.IsZero() {
			t.Errorf("%s: allowed until %v", name, v.Until)
		}
	}
	everywhere := lift
	everywhere.Connection = ""
	if v := judged(conn, everywhere, noon); !v.Allowed() {
		t.Errorf("an exception of the whole namespace: %v", v.Violations)
	}
	harmless := conn
	harmless.Scopes = []string{"scenarios:read"}
	if v := judged(harmless, lift, noon); !v.Until.IsZero() {
		t.Errorf("an exception that nobody needs is waited for until %v", v.Until)
	}
}

func TestOtherLimits(t *testing.T) {
	p := Policy{Name: "p", AllowedZones: []string{"eu1.make.com", "*.make.celonis.com"}, MaxRotation: time.Hour, LeastPrivilege: true}
	conn := func(change func(*Connection)) Connection {
		c := Connection{Namespace: "sales", Name: "crm", Zone: "eu1.make.com", RotateEvery: time.Hour, Scopes: []string{"teams:read"}}
		change(&c)
		return c
	}
	two := []Consumer{{Name: "a"}, {Name: "b"}}
	for name, tt := range map[string]struct {
		change func(*Connection)
		lift   Exception
		want   []string
	}{
		"sound":          {change: func(*Connection) {}},
		"domain":         {change: func(c *Connection) { c.Zone = "eu1.make.celonis.com" }},
		"other zone":     {change: func(c *Connection) { c.Zone = "us1.make.com" }, want: []string{"spec.zone by p"}},
		"domain itself":  {change: func(c *Connection) { c.Zone = "make.celonis.com" }, want: []string{"spec.zone by p"}},
		"lookalike":      {change: func(c *Connection) { c.Zone = "evilmake.celonis.com" }, want: []string{"spec.zone by p"}},
		"lifted zone":    {change: func(c *Connection) { c.Zone = "us1.make.com" }, lift: Exception{Zones: []string{"*.make.com"}}},
		"too seldom":     {change: func(c *Connection) { c.RotateEvery += time.Second }, want: []string{"spec.rotation.everySeconds by p"}},
		"lifted seldom":  {change: func(c *Connection) { c.RotateEvery += time.Second }, lift: Exception{Rotation: true}},
		"OAuth, shared":  {change: func(c *Connection) { c.OAuth, c.RotateEvery, c.Consumers = true, 0, two }, want: []string{"spec.auth.oauth by p"}},
		"OAuth, lifted":  {change: func(c *Connection) { c.OAuth, c.RotateEvery, c.Consumers = true, 0, two }, lift: Exception{LeastPrivilege: true}},
		"OAuth, one":     {change: func(c *Connection) { c.OAuth, c.RotateEvery, c.Consumers = true, 0, two[:1] }},
		"token, several": {change: func(c *Connection) { c.Consumers = two }},
	} {
		t.Run(name, func(t *testing.T) {
			tt.lift.Namespace, tt.lift.Expires = "sales", noon.Add(time.Second)
			p := p
			p.Exceptions = []Exception{tt.lift}
			verdict := JudgeConnection(conn(tt.change), Rules{Policies: []Policy{p}, Now: noon})
			if diff := cmp.Diff(tt.want, fields(verdict.Violations)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestTogether judges scopes that are broad in one token.
func TestTogether(t *testing.T) {
	both := []string{"scenarios:run", "scenarios:write"}
	one := Connection{Namespace: "sales", Name: "crm", Scopes: both, Consumers: []Consumer{{Name: "bot"}}}
	split := Connection{Namespace: "sales", Name: "crm", Scopes: both, Consumers: []Consumer{{Name: "a", Scopes: both[:1]}, {Name: "b", Scopes: both[1:]}}}
	high := Rules{Policies: []Policy{{Name: "p", MaxRisk: High}}, Now: noon}
	want := []string{"spec.consumers[0].scopes: scope scenarios:write with scenarios:run is refused (risk Critical, policy p): together they build a scenario that does anything with the team's stored connections, and run it at once; give them to different consumers, or have the policy changed"}
	if diff := cmp.Diff(want, sentences(JudgeConnection(one, high).Violations)); diff != "" {
		t.Errorf("one token (-want +got):\n%s", diff)
	}
	if v := JudgeConnection(split, high); !v.Allowed() {
		t.Errorf("two tokens: %v", v.Violations)
	}
	split.OAuth = true
	if v := JudgeConnection(split, high); v.Allowed() {
		t.Error("one OAuth grant holds both, and is allowed")
	}
	if v := JudgeConnection(one, Rules{Policies: []Policy{{Name: "p", AllowedScopes: both}}}); !v.Allowed() || len(v.Warnings) > 0 {
		t.Errorf("both are listed by name: %+v", v)
	}
	if v := JudgeConnection(one, Rules{}); !v.Allowed() || len(v.Warnings) != 1 {
		t.Errorf("the built-in policy warns: %+v", v)
	}
	high.Policies[0].Exceptions = []Exception{{Namespace: "sales", Scopes: both[:1], Expires: noon.Add(time.Hour)}}
	if v := JudgeConnection(one, high); !v.Allowed() {
		t.Errorf("one of them is excepted: %v", v.Violations)
	}
	for _, c := range Combinations() {
		if len(c.Scopes) != 2 || c.Risk < c.worst() || c.worst() == 0 || c.Reason == "" {
			t.Errorf("combination %+v: worst alone is %s", c, c.worst())
		}
	}
}

// TestTools says what a server's tools tell of its scopes.
func TestTools(t *testing.T) {
	for name, tt := range map[string]struct {
		tools    Tools
		scopes   []string
		policies []Policy
		narrower []string
		warnings []string
		fix      string
	}{
		"no limits": {scopes: []string{"scenarios:read", "teams:read"}},
		"all used":  {tools: Tools{Include: []string{"scenarios_list", "users_me"}}, scopes: []string{"scenarios:read"}},
		"one too many": {
			tools: Tools{Include: []string{"scenarios_list"}}, scopes: []string{"scenarios:read", "hooks:write"}, narrower: []string{"scenarios:read"},
			warnings: []string{"spec.scopes[1]: scope hooks:write (risk High): no tool in use needs it; remove it"},
		},
		"one too few": {
			tools: Tools{Include: []string{"scenarios_list", "hooks_list"}}, scopes: []string{"scenarios:read"},
			warnings: []string{"spec.tools.include[1]: scope hooks:read (risk High): tool hooks_list needs it, and it is not among spec.scopes; add it there, or leave the tool out"},
		},
		"excluded": {
			tools: Tools{Include: []string{"scenarios_list", "hooks_list"}, Exclude: []string{"hooks_list"}}, scopes: []string{"scenarios:read", "hooks:read"},
			narrower: []string{"scenarios:read"},
			warnings: []string{"spec.scopes[1]: scope hooks:read (risk High): no tool in use needs it; remove it"},
		},
		"a scenario's own tool":    {tools: Tools{Include: []string{"scenario_12_invoice"}}, scopes: []string{"scenarios:read", "scenarios:run"}},
		"a tool that is not known": {tools: Tools{Include: []string{"scenarios_list", "brand-new_list"}}, scopes: []string{"scenarios:read", "hooks:read"}},
		"read only": {
			tools: Tools{ReadOnly: true}, scopes: []string{"scenarios:read", "scenarios:run"}, narrower: []string{"scenarios:read"},
			warnings: []string{"spec.scopes[1]: scope scenarios:run (risk High): no tool in use needs it; remove it"},
		},
		"refused, and not needed": {
			tools: Tools{Include: []string{"scenarios_list"}}, scopes: []string{"hooks:write", "scenarios:read"}, policies: []Policy{{Name: "p", MaxRisk: Moderate}},
			narrower: []string{"scenarios:read"}, fix: "remove it, no tool in use needs it",
			warnings: []string{"spec.scopes[0]: scope hooks:write (risk High): no tool in use needs it; remove it"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			verdict := JudgeServer(Server{Namespace: "sales", Name: "s", Scopes: tt.scopes, Tools: tt.tools}, Rules{Policies: tt.policies, Now: noon})
			if diff := cmp.Diff(tt.narrower, verdict.Narrower); diff != "" {
				t.Errorf("narrower (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.warnings, sentences(verdict.Warnings)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
			if tt.fix != "" && (len(verdict.Violations) != 1 || verdict.Violations[0].Fix != tt.fix) {
				t.Errorf("violations %v, want the fix %q", verdict.Violations, tt.fix)
			}
		})
	}
	for tool, name := range toolScopes() {
		if name != "" && !exists(name) {
			t.Errorf("tool %s needs %s, which is not in the catalogue", tool, name)
		}
	}
}

func TestGrantedAndSharing(t *testing.T) {
	conn := Connection{Namespace: "sales", Name: "crm"}
	if v := JudgeGranted(conn, ServiceAccount("a"), []string{"scenarios:read", "future thing"}, Rules{}); !v.Allowed() {
		t.Errorf("harmless: %v", v.Violations)
	}
	if v := JudgeGranted(conn, ServiceAccount("a"), []string{"user:write"}, Rules{}); v.Allowed() {
		t.Error("a consumer may hold user:write")
	}
	if v := JudgeGranted(conn, "", []string{"user:write"}, Rules{}); !v.Allowed() {
		t.Errorf("the connection itself: %v", v.Violations)
	}
	demanding := Rules{Policies: []Policy{{Name: "p", LeastPrivilege: true, Revoke: true}, {Name: "q", LeastPrivilege: true}}, Now: noon}
	v := JudgeSharing(conn, demanding)
	if diff := cmp.Diff([]string{"spec.auth by p"}, fields(v.Violations)); diff != "" || !v.Revoke {
		t.Errorf("revoke %v (-want +got):\n%s", v.Revoke, diff)
	}
	if v := JudgeSharing(conn, Rules{}); !v.Allowed() {
		t.Errorf("nobody demands it: %v", v.Violations)
	}
}

func BenchmarkJudgeWithPolicies(b *testing.B) {
	c := Connection{
		Namespace: "sales", Name: "crm", Zone: "eu1.make.com", RotateEvery: time.Hour,
		Scopes: []string{"scenarios:read", "scenarios:run", "datastores:read", "teams:read"},
	}
	for range 10 {
		c.Consumers = append(c.Consumers, Consumer{Name: "c", Scopes: []string{"scenarios:read", "teams:read"}})
	}
	rules := Rules{Now: noon}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
		rules.Policies = append(rules.Policies, Policy{
			Name: name, MaxRisk: High, AllowedZones: []string{"*.make.com"}, MaxRotation: time.Hour,
			Exceptions: []Exception{{Namespace: "sales", Scopes: []string{"keys:write"}, Expires: noon.Add(time.Hour)}},
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		if !JudgeConnection(c, rules).Allowed() {
			b.Fatal("refused")
		}
	}
}
