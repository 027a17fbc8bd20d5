// Scenarios and what belongs to them.
import { call, find, make, teamId } from './call.mjs';

export async function hooks() {
    const { id: hookId } = await call('hooks_create', {
        teamId, name: 'Probe', typeName: 'gateway-webhook', data: { method: false, headers: false, stringify: false },
    });
    await find('hooks_list', { teamId }, ({ id }) => id === hookId);
    await call('hooks_get', { hookId });
    await call('hooks_update', { hookId, data: { method: true, headers: true, stringify: false } });
    await call('hooks_delete', { hookId });
    await find('devices_list', { teamId });
}

export async function templates() {
    const { url: templateUrl } = await find('public-templates_list', { includeEn: true });
    await call('public-templates_get', { templateUrl });
    await call('public-templates_get-blueprint', { templateUrl });
}

export async function scenarios(organizationId) {
    const folder = await call('folders_create', { teamId, name: 'Probe' });
    await find('folders_list', { teamId }, ({ id }) => id === folder.id);
    await call('folders_update', { folderId: folder.id, name: 'Probe 2' });
    const scenario = await call('scenarios_create', {
        teamId, folderId: folder.id, scheduling: { type: 'on-demand' }, confirmed: true,
        blueprint: {
            name: 'Probe', metadata: { version: 1 },
            flow: [{ id: 1, module: 'util:SetVariables', version: 1, parameters: {}, mapper: {}, metadata: {} }],
        },
    });
    const scenarioId = scenario.id;
    await find('scenarios_list', { teamId }, ({ id }) => id === scenarioId);
    await call('scenarios_get', { scenarioId });
    await call('scenarios_update', { scenarioId, name: 'Probe 2' });
    const input = [{ name: 'who', type: 'text', required: true }];
    await call('scenarios_set-interface', { scenarioId, interface: { input, output: [] } });
    await call('scenarios_interface', { scenarioId });
    await call('scenarios_activate', { scenarioId });
    const { executionId } = await call('scenarios_run', { scenarioId, data: { who: 'probe' } });
    await call('executions_get-detail', { scenarioId, executionId });
    await find('executions_list', { scenarioId }, ({ id }) => id === executionId);
    await call('executions_get', { scenarioId, executionId });
    await call('scenarios_deactivate', { scenarioId });
    await customProperties(organizationId, scenarioId);
    await call('scenarios_delete', { scenarioId });
    await call('folders_delete', { folderId: folder.id });
}

async function customProperties(organizationId, scenarioId) {
    const { id: customPropertyStructureId } = await call('custom-property-structures_create', {
        associatedType: 'scenario', belongerType: 'organization', belongerId: organizationId,
    });
    await find('custom-property-structures_list', { organizationId }, ({ id }) => id === customPropertyStructureId);
    const item = await call('custom-property-structure-items_create', {
        customPropertyStructureId, name: 'probe', label: 'Probe', type: 'shortText', required: false,
    });
    const customPropertyStructureItemId = item.id;
    await find('custom-property-structure-items_list', { customPropertyStructureId }, ({ name }) => name === 'probe');
    await call('custom-property-structure-items_update', { customPropertyStructureItemId, label: 'Probe 2' });
    await call('scenario-custom-properties_create', { scenarioId, customProperties: { probe: 'a' } });
    await call('scenario-custom-properties_get', { scenarioId });
    await call('scenario-custom-properties_update', { scenarioId, customProperties: { probe: 'b' } });
    await call('scenario-custom-properties_replace', { scenarioId, customProperties: { probe: 'c' } });
    await call('scenario-custom-properties_delete', { scenarioId });
    await call('custom-property-structure-items_delete', { customPropertyStructureItemId, confirmed: true });
}

export async function incompleteExecutions() {
    for (const { id: scenarioId } of await make.scenarios.list(teamId)) {
        const [incomplete] = Array.from(await call('incomplete-executions_list', { scenarioId }));
        if (!incomplete) continue;
        const incompleteExecutionId = incomplete.id;
        await call('incomplete-executions_get', { incompleteExecutionId });
        await make.incompleteExecutions.retry(incompleteExecutionId); // so that it has a log
        const log = await find('executions_list-for-incomp-exec', { incompleteExecutionId });
        await call('executions_get-for-incomp-exec', { incompleteExecutionId, executionId: log.id });
        return;
    }
}
