// The user, organizations, teams, roles, private spaces and on-premise agents.
import { call, find, teamId } from './call.mjs';

export async function account() {
    await call('users_me');
    await call('enums_countries');
    await call('enums_regions');
    await call('enums_timezones');
    const { organizationId } = await call('teams_get', { teamId });
    await find('organizations_list', {}, ({ id }) => id === organizationId);
    await call('organizations_get', { organizationId });
    const { id } = await call('organizations_create', { name: 'Probe', regionId: 1, timezoneId: 113, countryId: 1 });
    await call('organizations_update', { organizationId: id, name: 'Probe 2' });
    await call('organizations_delete', { organizationId: id });
    const team = await call('teams_create', { name: 'Probe', organizationId });
    await find('teams_list', { organizationId }, ({ id }) => id === team.id);
    await call('teams_delete', { teamId: team.id });
    return organizationId;
}

export async function roles(organizationId) {
    await find('roles_list', { category: 'organization', organizationId });
    const permission = await find('roles_permissions', { roleCategory: 'organization' });
    const role = await call('custom-roles_create', {
        name: 'Probe', category: 'organization', organizationId, permissions: [permission.id],
    });
    await call('roles_get', { roleId: role.id });
    await call('custom-roles_update', { id: role.id, organizationId, name: 'Probe 2' });
    await call('custom-roles_delete', { id: role.id, organizationId });
}

export async function privateSpaces(organizationId) {
    const { id: privateSpaceId } = await find('private-spaces_list', { organizationId });
    await call('private-spaces_get', { privateSpaceId });
    await call('private-spaces_update', { privateSpaceId, operationsLimit: 5000, confirmed: true });
}

export async function agents(organizationId) {
    const agent = await call('on-prem-agent_create', { organizationId, name: 'Probe' });
    const agentId = agent.id;
    await find('on-prem-agent_list', { organizationId }, ({ id }) => id === agentId);
    await call('on-prem-agent_get', { organizationId, agentId });
    await call('on-prem-agent_update', { organizationId, agentId, name: 'Probe 2' });
    const { name: appName } = await find('connected-system_list-apps');
    const config = await call('on-prem-agent_get-app-config', { organizationId, agentId, appName });
    const inputs = {};
    for (const { spec = [] } of Array.from(config)) {
        for (const { name } of spec) inputs[name] = 'probe';
    }
    const system = await call('connected-system_create', { organizationId, name: 'Probe', agentId, appName, inputs });
    const connectedSystemId = system.id;
    await find('connected-system_list', { organizationId, agentId }, ({ id }) => id === connectedSystemId);
    await call('connected-system_get', { organizationId, connectedSystemId });
    await call('connected-system_update', { organizationId, connectedSystemId, name: 'Probe 2' });
    await call('connected-system_delete', { organizationId, connectedSystemId });
    await call('on-prem-agent_delete', { organizationId, agentId });
}
