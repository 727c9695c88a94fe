// `onebit mcp` as assistants use it: the SDK's own client, over stdio and HTTP. Runs bin/onebit.js of the built checkout.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { expect, test } from 'vitest';
import { checkAuditLog } from '../src/server/audit.ts';

const program = fileURLToPath(new URL('../bin/onebit.js', import.meta.url));
const schema = { type: 'object', properties: { topic: { enum: ['table', 'taxi'] } }, required: ['topic'] };

async function check(client: Client): Promise<void> {
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toEqual(['fields', 'decide', 'generate', 'batch']);
  const one = await client.callTool({ name: 'generate', arguments: { prompt: 'A table for two.', schema } });
  const { text } = one.structuredContent as { text: string };
  expect(JSON.parse(text).topic).toMatch(/^(table|taxi)$/);
  const args = { texts: ['A taxi, please.', 'A table for two.'], prompt: 'About: {{text}}', schema };
  const many = await client.callTool({ name: 'batch', arguments: args });
  const { results } = many.structuredContent as { results: { text: string }[] };
  expect(results.map((result) => JSON.parse(result.text).topic)).toHaveLength(2);
  const read = await client.callTool({ name: 'fields', arguments: { texts: ['Write to me@example.org', ''] } });
  const written = { label: 'email', text: 'me@example.org', start: 9 };
  expect(read.structuredContent).toMatchObject({ results: [{ fields: [written] }, { fields: [] }] });
  const questions = [
    { type: 'choice', name: 'topic', instructions: 'About?', options: [{ label: 'taxi' }, { label: 'table' }] },
    { type: 'yes-no', instructions: 'Is it urgent?' },
  ];
  const asked = await client.callTool({ name: 'decide', arguments: { text: 'A taxi, please.', questions } });
  expect(asked.structuredContent).toMatchObject({
    answers: [{ name: 'topic', choice: expect.stringMatching(/^(taxi|table)$/) }, { probability: expect.any(Number) }],
  });
  const none = await client.callTool({ name: 'decide', arguments: { text: 'x', questions: [{ type: 'guess' }] } });
  expect(none.isError).toBe(true);
  for (const prompt of ['nothing', '{{text}} of {{name}}']) {
    const wrong = await client.callTool({ name: 'batch', arguments: { texts: ['x'], prompt } });
    expect(wrong).toMatchObject({ isError: true, content: [{ text: expect.stringContaining('{{text}}') }] });
  }
  const told: number[] = [];
  const some = {
    texts: ['A taxi.', ' ', ...Array(18).fill('A {{text}}.')],
    prompt: 'About: {{ text }}',
    max_tokens: 64,
  };
  const onprogress = ({ progress, total }: { progress: number; total?: number }) => told.push(progress / total!);
  const rows = await client.callTool({ name: 'batch', arguments: some }, undefined, { onprogress });
  const said = (rows.structuredContent as { results: { text?: string; error?: string }[] }).results;
  expect(said).toHaveLength(20);
  expect(said[1]).toEqual({ error: 'the text is empty' });
  expect(said[19]).toEqual(said[2]);
  expect(told.length).toBeGreaterThan(2); // the last may come with the answer
  expect(told).toEqual(told.toSorted((a, b) => a - b));
  await client.close();
}

/** What the server says to bytes that no program sends. */
function sent(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let said = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (piece) => {
      said += piece;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(said));
  });
}

test('over stdio', async () => {
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args: [program, 'mcp', '--threads', '1'] }),
  );
  await check(client);
}, 180_000);

test('over stdio: a message that is too long is refused by its id, and what else was asked is answered', async () => {
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args: [program, 'mcp', '--threads', '1'] }),
  );
  const fields = (texts: string[]) => client.callTool({ name: 'fields', arguments: { texts } });
  const long = fields(Array(1000).fill('x'.repeat(20_000)));
  const short = fields(['Write to me@example.org']);
  await expect(long).rejects.toMatchObject({ code: -32600, message: expect.stringContaining('8388608 bytes') });
  expect((await short).structuredContent).toMatchObject({ results: [{ fields: [{ label: 'email' }] }] });
  await client.close();
}, 180_000);

test("under the operator's rules: answers are marked, calls are written down, what is forbidden is refused", async () => {
  const folder = mkdtempSync(join(tmpdir(), 'onebit-mcp-'));
  const policy = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => {
      body += part;
    });
    request.on('end', () => response.end(JSON.stringify({ allow: !body.includes('forbidden'), reason: 'Not that.' })));
  }).listen(0, '127.0.0.1');
  await new Promise((done) => policy.once('listening', done));
  const url = `http://127.0.0.1:${(policy.address() as AddressInfo).port}`;
  const log = join(folder, 'calls.log');
  const rules = ['--watermark', 'a secret of the operator', '--policy', url, '--audit', log];
  const client = new Client({ name: 'test', version: '1' });
  try {
    await client.connect(
      new StdioClientTransport({ command: process.execPath, args: [program, 'mcp', '--threads', '1', ...rules] }),
    );
    const call = (name: string, args: object) => client.callTool({ name, arguments: args as Record<string, unknown> });
    const answers = [];
    for (let i = 0; i < 2; i++)
      answers.push((await call('generate', { prompt: 'A table for two.' })).structuredContent);
    expect(answers[0]).toMatchObject({ text: expect.any(String), finish_reason: expect.any(String) });
    for (const name of ['generate', 'fields']) {
      const args = name === 'generate' ? { prompt: 'forbidden' } : { texts: ['forbidden'] };
      expect(await call(name, args)).toMatchObject({ isError: true, content: [{ text: 'Not that.' }] });
    }
    const lines = readFileSync(log, 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { route: 'mcp/generate', status: 200, policy: 'allowed' },
      { route: 'mcp/generate', status: 200 },
      { route: 'mcp/generate', status: 403, policy: 'refused' },
      { route: 'mcp/fields', status: 403 },
    ]);
    expect(await checkAuditLog(lines)).toMatchObject({ isWhole: true });
  } finally {
    await client.close();
    policy.close();
    rmSync(folder, { recursive: true });
  }
}, 180_000);

test('over HTTP, not for pages', async () => {
  const child = spawn(process.execPath, [program, 'mcp', '--http', '--port', '0', '--threads', '1'], { stdio: 'pipe' });
  try {
    const url = await new Promise<string>((resolve) => {
      let said = '';
      child.stderr.on('data', (piece) => {
        said += piece;
        const found = /http:\S+/.exec(said);
        if (found) resolve(found[0]);
      });
    });
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(new StreamableHTTPClientTransport(new URL(url)));
    await check(client);
    const page = await fetch(url, { method: 'POST', body: '{}', headers: { origin: 'http://evil.example' } });
    expect(page.status).toBe(403);
    expect((await fetch(url)).status).toBe(405);
    for (const path of ['//', 'http://[', '*', '/%', '/mcp/../..']) {
      const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`;
      expect(await sent(Number(new URL(url).port), head), path).toMatch(/^HTTP\/1.1 4\d\d /);
    }
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    for (const body of ['', '{', '['.repeat(1e5), `[${'{},'.repeat(1e5)}{}]`, 'x'.repeat(9 << 20)]) {
      const { status } = await fetch(url, { method: 'POST', body, headers });
      expect([400, 413]).toContain(status);
    }
    const again = new Client({ name: 'test', version: '1' });
    await again.connect(new StreamableHTTPClientTransport(new URL(url)));
    expect((await again.listTools()).tools).toHaveLength(4);
    await again.close();
  } finally {
    child.kill();
  }
}, 180_000);
