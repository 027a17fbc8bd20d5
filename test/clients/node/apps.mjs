// Custom apps and their parts.
import { readFileSync } from 'node:fs';
import { call, find } from './call.mjs';

export async function apps() {
    const app = await call('sdk-apps_create', {
        name: 'probe', label: 'Probe', theme: '#336699', language: 'en', audience: 'global', private: true,
    });
    const [name, version] = [app.name, app.version];
    await find('sdk-apps_list', {}, (row) => row.name === name);
    await call('sdk-apps_get', { name, version });
    await call('sdk-apps_update', { name, version, label: 'Probe 2' });
    await call('sdk-apps_set-section', { name, version, section: 'base', body: '{"baseUrl": "https://probe.example"}' });
    await call('sdk-apps_get-section', { name, version, section: 'base' });
    await call('sdk-apps_set-docs', { name, version, docs: '# Probe' });
    await call('sdk-apps_get-docs', { name, version });
    await call('sdk-apps_set-common', { name, version, common: { clientId: 'probe' } });
    await call('sdk-apps_get-common', { name, version });
    await call('sdk-apps_set-icon', { name, version, dataBase64: readFileSync('icon.png', 'base64') });
    await call('sdk-apps_get-icon', { name, version, size: 64 });
    await call('sdk-apps_set-public', { name, version });
    await call('sdk-apps_set-private', { name, version });
    const of = { appName: name, appVersion: version };
    await appConnections(name);
    await appWebhooks(name);
    await appModules(of);
    await appRPCs(of);
    await appFunctions(of);
    await appEndpoints(of);
    await call('sdk-apps_delete', { name, version });
}

async function appConnections(appName) {
    const { name: connectionName } = await call('sdk-connections_create', { appName, type: 'oauth', label: 'Probe' });
    await find('sdk-connections_list', { appName }, ({ name }) => name === connectionName);
    await call('sdk-connections_get', { connectionName });
    await call('sdk-connections_update', { connectionName, label: 'Probe 2' });
    await call('sdk-connections_set-section', { connectionName, section: 'api', body: '{"url": "/me"}' });
    await call('sdk-connections_get-section', { connectionName, section: 'api' });
    await call('sdk-connections_set-common', { connectionName, common: { clientId: 'probe' } });
    await call('sdk-connections_get-common', { connectionName });
    await call('sdk-connections_delete', { connectionName });
}

async function appWebhooks(appName) {
    await call('sdk-webhooks_create', { appName, type: 'web', label: 'Probe' });
    const { name: webhookName } = await find('sdk-webhooks_list', { appName }, ({ label }) => label === 'Probe');
    await call('sdk-webhooks_get', { webhookName });
    await call('sdk-webhooks_update', { webhookName, label: 'Probe 2' });
    await call('sdk-webhooks_set-section', { webhookName, section: 'api', body: '{"output": "{{body}}"}' });
    await call('sdk-webhooks_get-section', { webhookName, section: 'api' });
    await call('sdk-webhooks_delete', { webhookName });
}

async function appModules(of) {
    const moduleName = 'listProbes';
    await call('sdk-modules_create', { ...of, name: moduleName, typeId: 9, label: 'Probe', description: 'Lists probes.' });
    await find('sdk-modules_list', of, ({ name }) => name === moduleName);
    await call('sdk-modules_get', { ...of, moduleName });
    await call('sdk-modules_update', { ...of, moduleName, label: 'Probe 2' });
    await call('sdk-modules_set-section', { ...of, moduleName, section: 'api', body: '{"url": "/probes"}' });
    await call('sdk-modules_get-section', { ...of, moduleName, section: 'api' });
    await call('sdk-modules_set-public', { ...of, moduleName });
    await call('sdk-modules_set-private', { ...of, moduleName });
    await call('sdk-modules_delete', { ...of, moduleName });
}

async function appRPCs(of) {
    const rpcName = 'listFields';
    await call('sdk-rpcs_create', { ...of, name: rpcName, label: 'Probe' });
    await find('sdk-rpcs_list', of, ({ name }) => name === rpcName);
    await call('sdk-rpcs_get', { ...of, rpcName });
    await call('sdk-rpcs_update', { ...of, rpcName, label: 'Probe 2' });
    await call('sdk-rpcs_set-section', { ...of, rpcName, section: 'api', body: '{"url": "/fields"}' });
    await call('sdk-rpcs_get-section', { ...of, rpcName, section: 'api' });
    await call('sdk-rpcs_test', { ...of, rpcName, data: { id: 1 }, schema: [{ name: 'id', type: 'number', required: true }] });
    await call('sdk-rpcs_delete', { ...of, rpcName });
}

async function appFunctions(of) {
    const functionName = 'probe';
    await call('sdk-functions_create', { ...of, name: functionName });
    await call('sdk-functions_get', { ...of, functionName });
    await call('sdk-functions_set-code', { ...of, functionName, code: 'function probe(a, b) { return a + b; }' });
    await call('sdk-functions_get-code', { ...of, functionName });
    await find('sdk-functions_list', of, ({ name, args }) => name === functionName && args === '(a, b)');
    await call('sdk-functions_set-test', { ...of, functionName, test: "it('adds', () => probe(1, 2) === 3);" });
    await call('sdk-functions_get-test', { ...of, functionName });
    await call('sdk-functions_delete', { ...of, functionName });
}

async function appEndpoints(of) {
    const endpointName = 'getProbe';
    await call('sdk-endpoints_create', { ...of, name: endpointName, label: 'Probe' });
    await find('sdk-endpoints_list', of, ({ name }) => name === endpointName);
    await call('sdk-endpoints_get', { ...of, endpointName });
    await call('sdk-endpoints_update', { ...of, endpointName, annotations: { readOnlyHint: true } });
    await call('sdk-endpoints_set-section', { ...of, endpointName, section: 'api', body: '{"url": "/probe"}' });
    await call('sdk-endpoints_get-section', { ...of, endpointName, section: 'api' });
    await call('sdk-endpoints_set-public', { ...of, endpointName });
    await call('sdk-endpoints_set-private', { ...of, endpointName });
    await call('sdk-endpoints_delete', { ...of, endpointName });
}
