// Package clients tests that Make's own clients work against makesim, unchanged and over HTTPS: the SDK, the
// command line and the legacy MCP server. Their packages come from npm as package-lock.json pins them and stay in the
// user's cache. Without Node the tests are skipped.
package clients
