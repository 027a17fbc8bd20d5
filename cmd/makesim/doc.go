// Command makesim serves a simulated Make over HTTPS, with a certificate authority of its own.
//
//	makesim --tls-dir ./tls --ledger ./ledger.jsonl
//
// It prints one line per listener and serves until SIGTERM or SIGINT. What cannot be used (an unknown flag,
// a broken seed, a port in use) is told in one line, with exit code 2.
package main
