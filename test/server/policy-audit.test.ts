// What an operator sees and keeps: a policy is asked before anything passes, streamed or not; the audit log is a chain in which a missing line is found; keys have a
// bound for mass generation.
import { existsSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, expect, test } from 'vitest';
import { openAuditFile } from '../../src/cli/audit-file.ts';
import { runServer, type ServerFlags } from '../../src/cli/serve-run.ts';
import { hexOf, sha256 } from '../../src/core/digest.ts';
import { type AuditSink, checkAuditLog } from '../../src/server/audit.ts';
import { DEFAULT_TOKENS_PER_DAY, hashKey } from '../../src/server/keys.ts';
import { ModelShelf } from '../../src/server/model-shelf.ts';
import { type Policy, type PolicyAnswer, type PolicyRequest, policyEndpoint } from '../../src/server/policy.ts';
import { type StartedServer, startServer } from './started-server.ts';

let started: StartedServer | undefined;
afterEach(async () => {
  await started?.stop();
  started = undefined;
});
const MESSAGES = [{ role: 'user' as const, content: 'Say it.' }];
/** Forty times A. */
const BODY = { messages: MESSAGES, max_tokens: 40, temperature: 0, logit_bias: { 65: 100 } };
const SAID = 'A'.repeat(40);

test('a policy sees requests before the model runs, and answers before they pass', async () => {
  const requests: PolicyRequest[] = [];
  const answers: PolicyAnswer[] = [];
  const policy: Policy = {
    request: (asked) => {
      requests.push(asked);
      return { allow: !JSON.stringify(asked.body).includes('forbidden'), reason: 'Not here.' };
    },
    answer: (asked) => {
      answers.push(asked);
      return { allow: true };
    },
  };
  started = await startServer({ policy });
  expect((await started.post('/v1/chat/completions', { ...BODY, n: 2 })).status).toBe(200);
  expect(requests).toMatchObject([{ route: '/v1/chat/completions', body: { messages: MESSAGES } }]);
  expect(answers).toMatchObject([{ texts: [SAID, SAID], final: true, answer: { object: 'chat.completion' } }]);
  const refused = await started.post('/v1/completions', { prompt: 'something forbidden' });
  expect(refused.status).toBe(403);
  expect((await refused.json()).error).toMatchObject({ code: 'policy_refused', message: 'Not here.' });
  expect(answers).toHaveLength(1);
  expect(started.log.at(-1)).toMatchObject({ policy: 'refused' });
});

test.each([
  ['/v1/chat/completions', BODY],
  ['/v1/completions', { ...BODY, prompt: 'x' }],
  ['/v1/responses', { input: 'x', temperature: 0, max_output_tokens: 40 }],
  ['/v1/messages', { messages: MESSAGES, max_tokens: 40 }],
  ['/api/chat', { messages: MESSAGES, model: 'tiny', options: { num_predict: 40 } }],
])('nothing of an answer that is refused passes: %s', async (path, body) => {
  let written = '';
  started = await startServer({
    policy: {
      answer: ({ texts }) => {
        written = texts.join('');
        return { allow: false };
      },
      streamCharacters: 5,
    },
  });
  const whole = await started.post(path, { ...body, stream: false });
  expect(whole.status).toBe(403);
  expect(written.length).toBeGreaterThan(0);
  const stream = await (await started.post(path, { ...body, stream: true })).text();
  expect(stream).toContain('policy of this server');
  expect(stream).not.toContain('AAAA');
});

test('of a stream only what was seen passes', async () => {
  const policy: Policy = { answer: ({ texts }) => ({ allow: texts[0].length < 20 }), streamCharacters: 8 };
  started = await startServer({ policy });
  const text = await (await started.post('/v1/chat/completions', { ...BODY, stream: true })).text();
  const passed = [...text.matchAll(/"content":"(A+)"/g)].map(([, some]) => some).join('');
  expect(passed.length).toBeGreaterThanOrEqual(8);
  expect(passed.length).toBeLessThan(20);
  expect(text).toContain('policy_refused');
});

test('an answer that was refused at its end is not kept either', async () => {
  started = await startServer({ policy: { answer: ({ final }) => ({ allow: !final }), streamCharacters: 5 } });
  const asked = { input: 'x', temperature: 0, ignore_eos: true, max_output_tokens: 40, stream: true }; // by chance an answer ends before any of it passes
  const text = await (await started.post('/v1/responses', asked)).text();
  const id = /"id":"(resp_\w+)"/.exec(text)![1];
  expect((await fetch(`${started.url}/v1/responses/${id}`)).status).toBe(404);
});

test.each(['closed', 'open'] as const)('a policy that fails fails %s', async (onFailure) => {
  const failing: Policy = { request: () => Promise.reject(new Error('down')), onFailure };
  started = await startServer({ policy: failing });
  const response = await started.post('/v1/chat/completions', BODY);
  expect(response.status).toBe(onFailure === 'open' ? 200 : 503);
  expect(started.log.find(({ event }) => event === 'policy_failed')).toMatchObject({ error: 'Error: down' });
  expect(started.log.at(-1)).toMatchObject({ policy: `failed ${onFailure}` });
  await started.stop();
  started = await startServer({ policy: { answer: () => new Promise(() => {}), timeoutMs: 20, onFailure } });
  expect((await started.post('/v1/chat/completions', BODY)).status).toBe(onFailure === 'open' ? 200 : 503);
});

test('a policy may be an address', async () => {
  const asked: Record<string, unknown>[] = [];
  const endpoint = createServer((request, response) => {
    let text = '';
    request.on('data', (part) => {
      text += part;
    });
    request.on('end', () => {
      asked.push({ ...JSON.parse(text), token: request.headers.authorization });
      response.end(JSON.stringify({ allow: asked.length < 3, reason: 'third' }));
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => endpoint.once('listening', resolve));
  const url = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/`;
  started = await startServer({ policy: policyEndpoint(url, { token: 'secret' }) });
  expect((await started.post('/v1/chat/completions', BODY)).status).toBe(200);
  expect(asked).toMatchObject([
    { stage: 'request', token: 'Bearer secret' },
    { stage: 'answer', texts: [SAID] },
  ]);
  const refused = await started.post('/v1/chat/completions', BODY);
  expect([refused.status, (await refused.json()).error.message]).toEqual([403, 'third']);
  endpoint.close();
  endpoint.closeAllConnections();
  expect((await started.post('/v1/chat/completions', BODY)).status).toBe(503);
});

test('what is read again is written down as well: answers that are kept, files of answers', async () => {
  const lines: string[] = [];
  started = await startServer({ audit: { sink: sink(lines) } });
  const { id } = await (await started.post('/v1/responses', { input: 'x', max_output_tokens: 4 })).json();
  const text = await (await fetch(`${started.url}/v1/responses/${id}`)).text();
  expect(JSON.parse(lines[1])).toMatchObject({
    ...{ method: 'GET', route: '/v1/responses/:id', status: 200 },
    answerSha256: hexOf(await sha256(text)),
  });
  await fetch(`${started.url}/v1/responses/${id}/input_items`);
  await fetch(`${started.url}/v1/responses/nobodys`);
  await fetch(`${started.url}/v1/models`);
  expect(lines.slice(2).map((line) => JSON.parse(line).status)).toEqual([200, 404]);
  expect(await checkAuditLog(lines)).toMatchObject({ isWhole: true, lines: 4 });
});

/** A log in memory. */
function sink(lines: string[]): AuditSink {
  return { last: lines.at(-1), append: async (line) => void lines.push(line) };
}

test('an address that never stops answering has failed, and holds no memory', async () => {
  const hook = createServer((_, answer) => {
    const more = () => {
      while (!answer.destroyed && answer.write(' '.repeat(1 << 16)));
    };
    answer.on('drain', more).on('error', () => {});
    more();
  });
  await new Promise<void>((done) => hook.listen(0, '127.0.0.1', done));
  try {
    const url = `http://127.0.0.1:${(hook.address() as AddressInfo).port}`;
    started = await startServer({ policy: policyEndpoint(url) });
    const answer = await started.post('/v1/completions', { prompt: 'x' });
    expect((await answer.json()).error.code).toBe('policy_unavailable');
    expect(started.log.at(-1)).toMatchObject({ policy: 'failed closed', status: 503 });
  } finally {
    hook.closeAllConnections();
    hook.close();
  }
});

test.each(['closed', 'open'] as const)(
  'a policy that never answers has failed at its time, though garbage is collected: %s',
  async (onFailure) => {
    started = await startServer({ policy: { request: () => new Promise(() => {}), timeoutMs: 300, onFailure } });
    setFlagsFromString('--expose-gc');
    const collect = setInterval(runInNewContext('gc') as () => void, 20);
    const answer = await started.post('/v1/completions', { prompt: 'x' });
    clearInterval(collect);
    expect(answer.status).toBe(onFailure === 'open' ? 200 : 503);
    expect(started.log.at(-1)).toMatchObject({ policy: `failed ${onFailure}` });
  },
  10_000,
);

test.each(['', 'notaurl', 'ftp://host/x', 'http://', 'localhost:9000/p', 'http://[::1'])(
  'an address that can never be asked is no policy: %j',
  (url) => {
    expect(() => policyEndpoint(url)).toThrow(/url must be an address/);
  },
);

test('the audit log has hashes of what was asked and answered, no texts unless they are wanted, in a chain', async () => {
  const lines: string[] = [];
  started = await startServer({ audit: { sink: sink(lines) } });
  const asked = JSON.stringify(BODY);
  const whole = await (await started.post('/v1/chat/completions', asked)).text();
  const stream = await (await started.post('/v1/chat/completions', { ...BODY, stream: true })).text();
  await started.post('/v1/chat/completions', '{"no": ');
  await fetch(`${started.url}/health`);
  expect(lines).toHaveLength(3);
  const [first, second, third] = lines.map((line) => JSON.parse(line));
  expect(first).toMatchObject({ sequence: 1, status: 200, route: '/v1/chat/completions', completionTokens: 40 });
  expect(first.requestSha256).toBe(hexOf(await sha256(asked)));
  expect(first.answerSha256).toBe(hexOf(await sha256(whole)));
  expect(second.answerSha256).toBe(hexOf(await sha256(stream)));
  expect(third).toMatchObject({ status: 400, error: 'invalid_json' });
  expect(lines.join()).not.toMatch(/Say it|AAAA/);
  await started.stop();
  started = await startServer({ audit: { sink: sink(lines), texts: true } });
  await started.post('/v1/chat/completions', asked);
  expect(JSON.parse(lines[3])).toMatchObject({ sequence: 4, request: asked, answers: [SAID] });
  const check = await checkAuditLog(lines);
  expect(check).toMatchObject({ isWhole: true, lines: 4, problems: [] });
  for (const [broken, line] of [
    [lines.filter((_, i) => i !== 1), 2],
    [[lines[0], lines[2], lines[1], lines[3]], 2],
    [lines.map((text, i) => (i === 2 ? text.replace('400', '200') : text)), 3],
    [lines.slice(1), 1],
    [[lines[0], ...lines], 2],
  ] as const) {
    expect((await checkAuditLog(broken)).problems[0].line).toBe(line);
  }
  expect((await checkAuditLog(lines.slice(0, 3))).head).not.toBe(check.head);
});

test('where it cannot be written, nothing is answered', async () => {
  const full: AuditSink = { append: () => Promise.reject(new Error('the disk is full')) };
  started = await startServer({ audit: { sink: full } });
  for (const stream of [false, true, false]) {
    const response = await started.post('/v1/chat/completions', { ...BODY, stream });
    expect([response.status, (await response.json()).error.code]).toEqual([503, 'audit_failed']);
  }
  const ready = await fetch(`${started.url}/ready`);
  expect([ready.status, (await ready.json()).status]).toEqual([503, 'the audit log cannot be written']);
  await expect(startServer({ audit: { sink: { ...full, last: '{"half' } } })).rejects.toThrow(/last line of the log/);
});

test.each([
  ['deleted', (path: string) => rmSync(path), /deleted or moved away/],
  [
    'replaced',
    (path: string) => {
      renameSync(path, `${path}.1`);
      writeFileSync(path, '');
    },
    /it was replaced/,
  ],
  ['cut off', (path: string) => truncateSync(path, 3), /cut off or written by somebody else/],
] as const)('a log that is %s under the server takes no more lines', async (_, change, problem) => {
  const folder = mkdtempSync(join(tmpdir(), 'onebit-audit-'));
  const path = join(folder, 'audit.jsonl');
  const file = await openAuditFile(path);
  await file.append('{"a":1}');
  await file.append('{"a":2}');
  change(path);
  await expect(file.append('{"a":3}')).rejects.toThrow(problem);
  await file.close();
  rmSync(folder, { recursive: true });
});

test('a key has a bound a day unless it says otherwise', async () => {
  const key = async (name: string, tokensPerDay?: number | null) => ({
    name,
    sha256: await hashKey(name),
    tokensPerDay,
  });
  started = await startServer({ keys: [await key('small', 100), await key('none', null), await key('usual')] });
  const ask = (name: string) =>
    started!.post('/v1/completions', { prompt: 'x'.repeat(30), ...BODY }, { authorization: `Bearer ${name}` });
  expect((await ask('small')).status).toBe(200);
  const refused = await ask('small');
  expect(refused.status).toBe(429);
  expect((await refused.json()).error.message).toContain('a day');
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(1000);
  for (const name of ['none', 'usual']) expect((await ask(name)).status).toBe(200);
  expect(DEFAULT_TOKENS_PER_DAY).toBe(2_000_000);
});

test('a server that cannot listen leaves its audit log to the next', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'onebit-audit-'));
  const audit = join(folder, 'audit.jsonl');
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  const flags: ServerFlags = { ...{ port, host: '127.0.0.1', audit, quiet: true }, maxBody: 1, timeout: 1, drain: 1 };
  const ended = runServer(flags, new ModelShelf([], { mayBeEmpty: true }), {}, new AbortController().signal);
  await expect(ended).rejects.toThrow(String(port));
  expect([existsSync(audit), existsSync(`${audit}.lock`)]).toEqual([true, false]);
  other.close();
  rmSync(folder, { recursive: true });
});
