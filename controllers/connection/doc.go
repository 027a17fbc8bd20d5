// Package connection reconciles MakeConnections: it turns one credential of a Make organization into a Secret with a least-privilege
// token for each consumer, rotates the tokens before they expire, and lets exactly the named ServiceAccounts read them.
//
// A pass reads the world, decides by pure functions (here and in internal/rotation), and acts through narrow clients. With nothing
// due it calls neither Make nor writes to the API server.
package connection
