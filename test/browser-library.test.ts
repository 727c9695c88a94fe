// The library as pages have it, in real Chromium: imported as one module from another origin (a CDN), the engine in a worker, models kept in the browser's
// storage (resumed, checked, listed, removed, without room, from two tabs), training step by step as in Node. Needs dist/ (`npm run build`).
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { load, train } from '../src/index.ts';
import { chromiumReason, type FileServer, hasChromium, launchChromium, serveFiles } from './chromium.ts';
import { hasStories, stories260k } from './shared-files.ts';
import { tinyModel } from './tiny-model.ts';

const SLOW = 240_000;
const root = fileURLToPath(new URL('..', import.meta.url));
const seedling = join(root, 'models/seedling.gguf');
const QUESTION = 'I would like to book a table for two.';
const TEXT = 'The sun rises in the east. The moon follows the sun. The stars follow the moon.\n\n'.repeat(20);
const documents = TEXT.split('\n\n')
  .filter(Boolean)
  .map((text) => ({ text }));
const TRAINING = {
  shape: { vocabulary: 300, layers: 1, width: 128, contextLength: 64 },
  recipe: { steps: 6 },
  batchTokens: 256,
  chatShare: 0,
  sampleEvery: 0,
  seed: 7,
} as const;

let browser: Browser;
/** Where the package lies, and where the page lies. */
let cdn: FileServer;
let site: FileServer;
/** Ranges that `/cut.gguf` was asked for; it breaks off while this is below its size. */
const ranges: (string | undefined)[] = [];
let cutAt = Number.POSITIVE_INFINITY;
let tiny: Uint8Array;

beforeAll(async () => {
  if (!hasChromium) return;
  tiny = await tinyModel();
  cdn = await serveFiles({
    folders: { '/onebit/': root },
    handle: (request, response, path) => {
      if (path !== '/cut.gguf') return false;
      ranges.push(request.headers.range);
      const from = Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0);
      response.writeHead(from > 0 ? 206 : 200, {
        etag: '"one"',
        'content-length': tiny.length - from,
        'access-control-expose-headers': 'content-range, etag',
        ...(from > 0 ? { 'content-range': `bytes ${from}-${tiny.length - 1}/${tiny.length}` } : {}),
      });
      // What comes after the cut never comes.
      response.write(tiny.subarray(from, Math.max(from, Math.min(tiny.length, cutAt))));
      if (cutAt >= tiny.length) response.end();
      return true;
    },
  });
  const hub = JSON.stringify([
    {
      type: 'file',
      path: 'good.gguf',
      size: tiny.length,
      lfs: { oid: createHash('sha256').update(tiny).digest('hex'), size: tiny.length },
    },
    { type: 'file', path: 'bad.gguf', size: tiny.length, lfs: { oid: '0'.repeat(64), size: tiny.length } },
  ]);
  site = await serveFiles({
    files: {
      '/': '<!doctype html><title>page</title>',
      '/stories.gguf': hasStories ? readFileSync(stories260k) : tiny,
      '/tiny.gguf': tiny,
      '/hub/api/models/some/one/tree/main': hub,
      '/hub/some/one/resolve/main/good.gguf': tiny,
      '/hub/some/one/resolve/main/bad.gguf': tiny,
    },
    handle: (_request, response, path) => {
      if (!path.startsWith('/plain')) return false;
      response.removeHeader('cross-origin-opener-policy');
      response.removeHeader('cross-origin-embedder-policy');
      response.setHeader('content-type', 'text/html').end('<!doctype html><title>plain</title>');
      return true;
    },
  });
  browser = await launchChromium();
}, SLOW);
afterAll(async () => {
  await browser?.close();
  cdn?.close();
  site?.close();
});

async function open(path = '/'): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(SLOW);
  await page.goto(site.origin + path);
  return page;
}

/** Runs the body of an async function in the page, with the package as `onebit` and `values` by their names. */
function run<Result>(page: Page, body: string, values: Record<string, unknown> = {}): Promise<Result> {
  const names = Object.keys(values);
  const given = names.map((name) => `, ${JSON.stringify(values[name])}`).join('');
  // As text: a test runner rewrites imports in functions.
  return page.evaluate(`import('${cdn.origin}/onebit/dist/browser/onebit.js').then((onebit) =>
    (async (${['onebit', ...names].join(', ')}) => { ${body} })(onebit${given}))`);
}

const codeOf = `const codeOf = async (promise) => { try { await promise; return 'none'; } catch (error) { return typeof error.code === 'string' ? error.code : error.name; } };`;

describe.skipIf(!hasChromium)(`the library in a page${chromiumReason}`, () => {
  test.each([
    ['isolated, on threads', '/', true],
    ['plain, on one thread', '/plain', false],
  ])(
    'answers from a worker as in Node, one module from another origin: %s',
    async (_, path, isolated) => {
      const page = await open(path);
      const found = await run<{
        text: string;
        pieces: string;
        tokens: number[];
        threads: number;
        alternatives: number;
        beats: number;
      }>(
        page,
        `let beats = 0;
        const timer = setInterval(() => beats++, 4);
        const model = await onebit.loadInWorker();
        const chat = model.chat([{ role: 'user', content: question }], { temperature: 0, logprobs: 3 });
        let pieces = '', alternatives = 0;
        for await (const piece of chat) { pieces += piece.text; alternatives += piece.tokens[0]?.top.length ?? 0; }
        const { text } = await chat.result();
        const stories = await onebit.loadInWorker('/stories.gguf', { backend: 'wasm' });
        const { tokens } = await stories.generate('Once upon a time', { temperature: 0, maxTokens: 40, ignoreEndOfText: true }).result();
        const { threads } = model.info;
        model.dispose();
        stories.dispose();
        clearInterval(timer);
        return { text, pieces, tokens, threads, alternatives, beats };`,
        { question: QUESTION },
      );
      const model = await load(seedling, { backend: 'wasm' });
      const { text } = await model.chat([{ role: 'user', content: QUESTION }], { temperature: 0 }).result();
      const { threads } = model.backend;
      await model.dispose();
      const stories = await load(hasStories ? stories260k : tiny, { backend: 'wasm' });
      const options = { temperature: 0, maxTokens: 40, ignoreEndOfText: true } as const;
      const { tokens } = await stories.generate('Once upon a time', options).result();
      await stories.dispose();
      expect(found.text).toBe(text);
      expect(found.pieces).toBe(text);
      expect(found.tokens).toEqual([...tokens]);
      expect(found.threads).toBe(isolated ? threads : 1);
      expect(found.alternatives).toBeGreaterThan(3);
      expect(found.beats).toBeGreaterThan(3); // the page stayed awake
      await page.close();
    },
    SLOW,
  );

  test(
    'auto takes no GPU that is only emulated',
    async () => {
      const own = await launchChromium('--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader');
      const page = await own.newPage();
      await page.goto(site.origin);
      const [hasGpu, isReal] = await run<[boolean, boolean]>(
        page,
        `const adapter = await navigator.gpu?.requestAdapter();
        return [adapter != null, await onebit.isRealGpu(navigator.gpu)];`,
      );
      expect(hasGpu).toBe(true);
      expect(isReal).toBe(false);
      await own.close();
    },
    SLOW,
  );

  test(
    'keeps models: resumes, checks hashes, finds them without a network, lists, removes',
    async () => {
      const page = await open();
      const address = `${cdn.origin}/cut.gguf`;
      cutAt = 40_000;
      ranges.length = 0;
      const aborted = await run<string>(
        page,
        `${codeOf}
        const stop = new AbortController();
        return codeOf(onebit.pullModel(address, { signal: stop.signal, onProgress: ({ doneBytes }) => {
          if (doneBytes >= 40000) stop.abort(new DOMException('enough', 'AbortError'));
        } }));`,
        { address },
      );
      expect(aborted).toBe('AbortError');
      cutAt = Number.POSITIVE_INFINITY;
      const found = await run<{
        before: object[];
        size: number;
        after: { sha256: string; complete: boolean }[];
        tokens: number;
        left: number;
      }>(
        page,
        `const before = await onebit.listModels();
        const { sizeBytes: size } = await onebit.pullModel(address);
        const after = await onebit.listModels();
        const model = await onebit.loadInWorker(address, { backend: 'wasm' });
        const { tokens } = await model.generate('Hello', { maxTokens: 3, ignoreEndOfText: true }).result();
        model.dispose();
        await onebit.removeModel(address);
        return { before, size, after, tokens: tokens.length, left: (await onebit.listModels()).length };`,
        { address },
      );
      expect(found.before).toMatchObject([{ name: address, complete: false }]);
      expect(found.size).toBe(tiny.length);
      expect(found.after).toMatchObject([{ complete: true, sha256: createHash('sha256').update(tiny).digest('hex') }]);
      expect(found.tokens).toBe(3);
      expect(found.left).toBe(0);
      // Once from the start, once from where that broke off, and nothing to load it.
      expect(ranges).toEqual([undefined, 'bytes=40000-']);
      await page.close();
    },
    SLOW,
  );

  test(
    'refuses damaged files, full storage, unknown names; two tabs download once',
    async () => {
      const page = await open();
      const endpoint = `${site.origin}/hub`;
      const found = await run<Record<string, unknown>>(
        page,
        `${codeOf}
        const options = { endpoint };
        const bad = await codeOf(onebit.pullModel('some/one/bad.gguf', options));
        const none = await codeOf(onebit.pullModel('some/one/none.gguf', options));
        const outline = await onebit.outlineModel('/tiny.gguf');
        return { bad, none, left: (await onebit.listModels()).length, need: outline.need.totalBytes > 0, bytes: outline.fileBytes };`,
        { endpoint },
      );
      expect(found).toEqual({ bad: 'bad-file', none: 'bad-argument', left: 0, need: true, bytes: tiny.length });

      const other = await page.context().newPage();
      await other.goto(site.origin);
      site.asked.length = 0;
      const pull = `return (await onebit.pullModel('some/one/good.gguf', { endpoint })).sizeBytes;`;
      const sizes = await Promise.all([run(page, pull, { endpoint }), run(other, pull, { endpoint })]);
      expect(sizes).toEqual([tiny.length, tiny.length]);
      expect(site.asked.filter((path) => path.endsWith('/good.gguf'))).toHaveLength(1);

      // A worker whose storage is made small, before and in the middle of the download.
      const messages = await run<string[]>(
        page,
        `const worker = (patch) => new Promise((resolve) => {
          const text = 'import ' + JSON.stringify(url) + ';' + patch;
          const made = new Worker(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })), { type: 'module' });
          made.onmessage = ({ data }) => 'events' in data || resolve(data.error ? data.error.code + ': ' + data.error.message : 'none');
          made.postMessage({ id: 1, call: 'keep', args: { name: location.origin + '/tiny.gguf', options: {} } });
        });
        const before = await worker('navigator.storage.estimate = async () => ({ quota: 1000, usage: 0 });');
        const within = await worker(\`const { write } = FileSystemSyncAccessHandle.prototype;
          FileSystemSyncAccessHandle.prototype.write = function (bytes, at) {
            if (bytes.length > 1000) throw new DOMException('no capacity', 'QuotaExceededError');
            return write.call(this, bytes, at);
          };\`);
        const numbers = await worker(\`const { write } = FileSystemSyncAccessHandle.prototype;
          FileSystemSyncAccessHandle.prototype.write = function (bytes, at) {
            return bytes.length > 1000 ? 4294967288 : write.call(this, bytes, at); // as Chromium does in private windows
          };\`);
        const opening = await worker(\`FileSystemFileHandle.prototype.createSyncAccessHandle = async () => {
          throw new DOMException('no capacity', 'QuotaExceededError');
        };\`);
        return [before, within, numbers, opening];`,
        { url: `${cdn.origin}/onebit/dist/browser/engine-worker.js` },
      );
      for (const message of messages)
        expect(message).toMatch(/^io: .*storage for this site is full.*Remove kept models/);
      await page.context().close();
    },
    SLOW,
  );

  test(
    'trains in a worker with the same loss in every step as in Node, paused in between',
    async () => {
      const expected: number[] = [];
      let file: Uint8Array | undefined;
      for await (const event of train({ ...TRAINING, documents })) {
        if (event.type === 'step') expected.push(event.loss);
        if (event.type === 'done') file = event.model;
      }
      const page = await open();
      const found = await run<{ losses: number[]; file: number[] }>(
        page,
        `const training = onebit.trainInWorker({ ...options, documents });
        const losses = [];
        let file;
        for await (const event of training) {
          if (event.type === 'step') losses.push(event.loss);
          if (event.type === 'step' && event.step === 3) { training.pause(); setTimeout(() => training.resume(), 200); }
          if (event.type === 'done') file = [...event.model];
        }
        return { losses, file };`,
        { options: TRAINING, documents },
      );
      expect(expected).toHaveLength(TRAINING.recipe.steps);
      expect(found.losses).toEqual(expected);
      expect(Buffer.compare(Buffer.from(found.file), Buffer.from(file!))).toBe(0);
      await page.close();
    },
    SLOW,
  );

  test(
    'goes on with a training whose tab was reloaded, to the same model bit for bit',
    async () => {
      const options = { ...TRAINING, recipe: { steps: 40 }, checkpointEvery: 2 };
      const expected = new Map<number, number>();
      let file: Uint8Array | undefined;
      for await (const event of train({ ...options, documents })) {
        if (event.type === 'step') expected.set(event.step, event.loss);
        if (event.type === 'done') file = event.model;
      }
      const page = await open();
      await run(
        page,
        `const training = onebit.trainInWorker({ ...options, documents, keep: 'mine' });
        for await (const event of training) {
          if (event.type !== 'checkpoint' || event.step < 4) continue;
          training.pause();
          await codeless(onebit.resumeTraining('mine').result());
          if ((await onebit.listTrainings()).length > 0) throw new Error('a run that goes on is offered');
          return; // leaving the loop ends the worker, as closing the tab does
        }
        async function codeless(promise) {
          try { await promise; } catch (error) { if (error.code === 'bad-argument') return; }
          throw new Error('another tab may train the same run');
        }`,
        { options, documents },
      );
      await page.reload();
      const found = await run<{
        kept: { name: string; steps: number };
        losses: [number, number][];
        file: number[];
        complete: boolean[];
        left: number;
      }>(
        page,
        `const [kept] = await onebit.listTrainings();
        const losses = [];
        let file;
        for await (const event of onebit.resumeTraining(kept.name)) {
          if (event.type === 'step') losses.push([event.step, event.loss]);
          if (event.type === 'done') file = [...event.model];
        }
        const [after] = await onebit.listTrainings();
        await onebit.removeTraining(kept.name);
        const left = (await onebit.listTrainings()).length;
        return { kept, losses, file, complete: [kept.complete, after?.complete], left };`,
      );
      expect(found.kept.name).toBe('mine');
      expect(found.kept.steps).toBeGreaterThanOrEqual(4);
      expect(found.kept.steps).toBeLessThan(40);
      expect(found.losses.map(([step]) => step)).toEqual(
        [...expected.keys()].filter((step) => step > found.kept.steps),
      );
      for (const [step, loss] of found.losses) expect(loss).toBe(expected.get(step));
      expect(Buffer.compare(Buffer.from(found.file), Buffer.from(file!))).toBe(0);
      expect(found.complete).toEqual([false, true]);
      expect(found.left).toBe(0);
      await page.close();
    },
    SLOW,
  );
});

test('is small, compressed: 94 kB of JavaScript to chat, 156 kB in all, 80 kB of WebAssembly', () => {
  const folder = join(root, 'dist/browser');
  /** An entry with all that it imports, and with what it imports only when it is used. */
  const reach = (names: readonly string[], alsoLater: boolean) => {
    const reached = new Set<string>();
    const visit = (name: string) => {
      if (reached.has(name)) return;
      reached.add(name);
      const code = readFileSync(join(folder, name), 'utf8');
      for (const [, now] of code.matchAll(/(?:from|import)\s*[`"']\.\/([\w.-]+)[`"']/g)) visit(now);
      if (alsoLater) for (const [, later] of code.matchAll(/import\([`"']\.\/([\w.-]+)[`"']\)/g)) visit(later);
    };
    for (const name of names) visit(name);
    return [...reached];
  };
  const weigh = (names: readonly string[]) => {
    const sizes = { gzip: 0, brotli: 0, wasmGzip: 0 };
    for (const name of names) {
      let code = readFileSync(join(folder, name), 'utf8');
      const [wasm] = /[A-Za-z0-9+/=]{20000,}/.exec(code) ?? [];
      if (wasm) {
        code = code.replace(wasm, '');
        sizes.wasmGzip += gzipSync(Buffer.from(wasm, 'base64'), { level: 9 }).length;
      }
      sizes.gzip += gzipSync(code, { level: 9 }).length;
      sizes.brotli += brotliCompressSync(code).length;
    }
    return sizes;
  };
  const files = readdirSync(folder);
  const used = (part: string) => files.filter((name) => name.startsWith(part));
  const chat = weigh(
    reach(['onebit.js', 'engine-worker.js', ...used('host'), ...used('wasm-'), ...used('relaxed')], false),
  );
  const all = weigh(reach(['onebit.js', 'engine-worker.js'], true));
  console.log('dist/browser, to chat:', chat, 'all, training and every backend included:', all);
  expect(chat.brotli).toBeLessThanOrEqual(94_500);
  expect(all.brotli).toBeLessThanOrEqual(156_500);
  expect(all.wasmGzip).toBeLessThanOrEqual(80_000);
});
