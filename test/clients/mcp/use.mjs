// What every client does: it lists the tools, runs a scenario, and deletes a record, which somebody has to agree to.
export async function use(client, protocol) {
    const { tools } = await client.listTools();
    const run = await client.callTool({ name: 'scenario_501_create_a_crm_lead', arguments: { email: 'a@b.example', name: 'Ann' } });
    const remove = await client.callTool({ name: 'data-store-records_delete', arguments: { dataStoreId: 51, keys: ['c-1'] } });
    console.log(JSON.stringify({ protocol: protocol(), tools: tools.map(({ name }) => name), run, remove }));
    await client.close();
}
