// Our speed in headless Chromium, on the processor: the package's own dist/browser/, the engine in a worker, as pages have it.
// node bench/chromium-bench.mjs MODEL [--threads 2] [--prompt-tokens 256] [--gen-tokens 32] [--context 256] [--runs 1]
// With --train TEXT instead of a model ("Colours and animals", "A bicycle workshop"; --minutes 1 --seed 1): questions answered right after training in the page.
// With --first-token instead of a model: milliseconds from opening the page of dist/site/ to the first token of the embedded model.
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { readArguments } from './peers/arguments.mjs';

const { positional, option, flag } = readArguments(process.argv.slice(2), ['json', 'first-token']);
const firstToken = flag('first-token');
const text = option('train');
if (positional.length !== (firstToken || text ? 0 : 1)) {
  console.error('chromium-bench: one model is required. See the head of this file.');
  process.exit(2);
}
const [model] = positional;
const promptTokens = Number(option('prompt-tokens', '256'));
const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const TYPES = { '.js': 'text/javascript', '.html': 'text/html', '.css': 'text/css', '.svg': 'image/svg+xml' };

const server = createServer((request, response) => {
  response.setHeader('cross-origin-opener-policy', 'same-origin');
  response.setHeader('cross-origin-embedder-policy', 'require-corp');
  const path = request.url === '/' ? '/site/index.html' : request.url;
  if (path === '/empty')
    return response.setHeader('content-type', 'text/html').end('<!doctype html><title>bench</title>');
  const file =
    path === '/model.gguf'
      ? model
      : join(dist, path.startsWith('/browser/') ? path : `/site/${path.replace(/^\/site/, '')}`);
  let size;
  try {
    size = statSync(file).size;
  } catch {
    return response.writeHead(404).end();
  }
  response.setHeader('content-type', TYPES[extname(file)] ?? 'application/octet-stream');
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  if (!range) return createReadStream(file).pipe(response.setHeader('content-length', size));
  const [start, end] = [Number(range[1]), Math.min(range[2] ? Number(range[2]) : size - 1, size - 1)];
  response.writeHead(206, { 'content-range': `bytes ${start}-${end}/${size}`, 'content-length': end - start + 1 });
  return createReadStream(file, { start, end }).pipe(response);
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${server.address().port}`;
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const program = `onebit in Chromium ${browser.version()}`;
try {
  const summary = firstToken ? await measureFirstToken() : text ? await measureTraining() : await measureSpeed();
  console.log(flag('json') ? JSON.stringify(summary) : summary);
} finally {
  await browser.close();
  server.close();
}

async function measureSpeed() {
  const page = await browser.newPage();
  await page.goto(`${origin}/empty`);
  const request = {
    promptTokens,
    genTokens: Number(option('gen-tokens', '32')),
    contextTokens: Number(option('context', String(promptTokens))),
    runs: Number(option('runs', '1')),
  };
  const threads = Number(option('threads', '2'));
  const result = await page.evaluate(measureInPage, { request, threads });
  return { program, ...result, ...request };
}

/** Runs in the page, so it sees nothing of this file. */
async function measureInPage({ request, threads }) {
  const { loadInWorker } = await import('/browser/onebit.js');
  const began = performance.now();
  const contextTokens = Math.max(request.promptTokens, request.contextTokens) + request.genTokens + 1;
  const loaded = await loadInWorker('/model.gguf', { backend: 'wasm', threads, contextTokens });
  const loadMs = performance.now() - began;
  const { prefill, decode } = await loaded.speed(request);
  const { backend, threads: used } = loaded.info;
  return {
    backend,
    threads: used,
    loadMs,
    prefillTokensPerSecond: prefill.median,
    decodeTokensPerSecond: decode.median,
  };
}

/** Each time in a new context, so nothing is cached: from asking for the page to the first token on it. */
async function measureFirstToken() {
  const times = [];
  for (let run = 0; run < Number(option('runs', '5')); run++) {
    const page = await (await browser.newContext({ serviceWorkers: 'block' })).newPage();
    const began = performance.now();
    await page.goto(origin, { waitUntil: 'commit' });
    await page.getByRole('textbox', { name: 'Message' }).fill('I would like to book a table for two.');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.locator('.answer .token').first().waitFor();
    times.push(Math.round(performance.now() - began));
    await page.context().close();
  }
  return { program, firstTokenMs: times };
}

/** Trains on one of the page's texts and reads its score. */
async function measureTraining() {
  const page = await browser.newPage();
  page.setDefaultTimeout(600_000);
  const [minutes, seed] = [option('minutes', '1'), option('seed', '1')];
  await page.goto(`${origin}/#train`);
  await page.getByRole('button', { name: text }).click();
  await page.getByText('Time, size, seed').click();
  await page.locator('#train').getByLabel('Minutes').fill(minutes);
  await page.locator('#train').getByLabel('Seed').fill(seed);
  await page.getByRole('button', { name: 'Train', exact: true }).click();
  await page.getByRole('button', { name: 'Talk to it' }).waitFor();
  const [score, status] = await Promise.all(
    ['.score-line', '.run .status'].map((of) => page.locator(of).textContent()),
  );
  return { program, text, minutes, seed, score, status };
}
