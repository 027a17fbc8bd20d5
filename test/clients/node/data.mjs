// Data structures, data stores and functions.
import { call, find, teamId } from './call.mjs';

export async function data() {
    const structure = await call('data-structures_create', {
        teamId, name: 'Probe', strict: true, spec: [{ name: 'email', type: 'text', label: 'E-mail', required: true }],
    });
    const dataStructureId = structure.id;
    await find('data-structures_list', { teamId }, ({ id }) => id === dataStructureId);
    await call('data-structures_get', { dataStructureId });
    await call('data-structures_update', { dataStructureId, name: 'Probe 2' });
    const store = await call('data-stores_create', { teamId, name: 'Probe', maxSizeMB: 1, datastructureId: dataStructureId });
    const dataStoreId = store.id;
    await find('data-stores_list', { teamId }, ({ id }) => id === dataStoreId);
    await call('data-stores_get', { dataStoreId });
    await call('data-stores_update', { dataStoreId, maxSizeMB: 2 });
    const { key } = await call('data-store-records_create', { dataStoreId, data: { email: 'a@probe.example' } });
    await call('data-store-records_update', { dataStoreId, key, data: { email: 'b@probe.example' } });
    await call('data-store-records_replace', { dataStoreId, key, data: { email: 'c@probe.example' } });
    await find('data-store-records_list', { dataStoreId, limit: 10 }, ({ data }) => data.email === 'c@probe.example');
    await call('data-store-records_delete', { dataStoreId, keys: [key] });
    await call('data-stores_delete', { dataStoreId });
    await call('data-structures_delete', { dataStructureId });
}

export async function functions() {
    const code = 'function probe(x) { return x * 2; }';
    await call('functions_check', { teamId, code });
    const { id: functionId } = await call('functions_create', { teamId, name: 'probe', code, description: 'Doubles.' });
    await find('functions_list', { teamId }, ({ id }) => id === functionId);
    await call('functions_get', { functionId });
    await call('functions_update', { functionId, code: 'function probe(x) { return x * 3; }' });
    await call('functions_delete', { functionId });
}
