// The package and its page in the browsers that people have: Chromium, Firefox, WebKit. Chat and training to the same bits as in Node, threads and storage
// where the browser has them, and all of it under the policy that `onebit serve` sends with the page. Needs dist/ (`npm run build`).
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { siteIn } from '../src/cli/serve-site.ts';
import { FastDigest } from '../src/core/fast-digest.ts';
import { Random } from '../src/core/random.ts';
import { type LanguageModel, load } from '../src/index.ts';
import { PAGE_POLICY } from '../src/server/page.ts';
import { chromium } from './browsers/chromium.ts';
import { firefox } from './browsers/firefox.ts';
import type { RunningBrowser, Tab } from './browsers/tab.ts';
import { webkit } from './browsers/webkit.ts';
import { type FileServer, serveFiles } from './chromium.ts';
import { type StartedServer, startServer } from './server/started-server.ts';
import { tinyModel } from './tiny-model.ts';

const SLOW = 240_000;
const root = fileURLToPath(new URL('..', import.meta.url));
const QUESTION = 'I would like to book a table for two.';
const TRAINING = {
  shape: { vocabulary: 300, layers: 1, width: 128, contextLength: 64 },
  recipe: { steps: 4 },
  batchTokens: 256,
  chatShare: 0,
  sampleEvery: 0,
  seed: 11,
  documents: Array.from({ length: 12 }, () => ({ text: 'The sea is wide. The boat is small. The wind is strong.' })),
} as const;

/** What Node says with each build of the kernels; a browser takes the one that it can run (WebKit, so far, only `simd`). */
const expected: Partial<Record<string, Results>> = {};
interface Results {
  readonly text: string;
  readonly tokens: number[];
  readonly logprobs: (number | null)[];
  readonly losses: number[];
}

async function resultsOf(onebit: typeof import('../src/index.ts'), tiny: Uint8Array): Promise<Results> {
  const model = await onebit.load(undefined, { backend: 'wasm' });
  const { text } = await model.chat([{ role: 'user', content: QUESTION }], { temperature: 0 }).result();
  await model.dispose();
  const small = await onebit.load(tiny, { backend: 'wasm' });
  const { tokens } = await small.generate('Hello', { temperature: 0, maxTokens: 40, ignoreEndOfText: true }).result();
  const { logprobs } = await small.score(tokens);
  await small.dispose();
  const losses: number[] = [];
  for await (const event of onebit.train(TRAINING)) if (event.type === 'step') losses.push(event.loss);
  return { text, tokens: [...tokens], logprobs: [...logprobs], losses };
}

/** Digests of what is computed outside the kernels. Runs in the page too: it may use nothing but its arguments. */
async function bitsOf(
  tools: typeof import('../src/core/elementary.ts') & {
    Random: typeof Random;
    FastDigest: typeof FastDigest;
  },
  model: LanguageModel,
): Promise<{ digest: string; vector: string }> {
  const digestOf = (bytes: Uint8Array) => {
    const digest = new tools.FastDigest();
    digest.update(bytes);
    return digest.hex();
  };
  const random = new tools.Random(1);
  const values: number[] = [];
  for (let i = 0; i < 20_000; i++) {
    const x = random.uniform();
    values.push(
      tools.exp(1400 * x - 700),
      tools.log(x),
      ...tools.cosSin(8000 * x - 4000),
      tools.power(x, 1 + (i % 50)),
    );
    values.push(random.normal());
  }
  const vector = await model.embed('The sea is wide.');
  await model.dispose();
  return {
    digest: digestOf(new Uint8Array(Float64Array.from(values).buffer)),
    vector: digestOf(new Uint8Array(vector.buffer)),
  };
}

let files: FileServer;
let served: StartedServer;

beforeAll(async () => {
  const tiny = await tinyModel();
  files = await serveFiles({
    folders: { '/onebit/': root },
    files: { '/tiny.gguf': tiny },
    handle: (_request, response, path) => {
      // Workers follow the policy of their own file, so that all files have it.
      const policy = path.startsWith('/strict/')
        ? PAGE_POLICY.replace("worker-src 'self' blob:", "worker-src 'self'")
        : PAGE_POLICY;
      response.setHeader('content-security-policy', policy);
      if (!path.endsWith('/page')) return false;
      if (path === '/alone/page') response.removeHeader('cross-origin-opener-policy');
      response.setHeader('content-type', 'text/html').end('<!doctype html><title>page</title>');
      return true;
    },
  });
  served = await startServer({
    model: await load(undefined, { backend: 'wasm', threads: 1 }),
    site: siteIn(new URL('../dist/site/', import.meta.url)),
  });
  expected.relaxed = await resultsOf(await import('../src/index.ts'), tiny);
  vi.resetModules();
  vi.doMock('../src/kernels/wasm/generated/relaxed.ts', () => ({ wasmBase64: '' }));
  expected.simd = await resultsOf(await import('../src/index.ts'), tiny);
}, SLOW);
afterAll(async () => {
  files?.close();
  await served?.stop();
});

for (const kind of [chromium, firefox, webkit]) {
  describe.skipIf(kind.missing)(`in ${kind.name}${kind.missing}`, () => {
    let browser: RunningBrowser;
    let tab: Tab;
    beforeAll(async () => {
      browser = await kind.start();
      tab = await browser.open();
      console.log(`${kind.name} ${browser.version}`);
    }, SLOW);
    afterAll(async () => {
      await tab?.close();
      await browser?.close();
    });

    /** Runs `body` in a page of our files, with the package as `onebit`. */
    async function withPackage<Result>(body: string, path = '/page'): Promise<Result> {
      await tab.goto(files.origin + path);
      return tab.run(`const onebit = await import('/onebit/dist/browser/onebit.js');
        const training = ${JSON.stringify(TRAINING)};
        ${body}`);
    }

    test.each([
      ['isolated from others', '/page'],
      ['that is not isolated', '/alone/page'],
    ])(
      'answers in a worker and in the page itself with the same bits as Node, in a page %s',
      async (_, path) => {
        const found = await withPackage<Record<string, unknown> & { threads: number; mayShare: boolean }>(
          `const model = await onebit.loadInWorker();
          const { text } = await model.chat([{ role: 'user', content: ${JSON.stringify(QUESTION)} }], { temperature: 0 }).result();
          const { threads } = model.info;
          model.dispose();
          const here = await onebit.load('/tiny.gguf', { backend: 'wasm' });
          const { tokens } = await here.generate('Hello', { temperature: 0, maxTokens: 40, ignoreEndOfText: true }).result();
          const { logprobs } = await here.score(tokens);
          const { build } = here.backend;
          await here.dispose();
          const mayShare = crossOriginIsolated && typeof SharedArrayBuffer !== 'undefined';
          const cores = navigator.hardwareConcurrency;
          return { text, tokens: [...tokens], logprobs: [...logprobs], threads, mayShare, cores, build };`,
          path,
        );
        console.log(`${kind.name}: kernels ${found.build}, ${found.threads} threads`);
        const { text, tokens, logprobs } = expected[String(found.build)]!;
        expect(found.text).toBe(text);
        expect(found.tokens).toEqual(tokens);
        expect(found.logprobs).toEqual(logprobs);
        if (path !== '/page') expect(found.mayShare).toBe(false);
        expect(found.threads > 1).toBe(found.mayShare && Number(found.cores) > 1);
      },
      SLOW,
    );

    test(
      'trains with the loss of every step that Node has',
      async () => {
        const { losses, build } = await withPackage<{ losses: number[]; build: string }>(`const losses = [];
          for await (const event of onebit.trainInWorker(training)) if (event.type === 'step') losses.push(event.loss);
          const model = await onebit.load('/tiny.gguf', { backend: 'wasm' });
          const { build } = model.backend;
          await model.dispose();
          return { losses, build };`);
        expect(losses).toEqual(expected[build]!.losses);
      },
      SLOW,
    );

    test(
      'computes functions, random numbers and vectors to the bits that Node has',
      async () => {
        const { digest, vector } = await withPackage<Awaited<ReturnType<typeof bitsOf>>>(
          `const modules = ['core/elementary', 'core/random', 'core/fast-digest'];
          const [elementary, { Random }, { FastDigest }] = await Promise.all(
            modules.map((name) => import('/onebit/dist/' + name + '.js')));
          const model = await onebit.load('/tiny.gguf', { backend: 'reference' });
          return (${bitsOf})({ ...elementary, Random, FastDigest }, model);`,
        );
        const model = await load(await tinyModel(), { backend: 'reference' });
        const own = { ...(await import('../src/core/elementary.ts')), Random, FastDigest };
        expect({ digest, vector }).toEqual(await bitsOf(own, model));
      },
      SLOW,
    );

    test('keeps models in its storage where it has one, and says that it has none where not', {
      // Firefox, one time in some 40 and on a busy machine only, answered nothing for four minutes here; not seen again in 11 runs.
      timeout: 60_000,
      retry: 1,
    }, async () => {
      const found = await withPackage<{ has: boolean; kept?: number; tokens?: number; left?: number; code?: string }>(
        `const has = Boolean(navigator.storage?.getDirectory);
          const address = location.origin + '/tiny.gguf';
          try {
            await onebit.pullModel(address);
          } catch (error) {
            return { has, code: error.code };
          }
          const kept = (await onebit.listModels()).length;
          const model = await onebit.loadInWorker(address, { backend: 'wasm' });
          const { tokens } = await model.generate('Hello', { maxTokens: 3, ignoreEndOfText: true }).result();
          model.dispose();
          await onebit.removeModel(address);
          return { has, kept, tokens: tokens.length, left: (await onebit.listModels()).length };`,
      );
      expect(found).toEqual(
        found.has ? { has: true, kept: 1, tokens: 3, left: 0 } : { has: false, code: 'unsupported' },
      );
    });

    test(
      'says what a policy must allow when it forbids threads, and computes on one',
      async () => {
        const found = await withPackage<{ shares: boolean; message?: string; threads: number }>(
          `const shares = crossOriginIsolated && typeof SharedArrayBuffer !== 'undefined';
          const options = { backend: 'wasm', threads: 2 };
          const message = await onebit.load('/tiny.gguf', options).then((model) => model.dispose(), (error) => error.message);
          const model = await onebit.load('/tiny.gguf', { ...options, threads: 1 });
          const { threads } = model.backend;
          await model.dispose();
          return { shares, message, threads };`,
          '/strict/page',
        );
        expect(found.threads).toBe(1);
        if (found.shares) expect(found.message).toMatch(/Content-Security-Policy.*worker-src.*blob:.*threads: 1/);
        else expect(found.message).toBeUndefined();
      },
      SLOW,
    );

    test(
      'shows the page of `onebit serve` under its policy, which answers from the server',
      async () => {
        await tab.goto(`${served.url}/`);
        const found = await tab.run<{ said: string; breaches: string[] }>(`
          const breaches = [];
          addEventListener('securitypolicyviolation', (event) => breaches.push(event.violatedDirective + ' ' + event.blockedURI));
          ${SAY}
          return { said: await say(${JSON.stringify(QUESTION)}), breaches };`);
        expect(found.breaches).toEqual([]);
        expect(found.said.length).toBeGreaterThan(5);
      },
      SLOW,
    );
  });
}

/** Says something in the page's chat and gives the text of the answer. */
const SAY = `
  const until = async (check) => {
    for (;;) {
      const found = check();
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const say = async (text) => {
    const box = await until(() => document.querySelector('#chat textarea'));
    box.value = text;
    box.dispatchEvent(new Event('input', { bubbles: true }));
    box.form.requestSubmit();
    const answer = await until(() => document.querySelector('.message:last-child.answer.ended .text'));
    return answer.textContent.trim();
  };`;
