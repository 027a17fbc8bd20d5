// Package makesim simulates Make: the zone API under /api/v2, the authorization server under /oauth/v2, the
// webhook gateway, the cloud MCP server under /mcp, and a control interface under /_sim. It knows nothing of Kubernetes, of the operator or of its client: they
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
// # Webhooks
//
// A webhook is reached at https://hook.<zone>/<udid>, by the Host of the request, and at /wh/<udid> of any host,
// as on private instances. Answers about a hook name the second form where the zone is an IP address or
// localhost. The zone is the organization's in the seed, or else the Host of the request.
//
//	curl --cacert ca.pem -H 'x-make-apikey: …' --json '{"order":1}' https://$ZONE/wh/$UDID
//
// The hook of an active scenario that does not run at intervals runs it, with the members of the query and of
// the body as its inputs; others wait in the queue for the next run or for the start. A module
// gateway:WebhookRespond in the blueprint answers.
//
// # Scenarios
//
// A blueprint is kept as it came. The simulator acts on its name, on the hook of the first module, on the mapper
// of scenario-service:ReturnData, which is the outputs ("{{var.input.NAME}}" is that input), on
// gateway:WebhookRespond and on metadata.scenario.dlq, which keeps runs that failed. Runs end well after no time
// unless the seed or the knobs runSeconds and runFails say otherwise. Callbacks of runs go to loopback only.
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
//   - A member of a request body that an endpoint does not name is refused with 400 SC400, as a wrong type is.
//   - Deletions need confirmed=true wherever Make's SDK sends it, except custom properties, which need it only
//     while a scenario has a value for them. A smaller limit of a private space needs it below the consumption.
//   - What the plan lacks is 402 for audit logs and analytics, 403 IM027 for custom properties, 403 IM903 for
//     private spaces, 403 IM001 for on-premise agents and custom roles, 403 IM011 for one more than the limit.
//     Which plan has what is in licenseOf.
//   - The phrases of permissions, beyond the few that are documented, and which role has which of them, are in
//     permissions.go. A role of an organization's own works like Member in teams.
//   - A new organization is on the free plan and has one team.
//   - An agent or connected system that does not exist is 400, as the tests of Make's SDK expect.
//   - A blueprint that uses an app for the first time in its organization asks for confirmed=true.
//   - A run that is stopped ends with an error. Outputs larger than maxBytes are left out.
//   - What is in a folder that is deleted moves to the folder above.
//   - A retry of an incomplete execution succeeds once its blueprint was changed or the scenario no longer fails.
//   - A hook that was disabled answers 410 like one that was unused; enabling it also ends that it is unused.
//     A wrong address answers 403, a hook that does not exist 404. The rate is counted per hook.
//   - set-data of a hook takes the keys for x-make-apikey as apiKeys and never shows them.
//   - A tool of the MCP server is named scenario_<id>_<words of its name>. Its requests spend no budget.
//   - Requests of no particular organization, such as users/me, are paid by the user's first organization.
//   - current-authorization says "oauth" for access tokens and leaves OpenID Connect's scopes out.
//   - The token response names the scopes only where they differ from those asked for (RFC 6749 §5.1).
//   - An exchange without code or redirect_uri answers invalid_request; a wrong one invalid_grant.
//   - A refresh gives an id_token too where openid was granted, without the nonce (OpenID Connect Core §12.2).
//   - The zone API numbers OAuth clients from 1 in the order of the seed. A client may rename its connection at
//     /oauth/v2/rename with its access token and name; discovery lists that endpoint, nothing documents it.
//   - A code that is presented twice revokes what it gave (RFC 6749 §4.1.2).
//   - A data structure that is not strict lets records have more members; types and required members count in
//     both. One that is gone leaves its data stores without any. A full data store answers 413 IM003.
//   - A custom app belongs to the first organization where its maker may edit apps. A section is sent back as it
//     was sent: as application/json where it is that, else with the content type that it was written with.
//   - Connections and webhooks of an app are called after it: "demo", then "demo2".
//   - A test of an app's remote procedure checks the test data and answers what the seed says, else an empty list.
//
// # Resets and HTTP clients
//
// A reset (see FaultKind) ends the connection without an answer. Some clients, Go's among them, then send a
// GET once more by themselves, and that request meets the next fault.
package makesim
