// Speed of llama.cpp compiled to WebAssembly (wllama) in headless Chromium, on the CPU: prefill and decode apart, greedy.
// node bench/peers/wllama-bench.mjs MODEL [--threads 2] [--prompt-tokens 256] [--gen-tokens 32] [--context 0] [--runs 1]
//   [--flash on|off] [--json]
// Prompts are text, so their length is that of the nearest number of words; the times are those that llama.cpp's own
// server code inside wllama reports (`timings`), so messages to and from the worker do not count.
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { readArguments } from './arguments.mjs';

const { positional, option, flag } = readArguments(process.argv.slice(2), ['json']);
if (positional.length !== 1) {
  console.error('wllama-bench: one model is required. See the head of this file.');
  process.exit(2);
}
const threads = Number(option('threads', '2'));
const promptTokens = Number(option('prompt-tokens', '256'));
const genTokens = Number(option('gen-tokens', '32'));
const context = Number(option('context', '0'));
const runs = Number(option('runs', '1'));
const flashAttention = option('flash', 'on') === 'on';
const folder = fileURLToPath(new URL('node_modules/@wllama/wllama/', import.meta.url));
const { version } = JSON.parse(readFileSync(`${folder}package.json`, 'utf8'));

const TYPES = { js: 'text/javascript', wasm: 'application/wasm', gguf: 'application/octet-stream' };
const FILES = {
  '/index.js': `${folder}esm/index.js`,
  '/wllama.wasm': `${folder}esm/wasm/wllama.wasm`,
  '/model.gguf': positional[0],
};
const server = createServer((request, response) => {
  // cross-origin isolation: without it a page gets no shared memory, so no threads
  response.setHeader('cross-origin-opener-policy', 'same-origin');
  response.setHeader('cross-origin-embedder-policy', 'require-corp');
  const path = FILES[request.url];
  if (path) {
    response.setHeader('content-type', TYPES[request.url.split('.').at(-1)]);
    response.setHeader('content-length', statSync(path).size);
    createReadStream(path).pipe(response);
  } else {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>wllama</title>');
  }
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
let result;
try {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const settings = { threads, promptTokens, genTokens, context, runs, flashAttention };
  result = await page.evaluate(measureInPage, settings);
} finally {
  await browser.close();
  server.close();
}
const best = (values) => (values.length > 0 ? Number(Math.max(...values).toFixed(2)) : null);
const summary = {
  program: `wllama ${version} (llama.cpp ${result.llamaVersion}) in Chromium ${browser.version()}`,
  backend: 'wasm',
  threads: result.threads,
  flashAttention,
  promptTokens: result.promptTokens,
  genTokens,
  contextTokens: result.contextTokens,
  fileBytes: statSync(positional[0]).size,
  loadMs: Math.round(result.loadMs),
  prefillTokensPerSecond: best(result.prefill),
  decodeTokensPerSecond: best(result.decode),
  runs: { prefill: result.prefill, decode: result.decode },
};
if (flag('json')) console.log(JSON.stringify(summary));
else console.log(summary);

/** Runs in the page, so it sees nothing of this file. */
async function measureInPage({ threads, promptTokens, genTokens, context, runs, flashAttention }) {
  const { Wllama } = await import('/index.js');
  const quiet = { debug() {}, log() {}, warn() {}, error() {} };
  const wllama = new Wllama({ default: '/wllama.wasm' }, { suppressNativeLog: true, logger: quiet });
  const blob = await (await fetch('/model.gguf')).blob();
  const loadStart = performance.now();
  const before = Math.max(context, promptTokens);
  await wllama.loadModel([blob], {
    n_threads: threads,
    n_ctx: Math.ceil((before * 2 + genTokens) / 256) * 256,
    n_batch: 512,
    n_ubatch: 512,
    n_gpu_layers: 0,
    flash_attn: flashAttention,
    warmup: true,
  });
  const loadMs = performance.now() - loadStart;
  /** A completion of about `count` tokens of prompt; another first word each time, so that no prefix is cached. */
  let seen = 0;
  let tokensPerWord = 1;
  const complete = async (count, max_tokens) => {
    seen++;
    const words = Math.max(1, Math.round(count / tokensPerWord) - 1);
    const prompt = `${seen}${' the'.repeat(words)}`;
    const { timings } = await wllama.createCompletion({ prompt, max_tokens, temperature: 0, ignore_eos: true });
    tokensPerWord *= timings.prompt_n / count;
    return timings;
  };
  await complete(32, 4);
  const prefill = [];
  const decode = [];
  let measuredPrompt = 0;
  let measuredContext = 0;
  for (let run = 0; run < runs; run++) {
    const timings = await complete(promptTokens, context ? 1 : genTokens);
    prefill.push((timings.prompt_n * 1000) / timings.prompt_ms);
    measuredPrompt = timings.prompt_n;
    const decoded = context ? await complete(context, genTokens) : timings;
    // the server starts this clock when the first token is already there
    decode.push(((decoded.predicted_n - 1) * 1000) / decoded.predicted_ms);
    measuredContext = decoded.prompt_n;
  }
  return {
    llamaVersion: Wllama.getLibllamaVersion(),
    threads: wllama.getNumThreads(),
    promptTokens: measuredPrompt,
    contextTokens: measuredContext,
    loadMs,
    prefill,
    decode,
  };
}
