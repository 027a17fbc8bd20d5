// Records what Make's SDK sends for each of its tools, once with every argument and once with the required ones:
//   npm install @makehq/sdk@1.6.10 && node record.mjs > sdk-requests.jsonl
import { MakeTools } from '@makehq/sdk/tools';
import { Make } from '@makehq/sdk';

const png = () => {
    const bytes = Buffer.alloc(24);
    Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]).copy(bytes);
    bytes.write('IHDR', 12);
    bytes.writeUInt32BE(512, 16);
    bytes.writeUInt32BE(512, 20);
    return bytes.toString('base64');
};

// value makes up something that fits a JSON Schema.
function value(name, schema) {
    if (name === 'dataBase64') return png();
    if (schema.enum) return schema.enum[0];
    if (schema.oneOf) return value(name, schema.oneOf[0]);
    switch (schema.type) {
        case 'number': return 7;
        case 'boolean': return true;
        case 'array': return [value('first-' + name, schema.items ?? {}), value('second-' + name, schema.items ?? {})];
        case 'object': {
            if (schema.patternProperties) return { some: value(name, Object.values(schema.patternProperties)[0]) };
            const members = Object.entries(schema.properties ?? { member: { type: 'string' } });
            return Object.fromEntries(members.map(([key, inner]) => [key, value(key, inner)]));
        }
        default: return 'some-' + name;
    }
}

let sent;
class Recorder extends Make {
    async handleRequest(url, { method, headers, body }) {
        const { pathname, searchParams } = new URL(url);
        const query = {};
        for (const [name, text] of searchParams) (query[name] ??= []).push(text);
        const type = Object.entries(headers).find(([name]) => name.toLowerCase() === 'content-type')?.[1];
        const binary = body instanceof Uint8Array;
        sent.push({ method: method ?? 'GET', path: pathname.replace('/api/v2', ''), query, type, body: binary ? Buffer.from(body).toString('base64') : body });
        return new Response('{"scenario":{"id":7},"response":{},"interface":{},"connection":{}}', { headers: { 'content-type': 'application/json' } });
    }
}

// more are cases in which the SDK does more than pass arguments on.
const more = [
    ['scenarios_create', { teamId: 7, scheduling: { type: 'on-demand' }, blueprint: { name: 'n', flow: [], scheduling: { type: 'daily' }, interface: { input: [{ name: 'email' }], output: null } } }],
    ['scenarios_update', { scenarioId: 7, blueprint: { name: 'n', flow: [], io: { output_spec: [{ name: 'score' }] } }, confirmed: false }],
    ['scenarios_update', { scenarioId: 7, name: 'n', folderId: null }],
    ['scenarios_run', { scenarioId: 7, responsive: false }],
    ['hooks_create', { teamId: 7, name: 'n', typeName: 'gateway-webhook', data: { name: 'other', method: true } }],
    ['connections_create', { teamId: 7, name: 'n', accountName: 'google', data: { name: 'other', teamId: 8, apiKey: 'k' } }],
    ['connections_update', { connectionId: 7, name: '' }],
    ['private-spaces_update', { privateSpaceId: 7, operationsLimit: null, confirmed: false }],
    ['public-templates_list', { name: 'a & b=c', usedApps: [] }],
];

const make = new Recorder('11111111-2222-4333-8444-555555555555', 'eu1.make.com');

async function record(name, args) {
    sent = [];
    try {
        await MakeTools.find((tool) => tool.name === name).execute(make, args);
    } catch (err) {
        if (sent.length === 0) throw err; // what follows the request reads answers that are not recorded
    }
    console.log(JSON.stringify({ tool: name, arguments: args, requests: sent }));
}

for (const { name, inputSchema } of MakeTools) {
    const properties = Object.entries(inputSchema.properties ?? {});
    const required = properties.filter(([property]) => inputSchema.required?.includes(property));
    const synthesize = (some) => Object.fromEntries(some.map(([property, schema]) => [property, value(property, schema)]));
    await record(name, synthesize(properties));
    if (required.length < properties.length) await record(name, synthesize(required));
}
for (const [name, args] of more) await record(name, args);
