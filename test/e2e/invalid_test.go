package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/testkit/stack"
)

// TestInvalidSamples applies each file of config/samples/invalid. Its first lines say what happens.
func TestInvalidSamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "config/samples/invalid/*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			says := comment(t, content, "says")
			objects, err := stack.Decode(bytes.NewReader(content))
			if err != nil {
				t.Fatal(err)
			}
			subject := objects[len(objects)-1]
			for _, o := range objects {
				shared.Localize(o)
				t.Cleanup(func() { _ = shared.Client.Delete(t.Context(), o) })
			}
			for _, o := range objects[:len(objects)-1] {
				if err := shared.Apply(t.Context(), o); err != nil {
					t.Fatal(err)
				}
			}
			err = shared.Apply(t.Context(), subject)
			if !bytes.Contains(content, []byte("# stalled:")) {
				comment(t, content, "refused")
				if err == nil || !strings.Contains(err.Error(), says) {
					t.Errorf("apply: %v\nwant a refusal that says %q", err, says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			expectStalled(t, subject, comment(t, content, "stalled"), says)
		})
	}
}

// expectStalled waits until CONDITION=REASON, and looks for the same in Stalled.
func expectStalled(t *testing.T, o *unstructured.Unstructured, where, says string) {
	t.Helper()
	condition, reason, _ := strings.Cut(where, "=")
	key := object{o.GetKind(), o.GetNamespace(), o.GetName()}
	if err := awaitCondition(t.Context(), shared, key, condition, reason); err != nil {
		t.Fatal(err)
	}
	obj, err := read(t.Context(), shared, key)
	if err != nil {
		t.Fatal(err)
	}
	stalled := meta.FindStatusCondition(obj.BaseStatus().Conditions, v1alpha1.Stalled)
	if stalled == nil || stalled.Reason != reason || !strings.Contains(stalled.Message, says) {
		t.Errorf("Stalled is %+v, want reason %s and a message that says %q", stalled, reason, says)
	}
}

// comment is the value of a line "# NAME: VALUE".
func comment(t *testing.T, content []byte, name string) string {
	t.Helper()
	for line := range strings.Lines(string(content)) {
		if value, ok := strings.CutPrefix(line, "# "+name+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("there is no line %q", "# "+name+": …")
	return ""
}
