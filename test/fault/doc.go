// Package fault kills and misleads real manager processes and asks whether a credential was lost.
//
// A manager of the sweep speaks to a real API server and to a simulated Make through two fronts that belong to this package: they
// number its requests, and disturb one of them per case. What happened is judged from outside: by what Make's ledger saw, by what
// the API server stored, and by how far the final state is from that of an undisturbed run.
//
// The tests run only with the built programs, see "make test-fault".
package fault
