// A server of the TypeScript SDK v2 with two tools: typescript_v2.mjs MODE PORT
import { createServer } from 'node:http';
import { localhostHostValidation, toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import * as z from 'zod';

const [mode, port] = process.argv.slice(2);
const text = (value) => ({ content: [{ type: 'text', text: String(value) }] });
const handler = createMcpHandler(
    () => {
        const server = new McpServer({ name: 'typescript-v2', version: '1.0.0' });
        const one = { inputSchema: z.object({ message: z.string() }) };
        server.registerTool('echo', one, async ({ message }) => text(message));
        const two = { inputSchema: z.object({ a: z.number(), b: z.number() }) };
        server.registerTool('add', two, async ({ a, b }) => text(a + b));
        return server;
    },
    { legacy: mode === 'modern' ? 'reject' : 'stateless' },
);
const handle = toNodeHandler(handler);
const isAllowed = localhostHostValidation();
createServer((request, response) => {
    if (mode === 'guarded' && !isAllowed(request, response)) return;
    if (new URL(request.url, 'http://x').pathname === '/mcp') return handle(request, response);
    response.writeHead(404).end('not here');
}).listen(Number(port), '127.0.0.1');
