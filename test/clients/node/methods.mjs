// Calls the methods of @makehq/sdk that are behind no tool. Prints a line of JSON for each, as tools.mjs does.
import { attempt, make, teamId } from './call.mjs';

const { organizationId } = await make.teams.get(teamId);
const scenarios = await attempt('scenarios.listInOrganization', () => make.scenarios.listInOrganization(organizationId));
const [{ id: scenarioId }] = scenarios;
await attempt('users.currentAuthorization', () => make.users.currentAuthorization());
await attempt('scenarios.interface', () => make.scenarios.interface(scenarioId));
await attempt('blueprints.get', () => make.blueprints.get(scenarioId));
await attempt('blueprints.versions', () => make.blueprints.versions(scenarioId));

const [{ id: structureId }] = await make.dataStructures.list(teamId);
await attempt('dataStructures.clone', () =>
    make.dataStructures.clone(structureId, { name: 'Probe', targetTeamId: teamId }),
);
const [{ id: functionId }] = await make.functions.list(teamId);
await attempt('functions.history', () => make.functions.history(teamId, functionId));
await attempt('keys.types', () => make.keys.types());

const { id: hookId } = await make.hooks.create({ teamId, name: 'Probe', typeName: 'gateway-webhook' });
await attempt('hooks.rename', () => make.hooks.rename(hookId, 'Probe 2'));
await attempt('hooks.ping', () => make.hooks.ping(hookId));
await attempt('hooks.disable', () => make.hooks.disable(hookId));
await attempt('hooks.enable', () => make.hooks.enable(hookId));
await attempt('hooks.learnStart', () => make.hooks.learnStart(hookId));
await attempt('hooks.learnStop', () => make.hooks.learnStop(hookId));

const connections = await make.connections.list(teamId);
const { id: connectionId } = connections.find(({ accountType }) => accountType === 'oauth');
await attempt('connections.scoped', () => make.connections.scoped(connectionId, ['https://mail.google.com/']));
await attempt('connections.listEditableParameters', () => make.connections.listEditableParameters(connectionId));

const [{ id: requestId }] = await make.credentialRequests.list(teamId);
await attempt('credentialRequests.get', () => make.credentialRequests.get(requestId));
const { id: userId } = await make.users.me();
await attempt('credentialRequests.create', () =>
    make.credentialRequests.create({
        name: 'Probe', teamId, connections: [{ type: 'google-email' }], provider: { providerMakeUserId: userId },
    }),
);

for (const { id } of scenarios) {
    const [incomplete] = await make.incompleteExecutions.list(id);
    if (!incomplete) continue;
    const blueprint = await make.blueprints.get(id);
    await attempt('incompleteExecutions.bundle', () => make.incompleteExecutions.bundle(incomplete.id));
    await attempt('incompleteExecutions.update', () => make.incompleteExecutions.update(incomplete.id, { blueprint, failer: 1 }));
    await attempt('incompleteExecutions.retry', () => make.incompleteExecutions.retry(incomplete.id));
    await attempt('incompleteExecutions.retryMultiple', () => make.incompleteExecutions.retryMultiple(id, { ids: [incomplete.id] }));
    break;
}
