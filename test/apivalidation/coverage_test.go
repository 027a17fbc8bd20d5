package apivalidation

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// TestEveryRuleHasARow fails when a CEL rule is added without a row that breaks it.
func TestEveryRuleHasARow(t *testing.T) {
	var rows strings.Builder
	tests, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range tests {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		rows.Write(text)
	}
	files, err := filepath.Glob(filepath.Join(crds, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	message := regexp.MustCompile(`(?m)^\s*(?:- )?message: (.+(?:\n\s{4,}[^-\s:][^:\n]*$)*)`)
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range message.FindAllStringSubmatch(string(text), -1) {
			found++
			start := strings.Trim(m[1], `'"`)
			if len(start) > 28 {
				start = start[:28]
			}
			if !strings.Contains(rows.String(), start) {
				t.Errorf("%s: no row expects %q", file, start)
			}
		}
	}
	if found == 0 {
		t.Error("no rule was found: has the form of the files changed?")
	}
}

// TestSecondApplyChangesNothing applies the valid objects twice, as a GitOps tool does.
func TestSecondApplyChangesNothing(t *testing.T) {
	for _, text := range []string{connection, mcpServer, scopePolicy} {
		var versions []string
		for range 2 {
			o := parse(t, text)
			err := server.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("gitops"))
			if err != nil {
				t.Fatal(err)
			}
			versions = append(versions, o.GetResourceVersion())
			t.Cleanup(func() { _ = server.Delete(t.Context(), o) })
		}
		if versions[0] != versions[1] || versions[0] == "" {
			t.Errorf("the second apply wrote: resourceVersion %q, then %q", versions[0], versions[1])
		}
	}
}

// TestNoDefaults makes sure that the API server adds nothing to a spec: what a defaulting schema adds, GitOps tools report as drift.
func TestNoDefaults(t *testing.T) {
	o := parse(t, `
apiVersion: makeops.dev/v1alpha1
kind: MakeConnection
metadata: {generateName: plain-, namespace: default}
spec:
  zone: eu1.make.com
  organizationID: 42
  auth: {oauth: {clientRef: {name: client}}}
  scopes: ["scenarios:read"]
`)
	if err := server.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Delete(t.Context(), o) })
	spec := o.Object["spec"].(map[string]any)
	if len(spec) != 4 {
		t.Errorf("the stored spec has %d fields, want the 4 that were given: %v", len(spec), spec)
	}
	typed := &v1alpha1.MakeConnection{}
	if err := server.Get(t.Context(), client.ObjectKeyFromObject(o), typed); err != nil {
		t.Fatal(err)
	}
	if typed.Spec.OnDelete != "" || typed.Spec.Suspend != "" {
		t.Errorf("defaults were filled in: %+v", typed.Spec)
	}
}
