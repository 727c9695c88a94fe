// `onebit evaluate` as it is run: several models side by side, killed and gone on with, answers and their calibration, an endpoint as a model, data by address.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { abstainOf } from '../src/cli/calibration-file.ts';
import { Endpoint } from '../src/evaluate/endpoint.ts';
import { load } from '../src/index.ts';
import { program, runProgram } from './run-program.ts';
import { startServer } from './server/started-server.ts';
import { tinyModel } from './tiny-model.ts';

vi.setConfig({ testTimeout: 120_000 });
const folder = mkdtempSync(join(tmpdir(), 'onebit-evaluate-'));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));
writeFileSync(at('a.gguf'), await tinyModel({ contextLength: 256 }));
writeFileSync(at('b.gguf'), await tinyModel({ contextLength: 256, seed: 9 }));
const rows = Array.from({ length: 24 }, (_, i) => ({
  context: `Row ${i} is`,
  choices: ['red', 'a tree', 'é'],
  label: i % 3,
}));
const rowsText = `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`;
writeFileSync(at('rows.jsonl'), rowsText);
writeFileSync(at('text.txt'), 'A short text, to be read in several windows. '.repeat(12));
const common = ['--backend', 'wasm', '--threads', '1', '--ctx', '64', '--json'];

// biome-ignore lint/suspicious/noExplicitAny: whatever the program prints
type Json = any;

async function run(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; json: Json; stderr: string }> {
  const { code, stdout, stderr } = await runProgram(['evaluate', ...args], { env });
  return { code, stderr, json: stdout.startsWith('{') ? JSON.parse(stdout) : undefined };
}

const withoutCost = (json: Json) => json.models.map(({ cost: _, ...rest }: Json) => rest);

test('killed at once, the same command goes on and gives what an undisturbed run gives', async () => {
  const asked = [
    at('a.gguf'),
    at('b.gguf'),
    '--task',
    `choices=${at('rows.jsonl')}`,
    '--limit',
    '16',
    '--samples',
    '--mutual-info',
    ...common,
  ];
  const whole = await run(asked);
  expect(whole.code).toBe(0);
  const journal = ['--journal', at('run.journal')];
  const killed = spawn(process.execPath, [program, 'evaluate', ...asked, ...journal], { stdio: 'ignore' });
  const ended = new Promise((resolve) => killed.on('close', resolve));
  for (let lines = 0; lines < 5 && killed.exitCode === null; ) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    if (existsSync(at('run.journal'))) lines = readFileSync(at('run.journal'), 'utf8').split('\n').length;
  }
  killed.kill('SIGKILL');
  await ended;
  const resumed = await run([...asked, ...journal, '--report', at('report.html')]);
  expect(resumed.stderr).toBe('');
  expect(withoutCost(resumed.json)).toEqual(withoutCost(whole.json));
  const [a, b] = resumed.json.models;
  expect(a.tasks[0]).toMatchObject({ items: 16, form: 'choices', task: 'rows.jsonl' });
  expect(a.tasks[0].samples[0]).not.toEqual(b.tasks[0].samples[0]);
  expect(a.cost).toMatchObject({ fileBytes: readFileSync(at('a.gguf')).length });
  expect(a.cost.tokens).toBe(b.cost.tokens);
  // What is written down is not computed again.
  const lines = readFileSync(at('run.journal'), 'utf8').split('\n').length;
  await run([...asked, ...journal]);
  expect(readFileSync(at('run.journal'), 'utf8').split('\n').length).toBe(lines);
  const html = readFileSync(at('report.html'), 'utf8');
  expect(html).toContain('| model | rows.jsonl, acc_mutual_info (16) | MB |');
  expect(html).toMatch(/loses/);
  expect(html).toMatch(/Row \d+ is/);
  expect(html).not.toMatch(/<script|https?:/);
});

test('a question is no example of itself, and PIQA has its answers in a file beside', async () => {
  const lines = rowsText.split('\n');
  writeFileSync(at('second.jsonl'), lines[1]);
  const fewShot = async (file: string) => {
    const examples = ['--few-shot', '1', '--few-shot-file', at(file), '--limit', '2', '--samples'];
    const { json } = await run([at('a.gguf'), '--task', `choices=${at('rows.jsonl')}`, ...examples, ...common]);
    return json.models[0].tasks[0].samples.map(({ logLikelihoods }: Json) => logLikelihoods);
  };
  expect((await fewShot('rows.jsonl'))[0]).toEqual((await fewShot('second.jsonl'))[0]);
  const goals = ['one', 'two', 'three'].map((goal) => JSON.stringify({ goal, sol1: 'a', sol2: 'b' }));
  writeFileSync(at('valid.jsonl'), goals.join('\n'));
  writeFileSync(at('valid-labels.lst'), '1\n0\n1\n');
  const { json } = await run([at('a.gguf'), '--task', `piqa=${at('valid.jsonl')}`, '--samples', ...common]);
  expect(json.models[0].tasks[0].samples.map(({ label }: Json) => label)).toEqual([1, 0, 1]);
});

test('a model against itself differs nowhere, against another it does; texts have intervals', async () => {
  const { json } = await run([
    at('a.gguf'),
    at('b.gguf'),
    '--text',
    at('text.txt'),
    '--against',
    at('a.gguf'),
    '--watts',
    '10',
    '--price-kwh',
    '0.3',
    ...common,
  ]);
  const [same, other] = json.models;
  expect(same.against[0].klDivergence.value).toBe(0);
  expect(same.against[0].sameTop.value).toBe(1);
  expect(other.against[0].klDivergence.value).toBeGreaterThan(0);
  expect(same.against[0].places).toBeGreaterThan(400);
  const [text] = same.texts;
  expect(text).toMatchObject({ windowTokens: 64, strideTokens: 64, tokens: 540, bytes: 540 });
  expect(text.interval.from).toBeLessThan(text.bitsPerByte);
  expect(text.interval.to).toBeGreaterThan(text.bitsPerByte);
  expect(same.cost).toMatchObject({ energyFrom: 'stated' });
  expect(same.cost.joules / ((10 * same.cost.seconds * 1e6) / same.cost.tokens)).toBeCloseTo(1, 2);
  expect(same.cost.price).toBeCloseTo((same.cost.joules / 3.6e6) * 0.3, 9);
});

test('answers are judged, calibrated, and held back by that calibration of that model', async () => {
  const model = await load(readFileSync(at('a.gguf')), { backend: 'wasm', threads: 1 });
  const asks = [];
  for (const prompt of ['one', 'two', 'three', 'four']) {
    const { text } = await model.generate(prompt, { maxTokens: 6, temperature: 0 }).result();
    asks.push({ prompt, answers: [prompt === 'two' ? 'something else' : ` ${text} `], max_tokens: 6 });
  }
  await model.dispose();
  const schema = { type: 'boolean' };
  writeFileSync(at('asks.jsonl'), asks.map((ask) => JSON.stringify(ask)).join('\n'));
  writeFileSync(at('forms.jsonl'), JSON.stringify({ prompt: 'x', schema, answers: [true, false] }));
  const calibration = at('a.calibration.json');
  const { json, code } = await run([
    at('a.gguf'),
    '--task',
    `ask=${at('asks.jsonl')}`,
    '--task',
    `ask=${at('forms.jsonl')}`,
    '--calibrate',
    calibration,
    ...common,
  ]);
  expect(code).toBe(0);
  const [asked, forms] = json.models[0].tasks;
  expect(asked).toMatchObject({ items: 4, exact_match: { value: 0.75 }, calibration: { likelihood: { items: 4 } } });
  expect(forms).toMatchObject({ exact_match: { value: 1 }, valid: { value: 1 } });
  expect(JSON.parse(readFileSync(calibration, 'utf8'))).toMatchObject({
    kind: 'onebit-calibration',
    measure: 'likelihood',
  });
  const generate = (name: string, below: string) =>
    spawnSync(
      process.execPath,
      [
        program,
        'generate',
        '-m',
        at(name),
        '-p',
        'one',
        '-n',
        '6',
        '--json',
        '--abstain',
        calibration,
        '--abstain-below',
        below,
        '--abstain-answer',
        'Ask us.',
      ],
      { encoding: 'utf8' },
    );
  expect(JSON.parse(generate('a.gguf', '1').stdout)).toMatchObject({ text: 'Ask us.', finishReason: 'abstain' });
  expect(JSON.parse(generate('a.gguf', '0').stdout).finishReason).not.toBe('abstain');
  const foreign = generate('b.gguf', '0.5');
  expect(foreign.status).toBe(1);
  expect(foreign.stderr).toMatch(/must be of the model that answers/);
});

test('a file that is no calibration is refused, and what it lacks is said', async () => {
  const { signal } = new AbortController();
  const whole = { kind: 'onebit-calibration', model: { name: 'a', identity: 'a' }, measure: 'likelihood', slope: 1 };
  const refused = async (file: unknown, problem: RegExp) => {
    writeFileSync(at('no.json'), JSON.stringify(file));
    const flags = { abstain: at('no.json'), abstainBelow: 0.5, abstainAnswer: 'Ask us.' };
    await expect(abstainOf(flags, 'a', signal)).rejects.toThrow(/no\.json must be a calibration, it is not: /);
    await expect(abstainOf(flags, 'a', signal)).rejects.toThrow(problem);
  };
  await refused(null, /file must be an object/);
  await refused({ onebit: 'calibration' }, /kind must be one of onebit-calibration/);
  await refused({ ...whole, model: {} }, /model\.name must be a text/);
  await refused(whole, /offset must be a finite number/);
  await refused({ ...whole, offset: 0, samples: 33 }, /samples must be a whole number from 1 to 32/);
});

test('an endpoint gives the same numbers as the model in this process', async () => {
  const model = await load(readFileSync(at('a.gguf')), { backend: 'wasm', threads: 1, contextTokens: 64 });
  const started = await startServer({ model });
  const asked = ['--task', `choices=${at('rows.jsonl')}`, '--limit', '5', '--samples', ...common];
  const here = await run([at('a.gguf'), ...asked]);
  const there = await run([`${started.url}/v1#tiny`, ...asked]);
  await started.stop();
  expect(there.stderr).toBe('');
  const [a, b] = [here, there].map(({ json }) => json.models[0].tasks[0].samples);
  for (const [i, sample] of a.entries()) {
    for (const [o, sum] of sample.logLikelihoods.entries()) expect(b[i].logLikelihoods[o]).toBeCloseTo(sum, 5);
    expect(b[i].chosen).toEqual(sample.chosen);
  }
});

test('an endpoint that is busy is waited for', async () => {
  let asked = 0;
  const busy: typeof fetch = async () => {
    if (asked++ < 2) return new Response('', { status: 429, headers: { 'retry-after': '0.01' } });
    const logprobs = { tokens: ['a', 'b'], token_logprobs: [null, -1], text_offset: [0, 1] };
    return Response.json({ choices: [{ logprobs }], usage: { total_tokens: 2 } });
  };
  const endpoint = new Endpoint({ url: 'http://x/v1', model: 'm', fetch: busy });
  expect((await endpoint.logLikelihood('a', 'b')).sum).toBe(-1);
  expect(asked).toBe(3);
});

test('of thousands of questions the one that cannot be asked is named; options without a text have a confidence', async () => {
  const odd = [rows[0], { ...rows[0], choices: ['', ''] }, { ...rows[0], choices: ['x', 'y '.repeat(400)] }];
  writeFileSync(at('odd.jsonl'), odd.map((row) => JSON.stringify(row)).join('\n'));
  const { code, stderr } = await run([at('a.gguf'), '--task', `choices=${at('odd.jsonl')}`, ...common]);
  expect([code, stderr]).toEqual([1, expect.stringMatching(/odd\.jsonl, question 3: an option must have/)]);
  const some = ['--task', `choices=${at('odd.jsonl')}`, '--limit', '2', '--samples', ...common];
  const { json } = await run([at('a.gguf'), ...some]);
  expect(json.models[0].tasks[0].samples[1].confidence.acc_norm).toBe(0.5);
});

test('data of an address needs its hash, is fetched once, and must be what the hash says', async () => {
  let asked = 0;
  const server = createServer((_, response) => {
    asked++;
    response.end(rowsText);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/rows.jsonl`;
  const digest = createHash('sha256').update(rowsText).digest('hex');
  const task = (hash: string) => [at('a.gguf'), '--task', `choices=${url}${hash}`, '--limit', '2', ...common];
  const env = { ONEBIT_CACHE: at('cache') };
  expect((await run(task(''), env)).stderr).toContain(`${url}#sha256=${digest}`);
  expect((await run(task(`#sha256=${'0'.repeat(64)}`), env)).stderr).toMatch(/its hash must be 0000/);
  expect((await run(task(`#sha256=${digest}`), env)).json.models[0].tasks[0].items).toBe(2);
  expect(asked).toBe(3);
  server.close();
  expect((await run(task(`#sha256=${digest}`), env)).code).toBe(0);
});
