package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestDemo runs the demo as a user does. It verifies by itself what it shows; here it only has to end well, and to have verified it.
func TestDemo(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "run", "./hack/demo")
	var out bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = "../..", &out, &out
	cmd.Env = append(os.Environ(), "KEEP=", "DEMO_KUBECONFIG=")
	if err := cmd.Run(); err != nil {
		t.Fatalf("make demo: %v\n%s", err, out.String())
	}
	_, summary, found := strings.Cut(out.String(), "\nSummary")
	if !found || strings.Contains(summary, "✗") {
		t.Fatalf("the demo verified nothing, or found something wrong:\n%s", out.String())
	}
	for _, verified := range []string{
		"has the keys", "can-i get secret/crm-reporting --as=system:serviceaccount:sales:reporting: yes",
		"--as=system:serviceaccount:sales:default: no", "refused at kubectl apply", "old token is dead at Make and the new one is alive",
		"before the rotation", "during the rotation", "after the rotation the tool answers", "0 presented again",
		"0 writes of the manager", "0 calls to Make",
	} {
		if !strings.Contains(summary, verified) {
			t.Errorf("the summary does not say %q:\n%s", verified, summary)
		}
	}
}
