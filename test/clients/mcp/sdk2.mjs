// The second generation of the TypeScript SDK, in either era: MCP_ERA is legacy or modern. Its user agrees to everything.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { use } from './use.mjs';

const transport = new StreamableHTTPClientTransport(new URL(process.env.MCP_URL), {
    requestInit: { headers: { Authorization: `Bearer ${process.env.MCP_TOKEN}` } },
});
const client = new Client(
    { name: 'sdk2', version: '1' },
    {
        capabilities: { elicitation: { form: {} } },
        versionNegotiation: { mode: process.env.MCP_ERA === 'modern' ? 'auto' : 'legacy' },
    },
);
client.setRequestHandler('elicitation/create', async () => ({ action: 'accept', content: { confirmed: true } }));
await client.connect(transport);
await use(client, () => transport.protocolVersion);
