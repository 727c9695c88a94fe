// Owns what the scripts of this folder share: a Redis that writes everything to the disk, servers and workers as processes of their own, a batch, and the check that
// every row is in its output once, in order. Nothing is left running.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../bin/onebit.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'onebit-jobs-'));
const children = new Set();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** A process, and what it said when `says` was in it. */
function start(command, args, says) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  let said = '';
  const ended = new Promise((resolve) => child.once('exit', resolve)).finally(() => children.delete(child));
  const ready = new Promise((resolve, reject) => {
    const hear = (text) => {
      if (said.length < 1e5) said += text;
      if (says.test(said)) resolve(said);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    ended.then((code) => reject(new Error(`${command} ${args[0]} ended with ${code}: ${said}`)));
  });
  ready.catch(() => {});
  const kill = async (signal = 'SIGKILL') => {
    child.kill(signal);
    return ended;
  };
  return { child, ready, ended, kill };
}

/** Redis on a port of its own; `kill` and `start` again as often as you like. */
export async function startRedis(fsync = 'always') {
  const port = await freePort();
  const args = ['--port', `${port}`, '--dir', folder, '--appendonly', 'yes', '--appendfsync', fsync, '--save', ''];
  let running;
  const redis = {
    url: `redis://127.0.0.1:${port}`,
    async start() {
      running = start('redis-server', args, /Ready to accept connections/);
      await running.ready;
    },
    kill: (signal) => running.kill(signal),
    signal: (signal) => running.child.kill(signal),
  };
  await redis.start();
  return redis;
}

/** `onebit serve`; `url` is where it listens. */
export async function startServer(args, port) {
  const at = port ?? (await freePort());
  const all = ['serve', '--port', `${at}`, '--threads', '1', '--quiet', ...args];
  const server = start(process.execPath, [program, ...all], /listening on/);
  await server.ready;
  return { ...server, port: at, url: `http://127.0.0.1:${at}` };
}

/** `onebit worker`. */
export function startWorker(args) {
  return start(process.execPath, [program, 'worker', '--threads', '1', '--quiet', ...args], /working with/);
}

/** Asks until it is answered: 503 and silence mean later. Gives JSON, and how often it was refused. */
export async function ask(url, init) {
  for (let refused = 0; ; refused++) {
    const answer = await fetch(url, init).catch(() => undefined);
    if (answer?.ok) return { body: await answer.json(), refused };
    if (answer && answer.status !== 503) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
    if (answer && !answer.headers.get('retry-after')) throw new Error(`${url}: 503 without retry-after`);
    await sleep(300);
  }
}

const schema = {
  type: 'object',
  properties: { topic: { enum: ['card', 'parcel', 'other'] }, urgent: { type: 'boolean' } },
  required: ['topic', 'urgent'],
  additionalProperties: false,
};
const format = { type: 'json_schema', json_schema: { name: 'mail', strict: true, schema } };

/** Rows with a schema: every answer can be checked. */
export function rowsOf(count, name = 'row', more = {}) {
  return Array.from({ length: count }, (_, i) => ({
    custom_id: `${name}-${i}`,
    ...{ method: 'POST', url: '/v1/chat/completions' },
    body: {
      messages: [{ role: 'user', content: `Message ${i}: where is my parcel ${i * 7}?` }],
      ...{ max_tokens: 48, temperature: 0, response_format: format, ...more },
    },
  }));
}

/** Begins a batch; gives its id. */
export async function begin(url, rows) {
  const form = new FormData();
  form.set('purpose', 'batch');
  form.set('file', new Blob([rows.map((row) => JSON.stringify(row)).join('\n')]), 'in.jsonl');
  const file = (await ask(`${url}/v1/files`, { method: 'POST', body: form })).body;
  const body = JSON.stringify({
    ...{ input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' },
  });
  const headers = { 'content-type': 'application/json' };
  return (await ask(`${url}/v1/batches`, { method: 'POST', headers, body })).body.id;
}

export async function batchOf(url, id) {
  return (await ask(`${url}/v1/batches/${id}`)).body;
}

/** Waits for the end of a batch. */
export async function endOf(url, id) {
  for (;;) {
    const batch = await batchOf(url, id);
    if (['completed', 'failed', 'cancelled', 'expired'].includes(batch.status)) return batch;
    const { completed, failed, total } = batch.request_counts;
    await sleep(completed + failed > 0.9 * total ? 10 : 200); // near its end what is measured must not wait for the next look
  }
}

/** Throws unless every row is in the output once, in order, with an answer of the schema; gives the answers. */
export async function check(url, id, rows) {
  const batch = await endOf(url, id);
  if (batch.status !== 'completed') throw new Error(`the batch is ${batch.status}: ${JSON.stringify(batch)}`);
  if (batch.error_file_id)
    throw new Error(await (await fetch(`${url}/v1/files/${batch.error_file_id}/content`)).text());
  const text = await (await fetch(`${url}/v1/files/${batch.output_file_id}/content`)).text();
  const found = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  if (found.length !== rows.length) throw new Error(`${found.length} rows came out of ${rows.length}`);
  return found.map(({ custom_id, response }, i) => {
    if (custom_id !== rows[i].custom_id) throw new Error(`row ${i} is ${custom_id}`);
    const answer = response.body.choices[0].message.content;
    if (response.status_code !== 200) throw new Error(`row ${i}: ${response.status_code}`);
    if (rows[i].body.response_format && !('topic' in JSON.parse(answer))) throw new Error(`row ${i}: ${answer}`);
    return answer;
  });
}

/** Numbers by chance, the same for the same seed. */
export function randomOf(seed) {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** `--name value` of the command line, as a number. */
export function option(name, otherwise) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
}
