// Package mcp is the server that a MakeMCPServer runs: Make's API and scenarios as MCP tools, for authenticated callers only, each
// with no more than its access rule, the server's own token and the configuration allow.
//
// A request passes front (audit and trace, panic recovery, Host and Origin, bearer token, how much is under way, size, a guard
// against legacy bodies, a scope gate that can say 403, rate limits), then the SDK's stateless Streamable HTTP handler, then dispatcher, whose judgement is the
// one that counts. Tools reach Make through upstream, which always uses the credential of the moment. Who calls is for
// package access to say; what the credential is, for package credential.
//
// There is one SDK server per process and it knows one tool, execute, which no caller can list or name. dispatcher answers tools/list
// itself from the toolset, judges tools/call there, and passes a call that it lets through on to execute: only the SDK's own way of
// calling a tool fills in what revision 2026-07-28 wants of a result. Which scenario tools exist changes with time and what is listed
// depends on the caller; registering tools on a live server would broadcast each change to everybody, and a server per toolset or per
// caller would have to be built, kept and matched to requests. See docs/adr/0026.
//
// Every tool is made of the catalogue of internal/makeapi and runs through executor, which keeps to the tenant. A scenario's tool is a call
// of scenarios_run.
//
// The package does not know Kubernetes. It never passes a caller's token on, and no error or log line of it holds a token,
// an argument or an answer of Make.
package mcp
