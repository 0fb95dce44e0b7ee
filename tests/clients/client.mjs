// Calls a tool with the SDK of TypeScript, configured by a client's file: client.mjs FILE SERVER MESSAGE
//
// The file is the one of Claude Code or of VS Code. What VS Code would ask a person for is in INPUT_<ID>.
import { readFileSync } from 'node:fs';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const [file, server, message] = process.argv.slice(2);
const of = (name) => process.env[name] ?? fail(`${name} is not set`);
const fail = (text) => {
    throw new Error(text);
};
const filledIn = (text) =>
    text
        .replace(/\$\{input:([^}]+)\}/g, (_, id) => of(`INPUT_${id.toUpperCase().replaceAll('-', '_')}`))
        .replace(/\$\{(\w+)\}/g, (_, name) => of(name));

const configuration = JSON.parse(readFileSync(file, 'utf8'));
const entry = (configuration.mcpServers ?? configuration.servers)[server];
if (entry.type !== 'http') fail(`not HTTP: ${entry.type}`);
const headers = Object.fromEntries(Object.entries(entry.headers ?? {}).map(([name, text]) => [name, filledIn(text)]));
const client = new Client({ name: 'test', version: '1' });
await client.connect(new StreamableHTTPClientTransport(new URL(entry.url), { requestInit: { headers } }));
const result = await client.callTool({ name: 'echo', arguments: { message } });
console.log(result.content[0].text);
await client.close();
