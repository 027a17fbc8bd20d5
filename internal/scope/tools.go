package scope

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"
)

// Tools say which tools of an MCP server exist.
type Tools struct {
	// Include are the only ones; empty means all that the scopes allow.
	Include []string
	// Exclude do not exist.
	Exclude []string
	// ReadOnly leaves out those that change something.
	ReadOnly bool
}

//go:embed tools.yaml
var toolsYAML []byte

// toolScopes is the scope that each known tool needs, "" for none; it is read at first use.
var toolScopes = sync.OnceValue(func() map[string]string {
	var byScope map[string][]string
	if err := yaml.UnmarshalStrict(toolsYAML, &byScope); err != nil {
		panic(fmt.Sprintf("read the built-in tools: %v", err)) // a mistake of the build, which every test finds
	}
	scopes := map[string]string{}
	for scope, tools := range byScope {
		for _, tool := range tools {
			scopes[tool] = scope
		}
	}
	return scopes
})

// scenarioTool begins the name of a scenario's own tool.
const scenarioTool = "scenario_"

// NeededBy are the scopes that a tool needs, and whether the tool is known. Running a scenario also takes reading it.
func NeededBy(tool string) (scopes []string, known bool) {
	scope, known := toolScopes()[tool]
	switch {
	case strings.HasPrefix(tool, scenarioTool), scope == "scenarios:run":
		return []string{"scenarios:read", "scenarios:run"}, true
	case scope == "":
		return nil, known
	default:
		return []string{scope}, known
	}
}

// inUse are the scopes that the tools of a server need, and whether that can be told: all tools that it includes are known, or it
// has only those that change nothing.
func (s *Server) inUse() (map[string]bool, bool) {
	use := map[string]bool{}
	if len(s.Tools.Include) == 0 {
		for _, name := range s.Scopes {
			if info, ok := Lookup(name); ok {
				use[name] = info.Access == "read" || info.Kind == OIDC || name == "functions:write" // its functions_check only reads
			}
		}
		return use, s.Tools.ReadOnly
	}
	for _, tool := range s.Tools.Include {
		if slices.Contains(s.Tools.Exclude, tool) {
			continue
		}
		scopes, known := NeededBy(tool)
		if !known {
			return nil, false
		}
		for _, name := range scopes {
			use[name] = true
		}
	}
	return use, true
}

// tools warns of scopes that no tool needs and of tools that need other scopes, and says the first of those scopes that are refused.
func (j *judge) tools(s Server) {
	for i, tool := range s.Tools.Include {
		needs, _ := NeededBy(tool)
		for _, name := range needs {
			if !slices.Contains(s.Scopes, name) {
				j.warn(fmt.Sprintf("spec.tools.include[%d]", i), name, "tool "+quote(tool)+" needs it, and it is not among spec.scopes",
					"add it there, or leave the tool out")
			}
		}
	}
	use, told := s.inUse()
	if !told {
		return
	}
	for i := range j.verdict.Violations {
		if v := &j.verdict.Violations[i]; v.Policy != "" && v.Scope != "" && !use[v.Scope] {
			v.Fix = "remove it, no tool in use needs it"
		}
	}
	kept := map[string]bool{}
	for i, name := range s.Scopes {
		if info, err := Parse(name); err != nil || info.Kind == OIDC || use[name] {
			kept[name] = err == nil
			continue
		}
		j.warn(fmt.Sprintf("spec.scopes[%d]", i), name, "no tool in use needs it", "remove it")
	}
	maps.DeleteFunc(kept, func(_ string, keep bool) bool { return !keep })
	if len(kept) < len(s.Scopes) {
		j.verdict.Narrower = slices.Sorted(maps.Keys(kept))
	}
}

func (j *judge) warn(field, name, reason, fix string) {
	info, _ := Parse(name)
	j.verdict.Warnings = append(j.verdict.Warnings, Warning{Field: field, Scope: name, Risk: info.Risk, Reason: reason, Fix: fix})
}
