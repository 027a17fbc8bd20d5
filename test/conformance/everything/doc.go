// Package everything has the tools, prompts and resources that the MCP conformance suite looks for. They are those of the MCP SDK's own
// conformance server (see LICENSE.go-sdk), so that what the suite finds is about the server around them.
package everything

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

//go:generate ./generate.sh

// Configure adds what a server has to be built with.
func Configure(o *mcp.ServerOptions) {
	o.CompletionHandler = completionHandler
	o.SubscribeHandler = subscribeHandler
	o.UnsubscribeHandler = unsubscribeHandler
	o.Capabilities = nil // whatever is registered
}

// Register adds the fixtures. It returns at once; the resource that changes by itself does so until ctx ends.
func Register(ctx context.Context, server *mcp.Server) {
	registerTools(server)
	registerResources(server)
	registerPrompts(server)
	go watchedResourceUpdater(ctx, server)
}
