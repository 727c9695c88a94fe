// The backend in Chromium: every case, the same bits as in Node for the same build, with threads on an isolated page and without on another.
// Needs Debian's chromium (or CHROMIUM=/path/to/it).
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runAllCases } from './browser-cases.ts';
import type { WasmBuild } from './build.ts';
import { wasmBackend } from './wasm-backend.ts';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const missing = existsSync(executablePath) ? '' : ` (skipped: no browser at ${executablePath})`;

let server: Server;
let browser: Browser;
let origin = '';

async function bundleCases(): Promise<string> {
  const input = fileURLToPath(new URL('./browser-cases.ts', import.meta.url));
  const bundle = await rolldown({ input, platform: 'browser', logLevel: 'silent' });
  const { output } = await bundle.generate({ format: 'esm', codeSplitting: false });
  await bundle.close();
  return output[0].code;
}

/** Serves the bundle; pages under /isolated may share memory. */
async function serve(script: string): Promise<void> {
  server = createServer((request, response) => {
    if (request.url?.startsWith('/isolated')) {
      response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
      response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    }
    response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
    response.setHeader('Content-Type', request.url?.endsWith('.js') ? 'text/javascript' : 'text/html');
    response.end(request.url?.endsWith('.js') ? script : '<!doctype html><title>cases</title>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Runs all cases in a page and gives the digest of their results. */
async function runInPage(path: string, build: WasmBuild, threads: number) {
  const page = await browser.newPage();
  try {
    await page.goto(`${origin}${path}`);
    // As text: a test runner rewrites imports in functions.
    const options = JSON.stringify({ build, threads, shareWork: 1 });
    return await page.evaluate(`import('${origin}/cases.js').then((cases) => cases.runInBrowser(${options}))`);
  } finally {
    await page.close();
  }
}

describe.skipIf(missing)(`wasm in Chromium${missing}`, () => {
  beforeAll(async () => {
    await serve(await bundleCases());
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  for (const build of ['simd', 'relaxed'] as const) {
    it(`gives the same bits as Node with the ${build} build, on one thread and on two`, async () => {
      const backend = await wasmBackend({ build, threads: 1 });
      const expected = await runAllCases(backend);
      await backend.dispose();
      expect(await runInPage('/isolated', build, 2)).toEqual({ threads: 2, digests: expected });
      expect(await runInPage('/plain', build, 2)).toEqual({ threads: 1, digests: expected });
    }, 120_000);
  }
});
