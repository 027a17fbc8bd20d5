package clients

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

const cli = "node_modules/@makehq/cli/dist/index.js"

// TestCLI runs Make's command line as a person would.
func TestCLI(t *testing.T) {
	n := start(t)
	for _, test := range []struct{ command, says string }{
		{"whoami", "Ada Example"},
		{"scenarios list --team-id=7 --output=table", "Create a CRM lead"},
		{"scenarios get --scenario-id=501", `"isActive": true`},
		{"scenarios interface 501", `"name": "email"`},
		{`scenarios run 501 --data={"email":"a@b.example","name":"Ann"} --output=compact`, `"leadId":"L-1001"`},
		{"scenarios run 501 --data={}", "Error [400]"},
		{"scenarios get --scenario-id=999999", "Error [404]: Not Found"},
		{"data-store-records list --data-store-id=51", `"key": "c-1"`},
		{"sdk-apps get --name=webshop --version=1 --output=compact", `"label":"Webshop"`},
		{"public-templates list --name=webhook --output=compact", "Add webhook data to a data store"},
		{"organizations list --api-key=not-a-token", "Error [401]"},
	} {
		out, err := n.command(t, cli, strings.Fields(test.command)...).CombinedOutput()
		failed := false
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			failed = exit.ExitCode() == 2 // the command line's answer to an error of the API
		} else if err != nil {
			t.Fatal(err)
		}
		if failed != strings.Contains(test.says, "Error [") || !strings.Contains(string(out), test.says) {
			t.Errorf("make-cli %s: got %v\n%s", test.command, err, out)
		}
	}
}
