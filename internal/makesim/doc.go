// Package makesim simulates Make: the zone API under /api/v2, the authorization server under /oauth/v2, and
// a control interface under /_sim. It knows nothing of Kubernetes, of the operator or of its client: they
// speak HTTPS to it, and it keeps its own reading of Make's documentation. Where that documentation is
// silent the behaviour is a knob (see Knobs).
//
// # In a test
//
//	sim, err := makesim.NewTLSServer(makesim.Options{Clock: fakeClock})
//	if err != nil { … }
//	t.Cleanup(sim.Close)
//	// spec.zone: sim.Zone, CA: sim.CAPEM() or sim.CAPool(), token: makesim.RootToken
//	sim.Advance(5 * time.Minute)       // everything that the clock decides
//	sim.TokenAlive(value)              // the truth about a token
//	makesim.RepresentedAfterUse(sim.Ledger()) // must be empty
//
// # Consent by a script
//
// The consent page is a form. A script sends what the page would: the parameters of the authorize request,
// decision=approve or decision=deny, and optionally user=ID (the first user of the seed otherwise). The
// answer is 303 See Other to the redirect URI with code and state, or with error and state.
//
//	curl --cacert ca.pem -o /dev/null -w '%{redirect_url}' https://$ZONE/oauth/v2/authorize \
//	  --data-urlencode response_type=code --data-urlencode client_id=makesim-confidential \
//	  --data-urlencode redirect_uri=http://127.0.0.1:8085/oauth/callback --data-urlencode scope='scenarios:read' \
//	  --data-urlencode state=$STATE --data-urlencode code_challenge=$CHALLENGE \
//	  --data-urlencode code_challenge_method=S256 --data-urlencode decision=approve --data-urlencode user=1001
//
// A script that has an authorize URL sends its query as the body, with decision added. Go code on a TLSServer
// calls Approve.
//
// # Control
//
// Control requests need no credential, do not count against a budget, meet no fault and leave no request in
// the ledger. Errors are one line of text.
//
//	GET    /_sim/clock                  {"now":…,"offsetSeconds":…}
//	POST   /_sim/clock                  {"advanceSeconds":300} or {"offsetSeconds":0}
//	GET    /_sim/knobs                  the knobs, with what is left of faults
//	PUT    /_sim/knobs                  replaces all; what is not named goes back to its default
//	PATCH  /_sim/knobs                  changes what is named; lists are replaced as a whole
//	DELETE /_sim/knobs                  puts all back to their defaults, for single credentials too
//	…      /_sim/knobs?credential=C     the same for one credential alone: C is the fingerprint of a token, which
//	                                    stands for its family, or the ID of an OAuth client
//	GET    /_sim/ledger?after=SEQ       entries as lines of JSON
//	GET    /_sim/tokens                 every token ever issued, by fingerprint
//	GET    /_sim/tokens/{fingerprint}   {"alive":true,"state":"alive",…}
//	DELETE /_sim/tokens/{fingerprint}   revokes it behind its holder's back
//
// A fingerprint is what this prints:
//
//	printf %s "$TOKEN" | sha256sum | cut -c1-8
//
// # Hosts
//
// One listener serves all of Make. A path means the same on every host, but for the hosts of the webhook gateway
// and of the MCP server: https://hook.<zone>/<udid> is https://<zone>/wh/<udid>, and https://mcp.<zone>/stateless
// is https://<zone>/mcp/stateless. The certificate is good for one level below each of its names.
//
// # Disturbances
//
// Knobs.Faults disturb requests; Knobs.Down closes whole parts; Knobs.TLSFault disturbs handshakes. A TLS fault
// meets control clients too: use a connection that is open, or the plain listener of the makesim command.
//
// # Long runs and restarts
//
// With Options.StateFile an answer to a request that changed something leaves after the file holds the change, so
// what was answered survives kill -9. What only reads waits for nothing. The ledger is written line by line,
// before the answer's connection is done; a LedgerFile goes on after a restart with the numbers that follow.
// Options.LedgerLimit bounds what of the ledger is in memory. Of dead tokens at least the newest 5,000 are
// remembered; older ones are answered like tokens that were never issued.
//
// # What was decided where Make's documentation is silent
//
//   - An object that the user may not see answers 404 SC404, a list of somebody else's team or organization
//     403 IM002, a role that is missing 403 IM002.
//   - A run of an inactive or busy scenario answers 422 IM016; a responsive run that takes longer than 40
//     seconds answers its executionId only.
//   - Requests of no particular organization, such as users/me, are paid by the user's first organization.
//   - current-authorization says "oauth" for access tokens and leaves OpenID Connect's scopes out.
//   - The token response names the scopes only where they differ from those asked for (RFC 6749 §5.1).
//   - An exchange without code or redirect_uri answers invalid_request; a wrong one invalid_grant.
//   - A refresh gives an id_token too where openid was granted, without the nonce (OpenID Connect Core §12.2).
//   - The zone API numbers OAuth clients from 1 in the order of the seed. A client may rename its connection at
//     /oauth/v2/rename with its access token and name; discovery lists that endpoint, nothing documents it.
//   - A code that is presented twice revokes what it gave (RFC 6749 §4.1.2).
//
// # Resets and HTTP clients
//
// A reset (see FaultKind) ends the connection without an answer. Some clients, Go's among them, then send a
// GET once more by themselves, and that request meets the next fault.
package makesim
