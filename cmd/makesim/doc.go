// Command makesim serves a simulated Make over HTTPS, with a certificate authority of its own.
//
//	makesim --tls-dir ./tls --ledger ./ledger.jsonl --state ./state.json --knob refreshClass=E
//
// It prints one line per listener and serves until SIGTERM or SIGINT. What cannot be used (an unknown flag or
// knob, a broken seed or state, a port in use) is told in one line, with exit code 2.
//
// With --state it goes on after a restart where it was, also after kill -9: an answer leaves after the file
// holds what the request changed. A state file that exists decides; --seed is for the first start only, --knob
// is set on top. The ledger goes on with the numbers that follow.
//
// The last 100,000 entries of the ledger are in memory. /_sim/ledger finds older ones in the file of --ledger;
// without that file they are gone.
package main
