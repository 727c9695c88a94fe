// Many streaming clients against a started `onebit serve`: errors, silences between tokens, memory, refusals of a full queue, and what clients that
// are killed leave behind. node bench/serve-load.mjs [--clients 64] [--seconds 60] [--model FILE] [--tokens 100] (after npm run build)
import { fork, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '60' },
    tokens: { type: 'string', default: '100' },
    parallel: { type: 'string', default: '16' },
    model: { type: 'string', default: 'seedling' },
    attack: { type: 'string' },
  },
});
const tokens = Number(values.tokens);

/** One answer as a client sees it. */
async function ask(url, index, maxTokens) {
  const began = performance.now();
  const body = { prompt: `Client ${index} asks`, max_tokens: maxTokens, ignore_eos: true, stream: true, seed: index };
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) {
    await response.arrayBuffer();
    return { status: response.status, retryAfter: response.headers.get('retry-after') };
  }
  let [last, first, longestMs, text] = [0, 0, 0, ''];
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const now = performance.now();
    if (first === 0) first = now - began;
    else longestMs = Math.max(longestMs, now - last);
    last = now;
    text = (text + chunk).slice(-40);
  }
  return { status: 200, whole: text.endsWith('data: [DONE]\n\n'), firstMs: first, longestMs };
}

// As a client that will be killed: asks without end.
if (values.attack) {
  process.send('up');
  await Promise.all(Array.from({ length: 8 }, (_, i) => ask(values.attack, i, 1_000_000)));
  process.exit(0);
}

const program = fileURLToPath(new URL('../bin/onebit.js', import.meta.url));
const args = ['serve', '--port', '0', '--queue', '64', '--parallel', values.parallel, '--quiet', '-m', values.model];
const server = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'inherit', 'pipe'] });
const url = await new Promise((resolve, reject) => {
  server.stderr.on('data', (chunk) => {
    const found = /listening on (\S+)/.exec(String(chunk));
    if (found) resolve(found[1]);
    else process.stderr.write(chunk);
  });
  server.on('exit', () => reject(new Error('the server ended')));
});
const gauge = async (name) => {
  const line = (await (await fetch(`${url}/metrics`)).text())
    .split('\n')
    .find((one) => one.startsWith(name) && !one.startsWith('#'));
  return Number(line?.split(' ').at(-1));
};
const memory = async () => Math.round((await gauge('process_resident_memory_bytes')) / 1e6);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function steady() {
  const end = performance.now() + 1000 * Number(values.seconds);
  const rssMb = [];
  const answers = [];
  const watch = setInterval(async () => rssMb.push(await memory()), Math.max(1000, Number(values.seconds) * 100));
  await Promise.all(
    Array.from({ length: Number(values.clients) }, async (_, i) => {
      while (performance.now() < end)
        answers.push(await ask(url, i, tokens).catch((error) => ({ error: String(error) })));
    }),
  );
  clearInterval(watch);
  const whole = answers.filter((answer) => answer.whole);
  return {
    clients: Number(values.clients),
    seconds: Number(values.seconds),
    answers: answers.length,
    failed: answers.length - whole.length,
    tokensPerSecond: Math.round((whole.length * tokens) / Number(values.seconds)),
    longestSilenceMs: Math.round(Math.max(...whole.map((answer) => answer.longestMs))),
    longestFirstTokenMs: Math.round(Math.max(...whole.map((answer) => answer.firstMs))),
    rssMb,
  };
}

async function surplus() {
  const answers = await Promise.all(
    Array.from({ length: 256 }, (_, i) => ask(url, i, tokens).catch((error) => ({ error: String(error) }))),
  );
  const refused = answers.filter((answer) => answer.status === 429);
  return {
    clients: 256,
    answered: answers.filter((answer) => answer.whole).length,
    refused: refused.length,
    refusedWithRetryAfter: refused.filter((answer) => answer.retryAfter).length,
    other: answers.length - refused.length - answers.filter((answer) => answer.whole).length,
  };
}

async function killed() {
  for (let round = 0; round < 5; round++) {
    const child = fork(fileURLToPath(import.meta.url), ['--attack', url]);
    await new Promise((resolve) => child.once('message', resolve));
    while ((await gauge('vllm:num_requests_running')) < 8) await pause(20);
    await pause(Math.random() * 300);
    child.kill('SIGKILL');
    while ((await gauge('vllm:num_requests_running')) > 0) await pause(20);
  }
  return {
    rounds: 5,
    running: await gauge('vllm:num_requests_running'),
    waiting: await gauge('vllm:num_requests_waiting'),
    cacheUsed: await gauge('vllm:kv_cache_usage_perc'),
    rssMb: await memory(),
  };
}

try {
  console.log(JSON.stringify({ steady: await steady() }));
  console.log(JSON.stringify({ surplus: await surplus() }));
  console.log(JSON.stringify({ killed: await killed() }));
} finally {
  server.kill('SIGTERM');
}
