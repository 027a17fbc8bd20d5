// Package bench measures make-mcp as it runs in a pod: the built program, pinned to one core, in front of a simulated Make, beside a server that
// is nothing but the MCP SDK and, where Node is present, Make's legacy server behind supergateway. And it measures the admission webhook, with
// 200 creates at a time against a real API server, beside the same without it. `make bench` runs it; no test asserts a time.
package bench
