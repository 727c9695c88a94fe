// Speed of llama.cpp's native CPU code through node-llama-cpp: prefill and decode apart, greedy, evaluation only.
// node bench/peers/llama-bench.mjs MODEL [--threads 2] [--prompt-tokens 256] [--gen-tokens 64] [--context 0] [--runs 1]
//   [--flash auto|on|off] [--kv F16] [--batch 512] [--overhead] [--json]
// --context C: decode after C tokens of context instead of after the prompt (filled once, then cut back for each run).
// Three decode speeds, because node-llama-cpp adds work around llama.cpp and small models feel it:
//   decode    the addon directly, a token is one evaluation and one greedy sampling: what onebit is compared with;
//   evaluate  the addon directly, without sampling: llama.cpp's own `llama-bench tg` measures this (only with --overhead);
//   public    node-llama-cpp's documented `sequence.evaluate()`, only with --overhead.
import { statSync } from 'node:fs';
import { readArguments } from './arguments.mjs';
import { judgeVersion, openLlama } from './llama.mjs';

const { positional, option, flag } = readArguments(process.argv.slice(2), ['json', 'overhead']);
if (positional.length !== 1) {
  console.error('llama-bench: one model is required. See the head of this file.');
  process.exit(2);
}
const threads = Number(option('threads', '2'));
const promptTokens = Number(option('prompt-tokens', '256'));
const genTokens = Number(option('gen-tokens', '64'));
const context = Number(option('context', '0'));
const runs = Number(option('runs', '1'));
const batchSize = Number(option('batch', '512'));
const flashAttention = { auto: 'auto', on: true, off: false }[option('flash', 'auto')];
const kvType = option('kv', 'F16');

const loadStart = performance.now();
const before = context || promptTokens;
const contextSize = Math.max(before + genTokens, promptTokens, 256);
const judge = await openLlama(positional[0], { threads, contextSize, batchSize, flashAttention, kvType });
const loadMs = performance.now() - loadStart;
const lastOnly = Uint32Array.of(0);
/** Some tokens; which ones does not change the work. */
const text = (count) => Array.from({ length: count }, (_, i) => 1 + ((i * 7919) % (judge.vocabSize - 1)));

async function prefill(count) {
  const tokens = text(count);
  let slots;
  for (let start = 0; start < count; start += batchSize) {
    const part = tokens.slice(start, start + batchSize);
    slots = await judge.evaluate(part, start + part.length === count ? Uint32Array.of(part.length - 1) : undefined);
  }
  return slots;
}

async function decode(count, slots) {
  for (let i = 0; i < count; i++) {
    const token = await judge.greedy(slots[0]);
    slots = await judge.evaluate([token], lastOnly);
  }
}

async function evaluateOnly(count) {
  for (let i = 0; i < count; i++) await judge.evaluate([1], lastOnly);
}

/** Tokens per second of `work`, which handles `count` tokens. */
async function measure(count, work) {
  const start = performance.now();
  await work();
  return (count * 1000) / (performance.now() - start);
}

// Warm-up: the weights are mapped from the file and read into memory by the first evaluation.
await decode(Math.min(8, genTokens), await prefill(Math.min(32, promptTokens)));
const prefillRuns = [];
for (let run = 0; run < runs && promptTokens > 0; run++) {
  judge.truncate(0);
  prefillRuns.push(await measure(promptTokens, () => prefill(promptTokens)));
}
const decodeRuns = [];
const evaluateRuns = [];
if (genTokens > 0) {
  judge.truncate(0);
  await prefill(before);
  for (let run = 0; run < runs; run++) {
    judge.truncate(before - 1);
    const slots = await judge.evaluate([1], lastOnly);
    decodeRuns.push(await measure(genTokens, () => decode(genTokens, slots)));
    if (!flag('overhead')) continue;
    judge.truncate(before);
    evaluateRuns.push(await measure(genTokens, () => evaluateOnly(genTokens)));
  }
}
const publicRuns = [];
if (flag('overhead')) {
  const { model } = judge;
  const options = { contextSize, batchSize, threads, flashAttention, ignoreMemorySafetyChecks: true };
  const sequence = (await model.createContext(options)).getSequence();
  for (let run = 0; run <= runs; run++) {
    await sequence.clearHistory();
    const iterator = sequence.evaluate(text(before), { temperature: 0, yieldEogToken: true });
    await iterator.next();
    const speed = await measure(genTokens, async () => {
      for (let i = 0; i < genTokens; i++) await iterator.next();
    });
    await iterator.return();
    if (run > 0) publicRuns.push(speed);
  }
}

const best = (values) => (values.length > 0 ? Number(Math.max(...values).toFixed(2)) : null);
const result = {
  program: await judgeVersion(judge.llama),
  backend: 'native',
  threads,
  flashAttention,
  kvType,
  promptTokens,
  genTokens,
  contextTokens: before,
  fileBytes: statSync(positional[0]).size,
  loadMs: Math.round(loadMs),
  peakRssMb: Math.round(process.resourceUsage().maxRSS / 1024),
  prefillTokensPerSecond: best(prefillRuns),
  decodeTokensPerSecond: best(decodeRuns),
  evaluateTokensPerSecond: best(evaluateRuns),
  publicTokensPerSecond: best(publicRuns),
  runs: { prefill: prefillRuns, decode: decodeRuns, evaluate: evaluateRuns, public: publicRuns },
};
if (flag('json')) console.log(JSON.stringify(result));
else console.log(result);
process.exit(0);
