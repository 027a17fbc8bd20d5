package apivalidation

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// row is one mutation of a valid object, and what the API server has to say about it.
type row struct {
	name string
	// set puts values at paths such as "spec.scopes"; a nil value removes the field.
	set map[string]any
	// then is a second mutation, of an object that was accepted; for rules about changes.
	then map[string]any
	// says is a part of the refusal; empty means that it is accepted.
	says string
}

// check applies each row to the base.
func check(t *testing.T, base string, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			o := parse(t, base)
			o.SetGenerateName(o.GetName() + "-")
			o.SetName("")
			apply(t, o, r.set)
			err := server.Create(t.Context(), o)
			if err == nil {
				t.Cleanup(func() { _ = server.Delete(t.Context(), o) })
			}
			if r.then != nil {
				if err != nil {
					t.Fatalf("the object to change was refused: %v", err)
				}
				apply(t, o, r.then)
				err = server.Update(t.Context(), o)
			}
			judge(t, err, r.says)
		})
	}
}

// judge compares a refusal with what it has to say.
func judge(t *testing.T, err error, says string) {
	t.Helper()
	switch {
	case says == "" && err != nil:
		t.Errorf("refused: %v", err)
	case says != "" && err == nil:
		t.Errorf("accepted, want a refusal that says %q", says)
	case says != "" && !strings.Contains(err.Error(), says):
		t.Errorf("refused with %q, want %q in it", err, says)
	}
}

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}

func apply(t *testing.T, o *unstructured.Unstructured, set map[string]any) {
	t.Helper()
	for path, value := range set {
		fields := strings.Split(path, ".")
		if value == nil {
			unstructured.RemoveNestedField(o.Object, fields...)
			continue
		}
		if err := unstructured.SetNestedField(o.Object, value, fields...); err != nil {
			t.Fatalf("set %s: %v", path, err)
		}
	}
}

// many are n different values made from a format-free prefix.
func many(n int, value func(i int) any) []any {
	list := make([]any, 0, n)
	for i := range n {
		list = append(list, value(i))
	}
	return list
}

func long(n int) string { return strings.Repeat("a", n) }
