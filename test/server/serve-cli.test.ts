// `onebit serve` as people start it: the address, several models, keys, signals. Runs bin/onebit.js of the built checkout.
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { tinyModel } from '../tiny-model.ts';

const program = fileURLToPath(new URL('../../bin/onebit.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'onebit-serve-'));
const models = join(folder, 'models');
mkdirSync(models);
for (const seed of [1, 2]) writeFileSync(join(models, `tiny-${seed}.gguf`), await tinyModel({ seed }));
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

interface Running {
  child: ChildProcess;
  url: string;
  output: { stdout: string; stderr: string };
  ended: Promise<number | null>;
}

/** Starts the program; resolves when it has printed its address, or has ended. */
function serve(args: string[]): Promise<Running> {
  const child = spawn(process.execPath, [program, 'serve', '--port', '0', ...args], { stdio: 'pipe' });
  children.push(child);
  const output = { stdout: '', stderr: '' };
  const ended = new Promise<number | null>((resolve) => {
    child.on('close', resolve);
  });
  return new Promise((resolve) => {
    child.stdout.on('data', (chunk) => {
      output.stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output.stderr += chunk;
      const url = /listening on (\S+)/.exec(output.stderr)?.[1];
      if (url) resolve({ child, url, output, ended });
    });
    void ended.then(() => resolve({ child, url: '', output, ended }));
  });
}

function complete(url: string, model?: string, key?: string): Promise<Response> {
  return fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) },
    body: JSON.stringify({ model, prompt: 'Hello', max_tokens: 4, ignore_eos: true }),
  });
}

test('serves a folder of models within a memory bound, logs, and ends with 0 at SIGTERM', async () => {
  const { child, url, output, ended } = await serve(['-m', models, '--memory', '8', '--kv-tokens', '256']);
  expect(output.stderr).toMatch(/^listening on http:\/\/127\.0\.0\.1:\d+ with tiny-1, tiny-2\n$/);
  const loaded = async () => (await (await fetch(`${url}/ready`)).json()).models;
  expect(await loaded()).toEqual(['tiny-1']);
  expect((await complete(url, 'tiny-2')).status).toBe(200);
  expect(await loaded()).toEqual(['tiny-2']); // both do not fit
  expect((await complete(url)).status).toBe(200);
  expect(await loaded()).toEqual(['tiny-1']);
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
  const entries = output.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(entries.find((entry) => entry.model === 'tiny-2')).toMatchObject({
    event: 'request',
    path: '/v1/completions',
    status: 200,
    completionTokens: 4,
  });
});

test('ends with 0 at SIGTERM while its model is still coming, from a server that says nothing', async () => {
  const silent = createServer((socket) => socket.on('error', () => {})).listen(0);
  const asked = once(silent, 'connection');
  const starting = serve(['-m', `http://127.0.0.1:${(silent.address() as AddressInfo).port}/model.gguf`]);
  await asked;
  const began = performance.now();
  children.at(-1)!.kill('SIGTERM');
  const { ended, output } = await starting;
  expect(await ended, output.stderr).toBe(0);
  expect(performance.now() - began).toBeLessThan(25_000); // at once, and not when the grace of 40 s is over
  silent.close();
}, 60_000);

test('clients that are killed leave nothing: no place, no memory of the cache', async () => {
  const { child, url, ended } = await serve(['-m', join(models, 'tiny-1.gguf'), '--parallel', '2']);
  const gauge = async (name: string) => {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    return Number(
      metrics
        .split('\n')
        .find((line) => line.startsWith(`${name}{`))
        ?.split(' ')
        .at(-1),
    );
  };
  const attack = `const ask = () => fetch('${url}/v1/completions', { method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'Hello', max_tokens: 100000, ignore_eos: true, stream: true }) }).then((answer) => answer.text());
    for (;;) await Promise.all([ask(), ask(), ask(), ask()]);`;
  for (let round = 0; round < 2; round++) {
    const client = spawn(process.execPath, ['--input-type=module', '-e', attack]);
    while ((await gauge('vllm:num_requests_running')) < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    client.kill('SIGKILL');
    const busy = ['vllm:num_requests_running', 'vllm:num_requests_waiting', 'vllm:kv_cache_usage_perc'];
    for (const name of busy) while ((await gauge(name)) > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect((await complete(url)).status).toBe(200);
  child.kill('SIGTERM');
  expect(await ended).toBe(0); // no timer keeps it
});

test('takes keys from flags and a file', async () => {
  const file = join(folder, 'keys.json');
  const sha256 = createHash('sha256').update('from-file').digest('hex');
  writeFileSync(file, JSON.stringify({ keys: [{ name: 'shop', sha256 }] }));
  const args = ['-m', join(models, 'tiny-1.gguf'), '--api-key', 'from-flag', '--api-keys', file];
  const { child, url, output, ended } = await serve(args);
  const statuses = [];
  for (const key of [undefined, 'from-flag', 'from-file', 'other'])
    statuses.push((await complete(url, undefined, key)).status);
  expect(statuses).toEqual([401, 200, 200, 401]);
  child.kill('SIGTERM');
  await ended;
  expect(output.stdout).toContain('"key":"shop"');
  expect(output.stdout + output.stderr).not.toContain('from-');
});

test.each([
  [
    'a file of keys that is wrong',
    ['--api-keys', 'keys-wrong.json'],
    1,
    /keys\.0\.sha256: must be 64 hexadecimal digits/,
  ],
  ['a folder without models', ['-m', '.'], 1, /there is no \.gguf file in the folder/],
  ['a model that is not there', ['-m', 'none.gguf'], 1, /no such file/],
  ['an address that is not ours', ['-m', 'models', '--host', '192.0.2.1'], 1, /cannot listen on 192\.0\.2\.1/],
  ['a bound that is too small', ['-m', 'models', '--memory', '1'], 1, /needs \d+ MB, the memory bound is 1 MB/],
  ['an unknown option', ['--nope'], 2, /unknown option/],
])('ends with a message for %s', async (_, args, code, message) => {
  writeFileSync(join(folder, 'keys-wrong.json'), '{"keys":[{"name":"a","sha256":"abc"}]}');
  const paths = args.map((arg) => (/^(\.|models|.*\.json|.*\.gguf)$/.test(arg) ? join(folder, arg) : arg));
  const { output, ended } = await serve(paths);
  expect(await ended).toBe(code);
  expect(output.stderr).toMatch(message);
});
