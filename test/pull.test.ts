// `onebit pull` and the download cache against a local server that speaks the hub's API and misbehaves in every way that networks do.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, open, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { findCached, hubPath, listCache, removeCached } from '../src/bytes/cache.ts';
import { openModelBytes } from '../src/bytes/open.ts';
import { type PullOptions, pullModel } from '../src/bytes/pull.ts';
import { Random } from '../src/core/random.ts';
import { HubServer, sha256Of } from './hub-server.ts';

const REPO = 'prism-ml/Bonsai-1.7B-gguf';
const FILE = 'Bonsai-1.7B-Q1_0.gguf';
const SIZE = 2_500_000;

let hub: HubServer;
let folder: string;
let scratch: string;
let cliPath: string;
const children: ChildProcess[] = [];

/** The command as a program of its own, built from the sources as they are now. */
async function buildCli(): Promise<string> {
  const source = fileURLToPath(new URL('../src/cli/pull.ts', import.meta.url));
  const entry = join(scratch, 'entry.ts');
  await writeFile(
    entry,
    `import { pullCommand } from ${JSON.stringify(source)};
     const stop = new AbortController();
     process.once('SIGINT', () => stop.abort(new Error('interrupted')));
     pullCommand({ signal: stop.signal }).parseAsync(process.argv).catch((error) => {
       process.stderr.write(error.message + '\\n');
       process.exitCode = stop.signal.aborted ? 130 : 1;
     });`,
  );
  const bundle = await rolldown({ input: entry, platform: 'node', logLevel: 'silent' });
  const file = join(scratch, 'pull.mjs');
  await bundle.write({ file, format: 'esm', codeSplitting: false });
  await bundle.close();
  return file;
}

function run(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [cliPath, ...args], {
    env: { PATH: process.env.PATH, ONEBIT_CACHE: folder, HF_ENDPOINT: hub.url, ...env },
  });
  children.push(child);
  const outcome = { child, stdout: '', stderr: '', ended: undefined as unknown as Promise<number | null> };
  child.stdout.on('data', (text) => {
    outcome.stdout += text;
  });
  child.stderr.on('data', (text) => {
    outcome.stderr += text;
  });
  outcome.ended = new Promise((done) => child.on('close', done));
  return outcome;
}

function pull(name: string, options: PullOptions = {}) {
  return pullModel(name, { folder, endpoint: hub.url, retryDelayMs: 10, ...options });
}

function randomBytes(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const random = new Random(seed);
  for (let i = 0; i < length; i++) bytes[i] = random.below(256);
  return bytes;
}

async function filesIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

const model = randomBytes(SIZE, 1);
const path = () => hubPath(folder, { repo: REPO, file: FILE, revision: 'main' });
const lastRange = () => hub.fileRequests.at(-1)?.headers.range;

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const start = Date.now();
  while (!(await condition())) {
    if (Date.now() - start > 50_000) throw new Error('the test waited 50 s in vain');
    await new Promise((done) => setTimeout(done, 10));
  }
}

async function partialSize(): Promise<number> {
  return existsSync(`${path()}.partial`) ? (await stat(`${path()}.partial`)).size : 0;
}

/** Leaves about `bytes` of an interrupted download behind. */
async function interruptAt(bytes: number): Promise<void> {
  const stop = new AbortController();
  hub.pauseMs = 1;
  const started = pull(REPO, {
    signal: stop.signal,
    onProgress: ({ doneBytes }) => doneBytes >= bytes && stop.abort(new Error('enough')),
  });
  await expect(started).rejects.toThrow('enough');
  hub.pauseMs = 0;
}

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'onebit-pull-'));
  cliPath = await buildCli();
});

afterAll(() => rm(scratch, { recursive: true, force: true }));

beforeEach(async () => {
  hub = await HubServer.start();
  hub.add(REPO, FILE, model);
  hub.add(REPO, 'README.md', new Uint8Array(10));
  folder = await mkdtemp(join(scratch, 'cache-'));
});

afterEach(async () => {
  vi.restoreAllMocks();
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await hub.stop();
});

describe('a download', () => {
  test('brings the only .gguf of a repository, checked and recorded', async () => {
    const { entry, how } = await pull(REPO);
    expect(how).toBe('downloaded');
    expect(entry.path).toBe(path());
    expect(sha256Of(await readFile(entry.path))).toBe(sha256Of(model));
    expect(await filesIn(folder)).toEqual([FILE, `${FILE}.json`]);
    const record = JSON.parse(await readFile(`${entry.path}.json`, 'utf8'));
    expect(record).toMatchObject({
      name: `${REPO}/${FILE}`,
      url: `${hub.url}/${REPO}/resolve/main/${FILE}`,
      revision: 'main',
      sha256: sha256Of(model),
      sizeBytes: SIZE,
    });
    expect(record.etag).toBeTruthy();
  });

  test('is not repeated when the file is current, and is when the hub has a new version', async () => {
    await pull(REPO);
    expect((await pull(REPO)).how).toBe('present');
    expect(hub.fileRequests.length).toBe(1);
    const newer = randomBytes(SIZE, 2);
    hub.add(REPO, FILE, newer);
    const { entry, how } = await pull(REPO);
    expect(how).toBe('downloaded');
    expect(sha256Of(await readFile(entry.path))).toBe(sha256Of(newer));
  });

  test('sends the token to the hub and not to the content network', async () => {
    hub.token = 'hf_secret';
    await pull(REPO, { token: 'hf_secret' });
    expect(hub.apiRequests.every((request) => request.headers.authorization === 'Bearer hf_secret')).toBe(true);
    expect(hub.fileRequests[0].headers.authorization).toBeUndefined();
  });

  test('of an empty file works', async () => {
    hub.add('a/b', 'empty.gguf', new Uint8Array(0));
    expect((await pull('a/b')).entry.storedBytes).toBe(0);
  });

  test('by URL works, is known by the URL afterwards, and checks a given hash', async () => {
    const url = hub.fileUrl(REPO, FILE);
    await expect(pull(url, { sha256: '0'.repeat(64) })).rejects.toThrow(/need SHA-256 0{64}, got/);
    const { entry } = await pull(url, { sha256: sha256Of(model).toUpperCase() });
    expect(sha256Of(await readFile(entry.path))).toBe(sha256Of(model));
    expect((await findCached(url, folder))?.path).toBe(entry.path);
    expect((await pull(url)).how).toBe('present');
  });

  test('by URL keeps the password in the URL out of the record', async () => {
    const url = hub.fileUrl(REPO, FILE).replace('//', '//user:pässword@');
    const { entry } = await pull(url);
    const header = hub.fileRequests[0].headers.authorization;
    expect(header).toBe(`Basic ${Buffer.from('user:pässword').toString('base64')}`);
    expect(await readFile(`${entry.path}.json`, 'utf8')).not.toMatch(/user|ssword/);
  });
});

describe('an interrupted download', () => {
  test('goes on within one call when the connection breaks', async () => {
    hub.cuts = [1_000_000, 300_000, 0];
    const { entry } = await pull(REPO);
    expect(sha256Of(await readFile(entry.path))).toBe(sha256Of(model));
    const ranges = hub.fileRequests.map((request) => request.headers.range);
    const starts = ranges.map((range) => Number(range?.match(/^bytes=(\d+)-$/)?.[1] ?? 0));
    // A broken connection may take bytes with it that the server has sent already.
    expect(starts[1]).toBeGreaterThan(500_000);
    expect(starts[1]).toBeLessThanOrEqual(1_000_000);
    expect(starts[2]).toBeGreaterThan(starts[1]);
    expect(starts[3]).toBe(starts[2]);
    expect(hub.fileRequests[1].headers['if-range']).toMatch(/^"/);
  });

  test('gives up after a few breaks without progress and keeps what it has', async () => {
    hub.cuts = [50_000, ...new Array(20).fill(0)];
    await expect(pull(REPO)).rejects.toMatchObject({ code: 'network' });
    expect(hub.fileRequests.length).toBe(5);
    expect(await partialSize()).toBeGreaterThan(0);
    expect(await partialSize()).toBeLessThanOrEqual(50_000);
  });

  test('goes on when the server falls silent', async () => {
    hub.stalls = [700_000];
    const { entry } = await pull(REPO, { stallMs: 150 });
    expect(sha256Of(await readFile(entry.path))).toBe(sha256Of(model));
    expect(lastRange()).toBe('bytes=700000-');
  });

  test('is continued after an abort', async () => {
    await interruptAt(500_000);
    const kept = await partialSize();
    expect(kept).toBeGreaterThanOrEqual(500_000);
    expect(existsSync(`${path()}.lock`)).toBe(false);
    const phases = new Set<string>();
    const { entry } = await pull(REPO, { onProgress: ({ phase }) => phases.add(phase) });
    expect([...phases]).toEqual(['checking', 'downloading']);
    expect(lastRange()).toBe(`bytes=${kept}-`);
    expect(sha256Of(await readFile(entry.path))).toBe(sha256Of(model));
    expect(await filesIn(folder)).toEqual([FILE, `${FILE}.json`]);
  });

  test('is continued after the process was killed', async () => {
    hub.pauseMs = 5;
    const { child, ended } = run([REPO]);
    await until(async () => (await partialSize()) >= 300_000);
    child.kill('SIGKILL');
    await ended;
    const kept = await partialSize();
    expect(existsSync(`${path()}.lock`)).toBe(true);
    hub.pauseMs = 0;
    const again = run([REPO, '--json']);
    expect(await again.ended).toBe(0);
    expect(again.stderr).toContain('Resuming');
    expect(lastRange()).toBe(`bytes=${kept}-`);
    expect(JSON.parse(again.stdout)).toEqual({
      path: path(),
      sizeBytes: SIZE,
      sha256: sha256Of(model),
      name: `${REPO}/${FILE}`,
    });
    expect(sha256Of(await readFile(path()))).toBe(sha256Of(model));
    expect(existsSync(`${path()}.lock`)).toBe(false);
  });

  test('stops at Ctrl-C, keeps the part and says how to go on', async () => {
    hub.pauseMs = 5;
    const outcome = run([REPO]);
    await until(async () => (await partialSize()) >= 200_000);
    outcome.child.kill('SIGINT');
    expect(await outcome.ended).toBe(130);
    expect(outcome.stderr).toMatch(
      /^Stopped\. \d+ kB of 2\.50 MB are kept\. To go on, run: onebit pull prism-ml\/Bonsai-1\.7B-gguf$/m,
    );
    expect(await partialSize()).toBeGreaterThanOrEqual(200_000);
    expect(outcome.stdout).toBe('');
    expect(existsSync(`${path()}.lock`)).toBe(false);
  });

  test('that had only its last step to go is finished without fetching again', async () => {
    await interruptAt(100_000);
    await writeFile(`${path()}.partial`, model);
    const before = hub.fileRequests.length;
    await pull(REPO);
    expect(hub.fileRequests.length).toBe(before);
    expect(sha256Of(await readFile(path()))).toBe(sha256Of(model));
  });

  test('starts over when the hub lists another version by now', async () => {
    await interruptAt(500_000);
    const newer = randomBytes(SIZE, 3);
    hub.add(REPO, FILE, newer);
    await pull(REPO);
    expect(lastRange()).toBeUndefined();
    expect(sha256Of(await readFile(path()))).toBe(sha256Of(newer));
  });

  test.each([
    ['with an ETag', true, true],
    ['with an ETag, at a server that ignores If-Range', true, false],
    ['without one, when the size tells', false, true],
  ])('by URL starts over when the file changed meanwhile: %s', async (_, etags, conditions) => {
    Object.assign(hub, { etags, conditions });
    hub.cuts = [400_000, 0, 0, 0, 0];
    const url = hub.fileUrl(REPO, FILE);
    await expect(pull(url)).rejects.toThrow(/connection failed/);
    const newer = randomBytes(SIZE + (etags ? 0 : 77), 4);
    hub.add(REPO, FILE, newer);
    const result = pull(url, etags ? {} : { sha256: sha256Of(newer) });
    if (etags) expect(sha256Of(await readFile((await result).entry.path))).toBe(sha256Of(newer));
    else await expect(result).rejects.toMatchObject({ code: 'bad-file' });
    const again = await pull(url);
    expect(sha256Of(await readFile(again.entry.path))).toBe(sha256Of(newer));
  });

  test('starts over at a server without ranges, but not for ever', async () => {
    hub.ranges = false;
    await interruptAt(500_000);
    await pull(REPO);
    expect(sha256Of(await readFile(path()))).toBe(sha256Of(model));
    await removeCached(REPO, folder);
    hub.cuts = new Array(50).fill(2_000_000);
    await expect(pull(REPO)).rejects.toThrow(/started over 3 times/);
  });

  test('whose kept bytes were damaged ends in an error, and the next call is clean', async () => {
    await interruptAt(500_000);
    const handle = await open(`${path()}.partial`, 'r+');
    await handle.write(new Uint8Array(1000), 0, 1000, 5000);
    await handle.close();
    await expect(pull(REPO)).rejects.toMatchObject({ code: 'bad-file' });
    await pull(REPO);
    expect(sha256Of(await readFile(path()))).toBe(sha256Of(model));
  });
});

describe('a server that does not deliver', () => {
  test('wrong bytes: an error, nothing kept', async () => {
    hub.add(REPO, FILE, model, { listedSha256: 'ab'.repeat(32) });
    await expect(pull(REPO)).rejects.toThrow(/need SHA-256 abab.*were deleted/);
    expect(await filesIn(folder)).toEqual([]);
  });

  test.each([1, -1])('a size other than listed (%i): an error before anything is fetched', async (difference) => {
    hub.add(REPO, FILE, model, { listedSize: SIZE + difference });
    await expect(pull(REPO)).rejects.toThrow(/bytes as listed, the server has/);
    expect(await filesIn(folder)).toEqual([]);
  });

  test.each([
    [404, {}, /answered 404\. There is no such file/],
    [401, {}, /answered 401\..*set HF_TOKEN/],
    [403, {}, /answered 403\..*set HF_TOKEN/],
    [403, { token: 'hf_wrong' }, /token in HF_TOKEN has no access/],
  ])('%i from the API with %j says what to do, at once and without the token', async (status, options, message) => {
    hub.apiStatuses = [status];
    const error = await pull(REPO, options).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'network', message: expect.stringMatching(message) });
    expect(error.message).not.toContain('hf_wrong');
    expect(hub.apiRequests.length).toBe(1);
  });

  test('429 with Retry-After: waits as long as asked, but not an hour', async () => {
    hub.fileStatuses = [{ status: 429, headers: { 'retry-after': '1' } }];
    const start = Date.now();
    await pull(REPO);
    expect(Date.now() - start).toBeGreaterThanOrEqual(990);
    await removeCached(REPO, folder);
    hub.fileStatuses = [{ status: 429, headers: { 'retry-after': '3600' } }];
    await expect(pull(REPO)).rejects.toThrow(/answered 429/);
  });

  test('5xx: tries again, five times at most', async () => {
    hub.fileStatuses = [{ status: 503 }, { status: 500 }];
    await pull(REPO);
    await removeCached(REPO, folder);
    hub.fileRequests.length = 0;
    hub.fileStatuses = new Array(20).fill({ status: 502 });
    await expect(pull(REPO)).rejects.toThrow(/answered 502/);
    expect(hub.fileRequests.length).toBe(5);
  });

  test('a web page or a compressed body instead of the file: an error', async () => {
    hub.fileHeaders = { 'content-type': 'text/html; charset=utf-8' };
    await expect(pull(REPO)).rejects.toThrow(/got a web page/);
    hub.fileHeaders = { 'content-encoding': 'gzip' };
    await expect(pull(REPO)).rejects.toThrow(/must not be compressed/);
    expect(await filesIn(folder)).toEqual([]);
  });

  test('a full disk: says what is kept, and the next call goes on from there', async () => {
    const probe = await open(join(scratch, 'probe'), 'w');
    await probe.close();
    const prototype = Object.getPrototypeOf(probe);
    const write = prototype.write;
    let calls = 0;
    hub.pauseMs = 1;
    vi.spyOn(prototype, 'write').mockImplementation(function (this: unknown, ...args: unknown[]) {
      if (++calls <= 10) return write.apply(this, args);
      return Promise.reject(Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' }));
    });
    const error = await pull(REPO).catch((reason) => reason);
    vi.restoreAllMocks();
    const kept = await partialSize();
    expect(kept).toBeGreaterThan(0);
    expect(error).toMatchObject({ code: 'io' });
    expect(error.message).toContain(`${kept} bytes are kept in ${path()}.partial`);
    await pull(REPO);
    expect(lastRange()).toBe(`bytes=${kept}-`);
    expect(sha256Of(await readFile(path()))).toBe(sha256Of(model));
  });
});

describe('without the network', () => {
  test('a pulled model opens by its name, with or without the file', async () => {
    await pull(REPO);
    await hub.stop();
    for (const name of [REPO, `${REPO}/${FILE}`, `${REPO}@main`, path()]) {
      const source = await openModelBytes(name, { folder });
      const bytes = new Uint8Array(1000);
      await source.readInto(bytes, SIZE - 1000);
      await source.close();
      expect(sha256Of(bytes)).toBe(sha256Of(model.subarray(SIZE - 1000)));
    }
    expect(await pull(REPO)).toMatchObject({ how: 'unchecked', entry: { path: path() } });
  });

  test('a model that was not pulled: the error names the command', async () => {
    await expect(openModelBytes('some/model', { folder })).rejects.toThrow('onebit pull some/model');
    await expect(openModelBytes('./some/model.gguf', { folder })).rejects.toThrow(/no such file/);
    await hub.stop();
    await expect(pull(REPO)).rejects.toMatchObject({ code: 'network' });
  });
});

describe('the cache', () => {
  test('lists and removes, from the command too, unfinished downloads included', async () => {
    await interruptAt(300_000);
    hub.add('other/repo', 'sub/tiny.gguf', randomBytes(100, 5));
    await pull('other/repo');
    const listed = run(['--list', '--json']);
    expect(await listed.ended).toBe(0);
    const { models } = JSON.parse(listed.stdout);
    expect(models.map((entry: { name: string; complete: boolean }) => [entry.name, entry.complete])).toEqual([
      ['other/repo/sub/tiny.gguf', true],
      [`${REPO}/${FILE}`, false],
    ]);
    const plain = run(['--list']);
    await plain.ended;
    expect(plain.stdout).toMatch(/tiny\.gguf +100 B {2}20\d\d-/);
    expect(plain.stdout).toMatch(/unfinished \(of 2\.50 MB\)/);
    for (const name of ['other/repo', `${REPO}/${FILE}`]) {
      const removed = run(['--remove', name]);
      expect(await removed.ended).toBe(0);
      expect(removed.stdout).toMatch(/^Removed /);
    }
    expect(await listCache(folder)).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
    await expect(removeCached(REPO, folder)).rejects.toMatchObject({ code: 'bad-argument' });
  });

  test('two processes that fetch the same file fetch it once', async () => {
    hub.pauseMs = 2;
    const both = [run([REPO]), run([REPO])];
    expect(await Promise.all(both.map((one) => one.ended))).toEqual([0, 0]);
    expect(both.map((one) => one.stdout)).toEqual([`${path()}\n`, `${path()}\n`]);
    expect(hub.fileRequests.length).toBe(1);
    expect(sha256Of(await readFile(path()))).toBe(sha256Of(model));
  });

  test('a second process takes over when the first is killed', async () => {
    hub.pauseMs = 250; // the second process must have started, on a busy machine too, before the first has all
    const first = run([REPO]);
    await until(async () => (await partialSize()) >= 200_000);
    const second = run([REPO]);
    await until(() => second.stderr.includes('waiting'));
    await expect(removeCached(REPO, folder)).rejects.toThrow(/being downloaded/);
    first.child.kill('SIGKILL');
    hub.pauseMs = 0;
    expect(await second.ended).toBe(0);
    expect(lastRange()).toMatch(/^bytes=\d+-$/);
    expect(sha256Of(await readFile(path()))).toBe(sha256Of(model));
  });

  test('locks of dead processes and forgotten ones are taken over, live ones are waited for until the abort', async () => {
    await interruptAt(100_000);
    const lock = `${path()}.lock`;
    const { pid: dead } = spawnSync(process.execPath, ['-e', '']);
    await writeFile(lock, JSON.stringify({ pid: dead, host: hostname(), token: 'x' }));
    await pull(REPO);
    await removeCached(REPO, folder);
    await interruptAt(100_000);
    await writeFile(lock, JSON.stringify({ pid: process.pid, host: hostname(), token: 'x' }));
    await expect(pull(REPO, { signal: AbortSignal.timeout(300) })).rejects.toMatchObject({ name: 'TimeoutError' });
    await utimes(lock, new Date(), new Date(Date.now() - 200_000));
    await pull(REPO);
    expect(existsSync(lock)).toBe(false);
  });
});

describe('names', () => {
  test.each([
    '../../etc/passwd',
    '..',
    'a/..',
    '../b',
    'a/b/../../c.gguf',
    'a/b/.hidden.gguf',
    'a/b/c.gguf@../x',
    'a/b\\c.gguf',
    'a/b/c d.gguf',
    'a/b/c\u0000.gguf',
    'a/b/CON.gguf',
    'a/b/readme.md',
    'a/b/x.gguf/y.gguf',
    'a/b@',
    '/etc/passwd',
    'file:///etc/passwd',
    '',
  ])('%j is refused before any request', async (name) => {
    await expect(pull(name)).rejects.toMatchObject({ code: 'bad-argument' });
    expect(hub.apiRequests.length + hub.fileRequests.length).toBe(0);
    expect(await readdir(folder)).toEqual([]);
  });

  test('in the list that lead out of the cache are never followed', async () => {
    hub.add('evil/repo', '../../../../escaped.gguf', model);
    await expect(pull('evil/repo')).rejects.toThrow(/need a \.gguf file/);
    expect(existsSync(join(dirname(folder), 'escaped.gguf'))).toBe(false);
  });

  test('of several files the Q1_0 one is chosen; without one the error lists them', async () => {
    for (const file of ['m-F16.gguf', 'm-Q1_0.gguf', 'm-Q1_0_g128.gguf', 'mmproj-m.gguf']) hub.add('x/y', file, model);
    hub.pageSize = 1;
    expect((await pull('x/y')).entry.name).toBe('x/y/m-Q1_0.gguf');
    for (const file of ['m-F16.gguf', 'm-Q8_0.gguf']) hub.add('x/z', file, model);
    const outcome = run(['x/z']);
    expect(await outcome.ended).toBe(1);
    await expect(pull('x/z')).rejects.toThrow('\n  x/z/m-F16.gguf\n  x/z/m-Q8_0.gguf');
    await expect(pull('x/z/other.gguf')).rejects.toThrow(/no file other\.gguf\. Its \.gguf files: m-F16/);
    expect(outcome.stdout).toBe('');
  });

  test('the command wants exactly one thing', async () => {
    const outcome = run([REPO, '--list']);
    expect(await outcome.ended).toBe(1);
    expect(outcome.stderr).toContain('exactly one of');
  });
});
