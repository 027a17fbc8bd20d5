package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/testkit/stack"
)

// writeEnvironment writes bin/dev/env, which a shell sources. CONTRIBUTING.md documents its variables.
func writeEnvironment(s *stack.Stack) error {
	var b strings.Builder
	for _, v := range []struct{ name, value string }{
		{"KUBECONFIG", s.AdminKubeconfig},
		{"AUDIT_LOG", s.AuditLog},
		{"MAKESIM_URL", s.SimURL},
		{"MAKESIM_CA", s.SimCA},
		{"MAKESIM_ZONE", s.Zone},
		{"MAKESIM_LEDGER", s.Ledger},
		{"MANAGER_PID", fmt.Sprint(s.Manager.PID)},
		{"MANAGER_METRICS", s.MetricsURL},
		{"MANAGER_CMD", strings.Join(s.ManagerArgs(), " ")},
		{"CONSENT_URL", s.ConsentURL},
		{"ROOT_TOKEN", makesim.RootToken},
		{"ORGANIZATION_ID", fmt.Sprint(makesim.OrganizationID)},
		{"TEAM_ID", fmt.Sprint(makesim.TeamID)},
	} {
		fmt.Fprintf(&b, "export %s='%s'\n", v.name, strings.ReplaceAll(v.value, "'", `'\''`))
	}
	return os.WriteFile(filepath.Join(dir, "env"), []byte(b.String()), 0o600)
}
