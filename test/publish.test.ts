// A model is published with a complete card only: the hub's protocol spoken by a local server; and what training writes for it, into the card and into the file.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { memorySource } from '../src/bytes/memory-source.ts';
import { readGguf } from '../src/gguf/read.ts';
import { newSigningKey } from '../src/provenance/index.ts';
import { cardProblems, modelCard } from '../src/train/model-card.ts';
import { runProgram } from './run-program.ts';
import { tinyModel } from './tiny-model.ts';

vi.setConfig({ testTimeout: 300_000 }); // programs that start a dozen times, also on a busy machine
const folder = mkdtempSync(join(tmpdir(), 'onebit-publish-'));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

const run = (args: string[], env: Record<string, string> = {}) => runProgram(args, { env });

const COMPLETE = ['Intended use', 'Limits', 'Data and licences', 'Evaluation', 'Known failures']
  .map((title) => `## ${title}\n\nWritten by a person.\n`)
  .join('\n');

/** A hub that takes files, as huggingface.co does: preupload, LFS (only what it has not), a commit. */
async function hub() {
  /** Where the next request breaks off: in the middle of a file, before the commit is done, or after it; or the commit is answered by something else. */
  const cuts: ('file' | 'before' | 'after' | 'else')[] = [];
  const stored = new Map<string, Buffer>();
  const seen: string[] = [];
  const commits: { key: string; value: Record<string, unknown> }[][] = [];
  let exists = false;
  let refused: number | undefined;
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    const step = request.url!.startsWith('/store/') ? 'file' : request.url!.includes('/commit/') ? 'commit' : '';
    const isCut = cuts.length > 0 && (step === 'file' ? cuts[0] === 'file' : step === 'commit' && cuts[0] !== 'file');
    const cut = isCut ? cuts.shift() : undefined;
    request.on('data', (part) => {
      parts.push(part);
      if (cut === 'file' || cut === 'before') request.socket.destroy();
    });
    request.on('end', () => {
      if (cut === 'file' || cut === 'before') return;
      const body = Buffer.concat(parts);
      const path = request.url!;
      const send = (value: object, status = 200) => {
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(value));
      };
      seen.push(`${request.method} ${path} ${path.startsWith('/store') ? '' : request.headers.authorization}`);
      if (refused !== undefined) return send({ error: 'no' }, refused);
      if (path === '/api/repos/create') {
        if (exists) return send({ error: 'You already created this model repo' }, 409);
        exists = true;
        return send({ url: 'here' });
      }
      if (path.includes('/preupload/')) {
        const { files } = JSON.parse(body.toString()) as { files: { path: string }[] };
        return send({
          files: files.map((file) => ({ path: file.path, uploadMode: /\.gguf$/.test(file.path) ? 'lfs' : 'regular' })),
        });
      }
      if (path.endsWith('/info/lfs/objects/batch')) {
        const { objects } = JSON.parse(body.toString()) as { objects: { oid: string; size: number }[] };
        const href = (oid: string) => `http://${request.headers.host}/store/${oid}`;
        return send({
          transfer: 'basic',
          objects: objects.map((one) =>
            stored.has(one.oid) ? one : { ...one, actions: { upload: { href: href(one.oid), header: {} } } },
          ),
        });
      }
      if (path.startsWith('/store/')) {
        stored.set(path.slice('/store/'.length), body);
        return send({});
      }
      if (cut === 'else') return send({});
      if (path.includes('/commit/')) {
        commits.push(
          body
            .toString()
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line)),
        );
        if (cut === 'after') return request.socket.destroy();
        return send({ commitOid: 'abc', commitUrl: 'http://hub/me/tiny/commit/abc', hookOutput: '', success: true });
      }
      send({ error: 'no such thing' }, 404);
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  const refuse = (status: number | undefined) => {
    refused = status;
  };
  return { url, stored, seen, commits, cuts, close, refuse };
}

test('training writes a card and how it was made; only a completed card is published, then model and card lie on the hub', async () => {
  writeFileSync(
    at('sun.txt'),
    'The sun rises in the east.\n\nThe moon follows the sun.\n\nThe day is long, and the night is short.\n'.repeat(8),
  );
  const train = [
    'train',
    at('sun.txt'),
    '-o',
    at('sun.gguf'),
    '--steps',
    '2',
    '--no-log',
    '--no-report',
    '--threads',
    '1',
    '--json',
  ];
  expect((await run(train)).code).toBe(0);
  const file = readFileSync(at('sun.gguf'));
  const { metadata } = await readGguf(memorySource(new Uint8Array(file)));
  const made = JSON.parse(metadata.get('onebit.training') as string);
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  expect(made).toMatchObject({ version, updates: 2, complete: true, seed: 1 });
  expect(made.corpus).toMatch(/^[0-9a-f]{64}$/);
  expect(made['recipe.steps'] ?? made.recipe?.steps ?? 2).toBe(2);
  const card = readFileSync(at('sun.card.md'), 'utf8');
  expect(card).toContain('sun.txt');
  expect(cardProblems(card)).toHaveLength(6);

  const server = await hub();
  const env = { HF_TOKEN: 'hf_secret', HF_ENDPOINT: server.url };
  const publish = ['publish', at('sun.gguf'), '--to', 'me/tiny', '--json'];
  const refused = await run(publish, env);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/Known failures/);
  expect(server.seen).toEqual([]);

  let complete = card.replace('license: TODO', 'license: cc0-1.0');
  complete = complete.replaceAll(/TODO: .*/g, 'Written by a person.');
  writeFileSync(at('sun.card.md'), complete);
  // Another run keeps what was written.
  expect((await run([...train, '--overwrite'])).code).toBe(0);
  expect(readFileSync(at('sun.card.md'), 'utf8').replace(/<!-- onebit[\s\S]*/, '')).toBe(
    complete.replace(/<!-- onebit[\s\S]*/, ''),
  );
  for (let i = 0; i < 2; i++) {
    const done = await run(publish, env);
    expect(done.stderr).toBe('');
    expect(JSON.parse(done.stdout)).toMatchObject({ commit: 'http://hub/me/tiny/commit/abc' });
  }
  const digest = createHash('sha256')
    .update(readFileSync(at('sun.gguf')))
    .digest('hex');
  expect(server.stored.get(digest)).toEqual(readFileSync(at('sun.gguf')));
  const [head, ...operations] = server.commits[0];
  expect(head).toMatchObject({ key: 'header', value: { summary: 'Publish sun.gguf' } });
  expect(operations).toContainEqual(
    expect.objectContaining({ key: 'lfsFile', value: expect.objectContaining({ path: 'sun.gguf', oid: digest }) }),
  );
  const readme = operations.find(({ value }) => value.path === 'README.md')!;
  expect(Buffer.from(readme.value.content as string, 'base64').toString()).toBe(
    readFileSync(at('sun.card.md'), 'utf8'),
  );
  expect(
    server.seen.filter((line) => !line.includes('/store/')).every((line) => line.endsWith('Bearer hf_secret')),
  ).toBe(true);
  for (const [status, advice] of [
    [401, /got 401, no\. HF_TOKEN must be a token that this hub knows/],
    [503, /got 503, no\. Nothing was published/],
  ] as const) {
    server.refuse(status);
    expect((await run(publish, env)).stderr).toMatch(advice);
  }
  server.refuse(undefined);
  server.cuts.push('else');
  expect((await run(publish, env)).stderr).toMatch(/got an answer that names no commit\. Look there whether/);
  writeFileSync(at('secret.json'), JSON.stringify(await newSigningKey()));
  expect((await run([...publish, '--file', at('secret.json')], env)).stderr).toMatch(/a secret key must stay secret/);
  mkdirSync(at('other'));
  writeFileSync(at('other/readme.md'), 'another');
  expect((await run([...publish, '--file', at('other/readme.md')], env)).stderr).toMatch(/two would be readme\.md/);
  server.close();
  expect((await run(publish, env)).stderr).toMatch(/the hub must take the files, got .*ECONNREFUSED.*Nothing was/);
  expect((await run(publish, { ...env, HF_TOKEN: '' })).stderr).toMatch(/HF_TOKEN/);
});

test.each(['file', 'before', 'after'] as const)(
  'a publication that breaks off goes on with the same command: %s',
  async (where) => {
    const server = await hub();
    const model = Buffer.from(await tinyModel());
    const digest = createHash('sha256').update(model).digest('hex');
    writeFileSync(at('cut.gguf'), model);
    writeFileSync(at('cut.card.md'), `---\nlicense: mit\n---\n# x\n\n${COMPLETE}`);
    const env = { HF_TOKEN: 'hf_secret', HF_ENDPOINT: server.url };
    const publish = ['publish', at('cut.gguf'), '--to', 'me/cut', '--json'];
    server.cuts.push(where);
    const broken = await run(publish, env);
    expect(broken.code).toBe(1);
    expect(broken.stderr).toMatch(/Look there whether the commit came through; if not, the same command again/);
    expect(server.cuts).toEqual([]);
    expect([server.stored.has(digest), server.commits.length]).toEqual([where !== 'file', where === 'after' ? 1 : 0]);
    const sent = server.seen.filter((line) => line.includes('/store/')).length;
    const again = await run(publish, env);
    expect([again.code, again.stderr]).toEqual([0, '']);
    expect(server.stored.get(digest)).toEqual(model);
    expect(server.seen.filter((line) => line.includes('/store/')).length - sent).toBe(where === 'file' ? 1 : 0);
    expect(server.commits.at(-1)).toContainEqual(
      expect.objectContaining({ key: 'lfsFile', value: expect.objectContaining({ path: 'cut.gguf', oid: digest }) }),
    );
    server.close();
  },
);

test('a card is complete when each question has an answer, and the head a license', () => {
  const head = '---\nlicense: mit\n---\n';
  expect(cardProblems(`${head}# x\n\n${COMPLETE}`)).toEqual([]);
  expect(cardProblems(`${head}# x\n\n${COMPLETE}`.replaceAll('\n', '\r\n'))).toEqual([]);
  expect(cardProblems(COMPLETE)).toMatchObject([/begin with a head/].map((pattern) => expect.stringMatching(pattern)));
  expect(cardProblems(`---\ntags: x\n---\n${COMPLETE}`)).toEqual(['its head must say the license']);
  const emptied = `${head}${COMPLETE.replace('## Limits\n\nWritten by a person.', '## Limits\n\n<!-- later -->')}`;
  expect(cardProblems(emptied)).toEqual(["the section 'Limits' must be written"]);
  expect(cardProblems(`${head}${COMPLETE.replace('## Evaluation', '## Numbers')}`)).toEqual([
    "a section 'Evaluation' must be there",
  ]);
  // The word in a sentence is the writer's; a license may be a list; a heading alone is no answer.
  const code = `${head.replace('license: mit', 'license:\n- mit\n- apache-2.0')}${COMPLETE.replace('Written by a person.', 'It writes TODO where it should not.')}`;
  expect(cardProblems(code)).toEqual([]);
  expect(cardProblems(`${head.replace('mit', "'TODO'")}${COMPLETE}`)).toEqual(['its head must say the license']);
  expect(cardProblems(`${head.replace('mit', "''")}${COMPLETE}`)).toEqual(['its head must say the license']);
  const onlyHeading = COMPLETE.replace('## Limits\n\nWritten by a person.', '## Limits\n\n### Languages\n');
  expect(cardProblems(head + onlyHeading)).toEqual(["the section 'Limits' must be written"]);
  expect(cardProblems(head + COMPLETE.replace('Written', '- **TODO**: written'))).toHaveLength(1);
  expect(modelCard({ name: 'x', task: 'text-generation', made: [] })).toContain('license: TODO');
});
