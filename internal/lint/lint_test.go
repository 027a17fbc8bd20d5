package lint_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/lint"
)

const connection = `# a comment
apiVersion: makeops.dev/v1alpha1
kind: MakeConnection
metadata: {name: crm, namespace: sales}
spec:
  zone: eu1.make.com
  organizationID: 42
  auth: {apiToken: {secretRef: {name: make-root, key: token}}}
  scopes:
  - scenarios:read
  - SCOPE
`

const mcpServer = `
---
apiVersion: makeops.dev/v1alpha1
kind: MakeMCPServer
metadata: {name: tools, namespace: sales}
spec:
  connectionRef: {name: crm}
  scopes: [scenarios:read, hooks:read]
  access: {rules: [{serviceAccounts: [{name: agent}], scopes: [scenarios:read]}]}
`

const policy = `
apiVersion: makeops.dev/v1alpha1
kind: MakeScopePolicy
metadata: {name: ceiling}
spec:
  namespaceSelector: {matchLabels: {team: sales}}
  maxRisk: Moderate
  exceptions: [{namespace: sales, scopes: [hooks:read], reason: pilot, expiresAt: "2030-01-01T12:00:00Z"}]
`

const namespace = `
apiVersion: v1
kind: Namespace
metadata: {name: sales, labels: {team: TEAM}}
`

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// found lints files, given as name and text in turn, and prints the findings.
func found(t *testing.T, now time.Time, files ...string) []string {
	t.Helper()
	l := &lint.Linter{Now: now, Namespace: "default", AllowsZone: func(zone string) bool { return strings.HasSuffix(zone, ".make.com") }}
	for i := 0; i < len(files); i += 2 {
		if err := l.Read(files[i], strings.NewReader(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := lint.Plain(&out, l.Findings(), l.Objects()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	return lines[:len(lines)-1] // the last one is the sum
}

func with(text, word, value string) string { return strings.ReplaceAll(text, word, value) }

func TestFindings(t *testing.T) {
	good := with(connection, "SCOPE", "teams:read")
	const run = "it runs scenarios, with every effect that they have on other systems; ask for scenarios:read if that is enough, or have the policy changed"
	for name, tt := range map[string]struct {
		now   time.Time
		files []string
		want  []string
	}{
		"good":        {files: []string{"a.yaml", good}},
		"other kinds": {files: []string{"a.yaml", "kind: Deployment\napiVersion: apps/v1\n---\n---\njust text\n"}},
		"malformed scope": {files: []string{"a.yaml", with(connection, "SCOPE", "users:read")}, want: []string{
			"a.yaml:11: error: MakeConnection sales/crm: spec.scopes[1]: scope users:read is refused (risk High): it is not how Make spells it; did you mean user:read?",
		}},
		"built-in policy": {files: []string{"a.yaml", with(connection, "SCOPE", "system:read")}, want: []string{
			"a.yaml:11: error: MakeConnection sales/crm: spec.scopes[1]: scope system:read is refused (risk Critical, policy built-in): it reads the settings of the whole Make installation; remove it",
		}},
		"unknown field": {files: []string{"a.yaml", with(good, "organizationID", "organisation")}, want: []string{
			`a.yaml:2: error: MakeConnection sales/crm: while decoding JSON: json: unknown field "organisation"`,
		}},
		"zone": {files: []string{"a.yaml", with(good, "eu1.make.com", "make.example")}, want: []string{
			"a.yaml:6: error: MakeConnection sales/crm: spec.zone: make.example is no host of Make; correct it, or name it in --allowed-zones as the operator's flag does",
		}},
		"beyond the connection": {files: []string{"a.yaml", good + mcpServer}, want: []string{
			"a.yaml:19: error: MakeMCPServer sales/tools: spec.scopes[1]: scope hooks:read is refused (risk High): it is not among the connection's scopes; remove it here, or add it to the connection's spec.scopes",
		}},
		"a policy of another file": {files: []string{"a.yaml", with(connection, "SCOPE", "scenarios:run"), "p.yaml", policy, "n.yaml", with(namespace, "TEAM", "sales")}, want: []string{
			"a.yaml:11: error: MakeConnection sales/crm: spec.scopes[1]: scope scenarios:run is refused (risk High, policy ceiling): " + run,
		}},
		"a policy for others": {files: []string{"a.yaml", with(connection, "SCOPE", "scenarios:run"), "p.yaml", policy, "n.yaml", with(namespace, "TEAM", "hr")}},
		"a namespace that is not there": {files: []string{"a.yaml", with(connection, "SCOPE", "scenarios:run"), "p.yaml", policy}, want: []string{
			"a.yaml:4: note: MakeConnection sales/crm: metadata.namespace: Namespace sales is not among the files, so MakeScopePolicy ceiling is taken to govern it; add the Namespace to be exact",
			"a.yaml:11: error: MakeConnection sales/crm: spec.scopes[1]: scope scenarios:run is refused (risk High, policy ceiling): " + run,
		}},
		"an exception": {files: []string{"a.yaml", with(connection, "SCOPE", "hooks:read"), "p.yaml", policy, "n.yaml", with(namespace, "TEAM", "sales")}},
		"an exception that has ended": {now: noon, files: []string{"a.yaml", with(connection, "SCOPE", "hooks:read"), "p.yaml", policy, "n.yaml", with(namespace, "TEAM", "sales")}, want: []string{
			"a.yaml:11: error: MakeConnection sales/crm: spec.scopes[1]: scope hooks:read is refused (risk High, policy ceiling): the exception for it has ended; it reads webhook addresses, which are all a stranger needs to start a scenario, and what came in on them; choose scopes of risk Moderate at most, or have the policy changed",
			"p.yaml:8: warning: MakeScopePolicy ceiling: spec.exceptions[0]: it has expired and counts no more; remove it",
		}},
		"a policy with a mistake": {files: []string{"p.yaml", with(policy, "maxRisk: Moderate", "allowedScopes: [teams:read, data-stores:read]")}, want: []string{
			"p.yaml:7: error: MakeScopePolicy ceiling: spec.allowedScopes[1]: scope data-stores:read: it is not how Make spells it; did you mean datastores:read?",
		}},
		"a list": {files: []string{"a.yaml", "apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(strings.TrimPrefix(with(connection, "SCOPE", "admin:read"), "# a comment\n"), "\n", "\n  ")}, want: []string{
			"a.yaml:13: error: MakeConnection sales/crm: spec.scopes[1]: scope admin:read is refused (risk Critical, policy built-in): it reads every organization and user of a white-label or on-premise Make installation; remove it",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			now := noon.Add(-time.Second)
			if !tt.now.IsZero() {
				now = tt.now
			}
			got := found(t, now, tt.files...)
			if len(got) == 0 {
				got = nil
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWarnAndAudit(t *testing.T) {
	for enforcement, level := range map[string]string{"Warn": ": warning: ", "Audit": ": note: "} {
		softer := with(policy, "maxRisk: Moderate", "maxRisk: Moderate\n  enforcement: "+enforcement)
		got := found(t, noon.Add(-time.Second), "a.yaml", with(connection, "SCOPE", "scenarios:run"), "p.yaml", softer, "n.yaml", with(namespace, "TEAM", "sales"))
		if len(got) != 1 || !strings.Contains(got[0], level) || !strings.Contains(got[0], "it would be refused if the policy denied") {
			t.Errorf("%s: %q", enforcement, got)
		}
	}
}

func TestNoYAML(t *testing.T) {
	l := &lint.Linter{}
	err := l.Read("chart.yaml", strings.NewReader("{{- if .Values.a }}\na: b\n{{- end }}\n"))
	if err == nil || !strings.Contains(err.Error(), "chart.yaml") {
		t.Errorf("got %v, want an error that names the file", err)
	}
}

func TestSARIF(t *testing.T) {
	l := &lint.Linter{Now: noon, AllowsZone: func(string) bool { return true }}
	if err := l.Read("deploy/a.yaml", strings.NewReader(with(connection, "SCOPE", "admin:read"))); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := lint.SARIF(&out, l.Findings(), "1.2.3"); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Version string
					Rules   []struct{ ID string }
				}
			}
			Results []struct {
				RuleID, Level string
				Message       struct{ Text string }
				Locations     []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != "2.1.0" || len(got.Runs) != 1 || len(got.Runs[0].Results) != 1 || got.Runs[0].Tool.Driver.Version != "1.2.3" {
		t.Fatalf("got %+v", got)
	}
	r := got.Runs[0].Results[0]
	at := r.Locations[0].PhysicalLocation
	if r.RuleID != "refused" || r.Level != "error" || !strings.HasPrefix(r.Message.Text, "MakeConnection sales/crm: spec.scopes[1]") ||
		at.ArtifactLocation.URI != "deploy/a.yaml" || at.Region.StartLine != 11 {
		t.Errorf("got %+v", r)
	}
	known := false
	for _, rule := range got.Runs[0].Tool.Driver.Rules {
		known = known || rule.ID == r.RuleID
	}
	if !known {
		t.Errorf("rule %s is not described", r.RuleID)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(with(connection, "SCOPE", "admin:*") + mcpServer + "---" + policy + "---" + namespace)
	f.Add("a: &a [*a]")
	f.Add("apiVersion: v1\nkind: List\nitems: {a: b}")
	f.Fuzz(func(t *testing.T, text string) {
		l := &lint.Linter{Now: noon, AllowsZone: func(string) bool { return true }}
		if l.Read("a.yaml", strings.NewReader(text)) == nil {
			for _, finding := range l.Findings() {
				if finding.Line < 1 || finding.Message == "" {
					t.Errorf("%+v", finding)
				}
			}
		}
	})
}
