package makesim_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makesim"
)

func TestClockControl(t *testing.T) {
	s := start(t)
	before := s.Now()
	a := s.send("POST", "/_sim/clock", "", `{"advanceSeconds":90.5}`)
	if a.status != 200 || a.json["offsetSeconds"] != 90.5 || s.Now().Sub(before) != 90500*time.Millisecond {
		t.Errorf("advance: %d %s", a.status, a.text)
	}
	if a := s.get("/_sim/clock", ""); a.json["now"] != s.Now().Format(time.RFC3339Nano) {
		t.Errorf("clock: %s", a.text)
	}
	if len(s.Ledger()) != 0 {
		t.Error("control requests are in the ledger")
	}
}

func TestKnobsControl(t *testing.T) {
	s := start(t)
	a := s.send("PATCH", "/_sim/knobs", "", `{"refreshClass":"E","faults":[{"kind":"status","status":503,"count":2,"pathPrefix":"/api/"}]}`)
	if a.status != 200 {
		t.Fatalf("patch: %d %s", a.status, a.text)
	}
	s.send("PATCH", "/_sim/knobs", "", `{"accessTokenSeconds":60}`)
	want := makesim.DefaultKnobs()
	want.RefreshClass, want.AccessTokenSeconds = makesim.ClassFamily, 60
	want.Faults = []makesim.Fault{{Kind: makesim.FaultStatus, Status: 503, Count: 2, PathPrefix: "/api/"}}
	if diff := cmp.Diff(want, s.Knobs()); diff != "" {
		t.Error(diff)
	}
	s.get("/api/v2/ping", "")
	faults, _ := s.get("/_sim/knobs", "").json["faults"].([]any)
	if len(faults) != 1 || faults[0].(map[string]any)["count"] != 1.0 {
		t.Errorf("what is left: %v", faults)
	}
	// A fault replaced by another keeps nothing of it.
	s.send("PATCH", "/_sim/knobs", "", `{"faults":[{"kind":"resetBefore","count":1}]}`)
	if diff := cmp.Diff([]makesim.Fault{{Kind: makesim.FaultResetBefore, Count: 1}}, s.Knobs().Faults); diff != "" {
		t.Error(diff)
	}
	s.send("PUT", "/_sim/knobs", "", `{"rateLimitJSON":true}`)
	want = makesim.DefaultKnobs()
	want.RateLimitJSON = true
	if diff := cmp.Diff(want, s.Knobs()); diff != "" {
		t.Error(diff)
	}
}

func TestControlErrors(t *testing.T) {
	s := start(t)
	for name, test := range map[string]struct {
		method, path, body string
		status             int
		says               string
	}{
		"unknown knob":        {"PATCH", "/_sim/knobs", `{"refreshClas":"E"}`, 400, `unknown knob "refreshClas"`},
		"unknown fault knob":  {"PATCH", "/_sim/knobs", `{"faults":[{"kind":"status","stat":1}]}`, 400, `unknown knob "stat"`},
		"unknown class":       {"PATCH", "/_sim/knobs", `{"refreshClass":"AB"}`, 400, `refreshClass: "AB" is none of`},
		"no life":             {"PATCH", "/_sim/knobs", `{"accessTokenSeconds":0}`, 400, "accessTokenSeconds: 0 is less than 1"},
		"wrong status":        {"PUT", "/_sim/knobs", `{"missingScopeStatus":404}`, 400, "missingScopeStatus: 404"},
		"wrong kind":          {"PUT", "/_sim/knobs", `{"faults":[{"kind":"melt","count":1}]}`, 400, `faults[0].kind: "melt"`},
		"no count":            {"PUT", "/_sim/knobs", `{"faults":[{"kind":"resetAfter"}]}`, 400, "faults[0].count"},
		"fault without one":   {"PUT", "/_sim/knobs", `{"faults":[{"kind":"status","count":1}]}`, 400, "faults[0].status"},
		"reset with a status": {"PUT", "/_sim/knobs", `{"faults":[{"kind":"resetAfter","count":1,"status":500}]}`, 400, "takes neither"},
		"not JSON":            {"PUT", "/_sim/knobs", `{`, 400, "unexpected EOF"},
		"two values":          {"PUT", "/_sim/knobs", `{} {}`, 400, "more than one"},
		"clock without value": {"POST", "/_sim/clock", `{}`, 400, "advanceSeconds is missing"},
		"ledger after what":   {"GET", "/_sim/ledger?after=x", "", 400, "after is not a number"},
		"unknown token":       {"GET", "/_sim/tokens/00000000", "", 404, "no token"},
		"unknown endpoint":    {"GET", "/_sim/nothing", "", 404, "no control endpoint"},
		"unknown method":      {"PUT", "/_sim/clock", "", 404, "no control endpoint"},
		"ill-typed knob":      {"PATCH", "/_sim/knobs", `{"accessTokenSeconds":"60"}`, 400, "accessTokenSeconds: a JSON string does not fit"},
		"ill-typed in faults": {"PATCH", "/_sim/knobs", `{"faults":[{"kind":"hang","count":"1"}]}`, 400, "faults.count: a JSON string does not fit"},
		"unknown choice":      {"PATCH", "/_sim/knobs", `{"latencyDistribution":"normal"}`, 400, `latencyDistribution: "normal" is none of fixed, uniform, exponential`},
		"unknown part":        {"PATCH", "/_sim/knobs", `{"down":["moon"]}`, 400, `down[0]: "moon" is none of zone, authorization, hooks, mcp`},
		"unknown TLS fault":   {"PATCH", "/_sim/knobs", `{"tlsFault":"x","tlsFaultCount":1}`, 400, `tlsFault: "x" is none of handshakeClosed`},
		"TLS without a count": {"PATCH", "/_sim/knobs", `{"tlsFault":"oldVersion"}`, 400, "tlsFaultCount"},
		"webhook status":      {"PATCH", "/_sim/knobs", `{"webhookKeyStatus":200}`, 400, "webhookKeyStatus: 200 is less than 400"},
		"delay of nothing":    {"PUT", "/_sim/knobs", `{"faults":[{"kind":"delay","count":1}]}`, 400, "faults[0].delayMilliseconds"},
		"no such percent":     {"PUT", "/_sim/knobs", `{"faults":[{"kind":"hang","count":1,"percent":101}]}`, 400, "faults[0].percent"},
		"unknown credential":  {"PATCH", "/_sim/knobs?credential=00000000", `{}`, 404, "no token has this fingerprint"},
		"global only":         {"PATCH", "/_sim/knobs?credential=makesim-public", `{"down":[]}`, 400, "down: cannot be set for one credential"},
		"unknown for one":     {"PUT", "/_sim/knobs?credential=makesim-public", `{"refreshClas":"E"}`, 400, `unknown knob "refreshClas"`},
		"ill-typed for one":   {"PUT", "/_sim/knobs?credential=makesim-public", `{"codeSeconds":true}`, 400, "codeSeconds: a JSON bool does not fit"},
		"clock twice":         {"POST", "/_sim/clock", `{"advanceSeconds":1,"offsetSeconds":1}`, 400, "exclude each other"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.send(test.method, test.path, "", test.body)
			if a.status != test.status || !strings.Contains(a.text, test.says) || strings.Count(a.text, "\n") != 1 {
				t.Errorf("got %d %q", a.status, a.text)
			}
		})
	}
	if diff := cmp.Diff(makesim.DefaultKnobs(), s.Knobs()); diff != "" {
		t.Errorf("a refused change changed something: %s", diff)
	}
	if err := s.SetKnobs(makesim.Knobs{}); err == nil {
		t.Error("SetKnobs took zero knobs")
	}
}

func TestTokenControl(t *testing.T) {
	s := start(t)
	access, refresh := s.tokens("user:read")
	path := "/_sim/tokens/" + makesim.Fingerprint(refresh)
	a := s.get(path, "")
	if a.json["alive"] != true || a.json["kind"] != "refreshToken" || a.json["generation"] != 1.0 || a.json["clientID"] != makesim.OAuthClientID {
		t.Errorf("alive: %s", a.text)
	}
	if a := s.send("DELETE", path, "", ""); a.json["state"] != "revoked" || s.TokenAlive(access) || s.TokenAlive(refresh) {
		t.Errorf("killed: %s", a.text)
	}
	if !s.RevokeToken(makesim.RootToken) || s.TokenAlive(makesim.RootToken) || s.RevokeToken("never issued") {
		t.Error("RevokeToken")
	}
	if a := s.get("/_sim/tokens", ""); strings.Contains(a.text, refresh) || len(column(a, "tokens", "fingerprint")) != 6 {
		t.Errorf("list: %s", a.text)
	}
}
