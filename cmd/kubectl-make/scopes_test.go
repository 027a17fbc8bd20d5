package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/makeops/make-operator/internal/scope"
)

// command runs kubectl make with arguments, without a cluster.
func command(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := newCommand(genericiooptions.IOStreams{Out: &out, ErrOut: &out})
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.Execute()
	return out.String(), err
}

func TestScopes(t *testing.T) {
	out, err := command("scopes")
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range scope.All() {
		if !strings.Contains(out, info.Name) || !strings.Contains(out, info.Reason) {
			t.Errorf("%s is missing", info.Name)
		}
	}
	for args, want := range map[string]string{
		"scenarios: -o name":                         "scenarios:read scenarios:run scenarios:write",
		"scenarios: --max-risk Moderate -o name":     "scenarios:read",
		"SCENARIOS: runs --risk High -o name":        "scenarios:run",
		"--kind oidc -o name":                        "email offline_access openid profile",
		"--risk Critical --kind admin write -o name": "admin:write apps:write system:write",
	} {
		got, err := command(append([]string{"scopes"}, strings.Fields(args)...)...)
		if err != nil || strings.Join(strings.Fields(got), " ") != want {
			t.Errorf("%s: %q, want %q (%v)", args, got, want, err)
		}
	}
	out, err = command("scopes", "teams:read", "-o", "json")
	var found []scope.Info
	if err != nil || json.Unmarshal([]byte(out), &found) != nil || len(found) != 1 || found[0].Risk != scope.Low {
		t.Errorf("%v:\n%s", err, out)
	}
	for args, says := range map[string]string{
		"no-such-thing": "without arguments", "--risk low": "--risk", "--max-risk x": "--max-risk", "--kind x": "user, admin or oidc", "-o yaml": "json or name",
	} {
		if _, err := command(append([]string{"scopes"}, strings.Fields(args)...)...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", args, err, says)
		}
	}
}

// A connection is named as NAMESPACE/NAME, or by its name in the namespace of the flags.
func TestKeyFrom(t *testing.T) {
	for name, test := range map[string]struct{ namespace, arg, want string }{
		"both":           {"", "sales/crm", "sales/crm"},
		"name":           {"", "crm", "default/crm"},
		"name and flag":  {"sales", "crm", "sales/crm"},
		"both and flag":  {"sales", "sales/crm", "sales/crm"},
		"another flag":   {"hr", "sales/crm", ""},
		"no name":        {"", "sales/", ""},
		"no namespace":   {"", "/crm", ""},
		"three of them":  {"", "a/b/c", ""},
		"nothing at all": {"", "", ""},
	} {
		flags := genericclioptions.NewConfigFlags(false)
		flags.KubeConfig = new("/dev/null")
		flags.Namespace = &test.namespace
		got, err := keyFrom(flags, test.arg)
		if (err != nil) != (test.want == "") || err == nil && got.String() != test.want {
			t.Errorf("%s: %s (%v), want %q", name, got, err, test.want)
		}
	}
}
