package mcp

import (
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// The classes of requests that are counted apart; see Limits.
const (
	classStandard  = "standard"
	classSensitive = "sensitive"
	classAdmin     = "admin"
	classProtocol  = "protocol"
)

// classOf is the class of a tool. Running a scenario is standard although it may change anything: it is what agents are there for,
// and what it costs is counted by Make.
func classOf(scope string, hints *sdk.ToolAnnotations) string {
	family, _, _ := strings.Cut(scope, ":")
	readOnly := hints != nil && hints.ReadOnlyHint
	destructive := hints == nil || hints.DestructiveHint == nil || *hints.DestructiveHint // absent means yes, says MCP
	switch {
	case readOnly || scope == scopeScenariosRun:
		return classStandard
	case family == "organizations" || family == "teams" || family == "user" || family == "private-spaces":
		return classAdmin
	case destructive || family == "connections" || family == "keys" || family == "credential-requests":
		return classSensitive
	}
	return classStandard
}

// class is the class of a call of the tool with this name; a tool that does not exist costs like the others.
func (c *toolset) class(name string) string {
	if t := c.byName[name]; t != nil {
		return classOf(t.scope, t.definition.Annotations)
	}
	return classStandard
}
