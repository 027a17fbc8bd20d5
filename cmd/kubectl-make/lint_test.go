package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// TestLint runs the command as CI does.
func TestLint(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	object := func(scope string) string {
		return "apiVersion: makeops.dev/v1alpha1\nkind: MakeConnection\nmetadata: {name: crm}\nspec:\n  zone: eu1.make.com\n" +
			"  organizationID: 42\n  auth: {oauth: {clientRef: {name: c}}}\n  scopes: [" + scope + "]\n"
	}
	good, bad, odd := write("good.yaml", object("scenarios:read")), write("bad/c.yml", object("admin:read")), write("odd.yaml", object("future:use"))
	broken := write("chart/templates.yaml", "{{- if .Values.a }}\na: b\n{{- end }}\n")
	write("bad/notes.txt", "a: {{ not read }}")
	policy := write("policy.yaml", "apiVersion: makeops.dev/v1alpha1\nkind: MakeScopePolicy\nmetadata: {name: low}\nspec: {maxRisk: Low}\n")
	for name, tt := range map[string]struct {
		args []string
		in   string
		code int
		says string
	}{
		"good":           {args: []string{good}, says: "1 objects: 0 errors, 0 warnings"},
		"bad, by folder": {args: []string{good, filepath.Dir(bad)}, code: 1, says: "c.yml:8: error: MakeConnection default/crm: spec.scopes[0]"},
		"namespace":      {args: []string{bad, "--namespace=sales"}, code: 1, says: "MakeConnection sales/crm"},
		"standard input": {args: []string{"-"}, in: object("admin:read"), code: 1, says: "stdin:8: error"},
		"a policy":       {args: []string{good, "--policy=" + policy}, code: 1, says: "policy low"},
		"warnings pass":  {args: []string{odd}, says: ": warning: "},
		"warnings fail":  {args: []string{odd, "--fail-on=warning"}, code: 1, says: ": warning: "},
		"SARIF":          {args: []string{bad, "-o", "sarif"}, code: 1, says: `"ruleId": "refused"`},
		"no YAML":        {args: []string{broken}, code: 2, says: "templates.yaml"},
		"no file":        {args: []string{filepath.Join(dir, "none.yaml")}, code: 2, says: "none.yaml"},
		"unknown output": {args: []string{good, "-o", "xml"}, code: 2, says: "neither plain nor sarif"},
		"unknown level":  {args: []string{good, "--fail-on=info"}, code: 2, says: "none of error, warning, note"},
		"another zone":   {args: []string{good, "--allowed-zones=https://x"}, code: 2, says: "--allowed-zones"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			cmd := newCommand(genericiooptions.IOStreams{In: strings.NewReader(tt.in), Out: &out, ErrOut: &out})
			cmd.SetArgs(append([]string{"lint"}, tt.args...))
			code := 0
			if err := cmd.ExecuteContext(t.Context()); err != nil {
				code = exitCode(err)
				if !errors.Is(err, errFound) {
					out.WriteString(err.Error())
				}
			}
			if code != tt.code || !strings.Contains(out.String(), tt.says) {
				t.Errorf("exit code %d, want %d, and %q in:\n%s", code, tt.code, tt.says, out.String())
			}
		})
	}
}
