// Package access answers who calls and what the caller may do. It verifies bearer tokens (JWTs of configured issuers,
// Kubernetes ServiceAccount tokens among them) and keeps the issuers' keys fresh. It fails closed: whatever it cannot
// read, date, attribute or verify is nobody.
//
// It knows neither HTTP requests nor MCP, and its errors say why a token was refused only to the operator of the server
// (a Reason for the audit log), never to the caller.
package access
