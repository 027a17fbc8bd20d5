// Calls every tool of @makehq/sdk, in an order in which each finds something to work on, as a careful user would:
// what is created is listed, read, changed and deleted. Prints a line of JSON for each call, and one for each tool
// that was not called: {"name":…} and, if it failed, "status" and "error".
import { account, agents, privateSpaces, roles } from './account.mjs';
import { apps } from './apps.mjs';
import { report, uncalled } from './call.mjs';
import { credentialRequests, credentials } from './credentials.mjs';
import { data, functions } from './data.mjs';
import { hooks, incompleteExecutions, scenarios, templates } from './scenarios.mjs';

const organizationId = await account();
await roles(organizationId);
await privateSpaces(organizationId);
await agents(organizationId);
await credentials();
await credentialRequests();
await data();
await functions();
await hooks();
await templates();
await scenarios(organizationId);
await incompleteExecutions();
await apps();
for (const name of uncalled.keys()) report({ name, error: 'was not called' });
