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

// Path prefixes of the parts that have hosts of their own. Make's on-premise documentation puts webhooks under
// /wh/ of the zone itself, and its cloud puts the MCP server under /mcp/ too.
const (
	hookPrefix = "/wh/"
	mcpPrefix  = "/mcp/"
)

// partOf tells which part of Make a path belongs to.
func partOf(path string) Part {
	switch {
	case strings.HasPrefix(path, hookPrefix):
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
	case strings.HasPrefix(r.Host, "hook."):
		addPrefix(r, hookPrefix)
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
