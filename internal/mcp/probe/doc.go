// Package probe calls an MCP server the way an agent does: it connects, agrees on a protocol revision and lists the tools, and never
// calls one. It knows neither Kubernetes nor Make.
package probe
