package makesim

import (
	"net/http"
	"strings"
)

// Part is a part of Make, which has hosts of its own and can fail on its own.
type Part string

// The parts.
const (
	PartZone          Part = "zone"          // the zone API, /api/v2/
	PartAuthorization Part = "authorization" // the authorization server, /oauth/v2/ and its discovery
	PartHooks         Part = "hooks"         // the webhook gateway, hook.<zone>
	PartMCP           Part = "mcp"           // the cloud MCP server, mcp.<zone> or /mcp/
)

// mcpPrefix is where a zone has the MCP server. Source: Make's page on its MCP server.
const mcpPrefix = "/mcp/"

// partOf tells which part of Make a path belongs to.
func partOf(path string) Part {
	switch {
	case strings.HasPrefix(path, gatewayPrefix):
		return PartHooks
	case strings.HasPrefix(path, mcpPrefix):
		return PartMCP
	case strings.HasPrefix(path, "/oauth/"), strings.HasPrefix(path, "/.well-known/"):
		return PartAuthorization
	}
	return PartZone
}

// routeHost turns what a host of its own serves at its root into the path prefix that serves the same on every
// host: https://hook.<zone>/<udid> is https://<zone>/wh/<udid>, https://mcp.<zone>/stateless is
// https://<zone>/mcp/stateless. All other paths mean the same on every host.
func routeHost(r *http.Request) {
	switch {
	case strings.HasPrefix(r.Host, gatewayHost):
		addPrefix(r, gatewayPrefix)
	case strings.HasPrefix(r.Host, "mcp.") && !strings.HasPrefix(r.URL.Path, "/.well-known/"):
		addPrefix(r, mcpPrefix)
	}
}

func addPrefix(r *http.Request, prefix string) {
	if strings.HasPrefix(r.URL.Path, prefix) || strings.HasPrefix(r.URL.Path, controlPrefix) {
		return
	}
	u := *r.URL
	u.Path, u.RawPath = prefix+strings.TrimPrefix(u.Path, "/"), ""
	r.URL = &u
}
