// Connections, keys and requests for them.
import { call, find, teamId } from './call.mjs';

export async function credentials() {
    const connection = await call('connections_create', {
        teamId, name: 'Probe', accountName: 'smtp', data: { host: 'mail.example', username: 'probe' },
    });
    const connectionId = connection.id;
    await find('connections_list', { teamId }, ({ id }) => id === connectionId);
    await call('connections_get', { connectionId });
    await call('connections_update', { connectionId, name: 'Probe 2', data: { host: 'mail2.example' } });
    await call('connections_verify', { connectionId });
    await call('connections_delete', { connectionId });

    const key = await call('keys_create', {
        teamId, name: 'Probe', typeName: 'basicauth', parameters: { authUser: 'probe', authPass: 'probe' },
    });
    await find('keys_list', { teamId }, ({ id }) => id === key.id);
    await call('keys_get', { keyId: key.id });
    await call('keys_update', { keyId: key.id, name: 'Probe 2' });
    await call('keys_delete', { keyId: key.id });
}

export async function credentialRequests() {
    const name = 'Probe';
    const apps = [{ appName: 'google-email', appModules: ['*'] }];
    await find('credential-requests_list-app-modules-with-creds', { appName: 'google-email', appVersion: 'latest' });
    const created = await call('credential-requests_create', { teamId, name, credentials: apps });
    const byType = await call('credential-requests_create-by-credentials', {
        teamId, name, connections: [{ type: 'google-email' }], keys: [{ type: 'apikeyauth' }],
    });
    const oauth = await find('connections_list', { teamId }, ({ accountType }) => accountType === 'oauth');
    await call('credential-requests_extend-connection', { connectionId: oauth.id, scopes: ['https://mail.google.com/'] });
    const request = created.request ?? created;
    await find('credential-requests_list', { teamId }, ({ id }) => id === request.id);
    await call('credential-requests_get', { requestId: request.id });
    const [declined, deleted] = byType.credentials ?? [{}, {}];
    await call('credential-requests_credential-decline', { credentialId: declined.id, reason: 'Not needed' });
    await call('credential-requests_credential-delete', { credentialId: deleted.id });
    await call('credential-requests_delete', { requestId: request.id });
}
