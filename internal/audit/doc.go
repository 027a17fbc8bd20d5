// Package audit writes the audit log of a make-mcp process: one JSON line for each call of a tool, and one for each request that
// was refused before it could become a call. A line is opened when a request arrives and filled in by whoever learns something,
// so refusals by any layer leave one too.
//
// It must not know HTTP, MCP or Make, and has no field for a token, an argument, an answer or an address of a caller.
package audit
