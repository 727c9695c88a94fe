// The package in a real browser: Debian's Chromium through playwright-core, the bundled package, a page with and without cross-origin isolation.
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { load } from '../src/index.ts';
import { hasStories, stories260k } from './shared-files.ts';
import { tinyModel } from './tiny-model.ts';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const hasChromium = existsSync(CHROMIUM);
const reason = hasChromium ? '' : ` (skipped: no browser at ${CHROMIUM}; set CHROMIUM)`;
const modelBytes = hasStories ? readFileSync(stories260k) : await tinyModel();
const prompt = hasStories ? 'Once upon a time' : 'Hello';

let browser: Browser;
let server: Server;
let origin: string;

beforeAll(async () => {
  if (!hasChromium) return;
  const bundle = await rolldown({
    input: fileURLToPath(new URL('../src/index.ts', import.meta.url)),
    platform: 'browser',
    external: [/^node:/],
    logLevel: 'silent',
  });
  const { output } = await bundle.generate({ format: 'esm', minify: true });
  const files = new Map<string, string>(
    output.flatMap((chunk) => (chunk.type === 'chunk' ? [[`/${chunk.fileName}`, chunk.code] as const] : [])),
  );
  const entry = output[0].fileName;
  server = createServer((request, response) => {
    const path = new URL(request.url!, 'http://localhost').pathname;
    if (path.startsWith('/isolated')) {
      response.setHeader('cross-origin-opener-policy', 'same-origin');
      response.setHeader('cross-origin-embedder-policy', 'require-corp');
    }
    if (path === '/model.gguf') sendRange(request.headers.range, response);
    else if (files.has(path)) response.setHeader('content-type', 'text/javascript').end(files.get(path));
    else
      response
        .setHeader('content-type', 'text/html')
        .end(`<script type="module">import { load } from '/${entry}'; window.load = load;</script>`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });
});

afterAll(async () => {
  await browser?.close();
  server?.close();
});

function sendRange(range: string | undefined, response: import('node:http').ServerResponse): void {
  const match = /^bytes=(\d+)-(\d+)$/.exec(range ?? '');
  if (!match) {
    response.setHeader('accept-ranges', 'bytes').end(modelBytes);
    return;
  }
  const [first, last] = [Number(match[1]), Math.min(Number(match[2]), modelBytes.length - 1)];
  response.statusCode = 206;
  response.setHeader('content-range', `bytes ${first}-${last}/${modelBytes.length}`);
  response.end(modelBytes.subarray(first, last + 1));
}

interface PageResult {
  tokens: number[];
  logprobs: (number | null)[];
  threads: number;
  isolated: boolean;
}

/** Loads the model in a page by URL and generates greedily there. */
async function inPage(path: string): Promise<PageResult> {
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  await page.goto(`${origin}${path}`);
  await page.waitForFunction('window.load');
  const result = await page.evaluate(
    async ([url, text]) => {
      const model = await (globalThis as unknown as { load: typeof load }).load(url, { backend: 'wasm' });
      const { tokens } = await model.generate(text, { temperature: 0, maxTokens: 100, ignoreEndOfText: true }).result();
      const { logprobs } = await model.score(tokens);
      const { threads } = model.backend;
      await model.dispose();
      return { tokens: [...tokens], logprobs: [...logprobs], threads, isolated: crossOriginIsolated };
    },
    [`${origin}/model.gguf`, prompt] as const,
  );
  expect(problems).toEqual([]);
  await page.close();
  return result;
}

describe.skipIf(!hasChromium)(`in Chromium${reason}`, () => {
  test.each([
    ['a cross-origin isolated page, on several threads', '/isolated/', true],
    ['a plain page, on one thread', '/plain/', false],
  ])('gives the same bits as in Node, in %s', async (_, path, isolated) => {
    const model = await load(modelBytes, { backend: 'wasm' });
    const expected = await model.generate(prompt, { temperature: 0, maxTokens: 100, ignoreEndOfText: true }).result();
    const scored = await model.score(expected.tokens);
    const found = await inPage(path);
    expect(found.isolated).toBe(isolated);
    if (isolated) expect(found.threads).toBe(model.backend.threads);
    else expect(found.threads).toBe(1);
    expect(found.tokens).toEqual([...expected.tokens]);
    expect(found.logprobs).toEqual([...scored.logprobs]);
    await model.dispose();
  });
});
