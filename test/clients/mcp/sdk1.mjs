// The first generation of the TypeScript SDK, which speaks revision 2025-11-25 and older.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { use } from './use.mjs';

const transport = new StreamableHTTPClientTransport(new URL(process.env.MCP_URL), {
    requestInit: { headers: { Authorization: `Bearer ${process.env.MCP_TOKEN}` } },
});
const client = new Client({ name: 'sdk1', version: '1' });
await client.connect(transport);
await use(client, () => transport.protocolVersion);
