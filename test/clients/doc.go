// Package clients tests with clients that others wrote: Make's own (the SDK, the command line and the legacy MCP server) against makesim, and
// MCP clients (the TypeScript SDKs, the inspector, mcp-remote) against make-mcp, unchanged. Their packages come from npm as
// package-lock.json pins them and stay in the user's cache. Without Node the tests are skipped.
package clients
