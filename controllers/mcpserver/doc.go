// Package mcpserver reconciles MakeMCPServers: it runs make-mcp with the token that the server's connection writes, lets only the
// named ServiceAccounts reach it, and calls it once, as an agent would, before it says that the server works.
//
// A pass reads the world, builds what has to exist by pure functions (one file per child), and acts through narrow clients. Pods get
// their configuration, the cluster's signing keys and their own token as files; they have no access to the API server at all.
//
// The package knows no token of Make and speaks neither HTTP nor MCP itself.
package mcpserver
