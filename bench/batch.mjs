// What a step costs by the number of its rows, all giving logits: the question that decides whether guessing ahead (speculative decoding) or
// serving several requests in one step pays. node bench/batch.mjs MODEL.gguf [--threads 2] [--runs 10]      (needs dist/ built)
import { load } from '../dist/index.js';
import { readArguments } from './peers/arguments.mjs';

const { positional, option } = readArguments(process.argv.slice(2));
const threads = Number(option('threads') ?? 2);
const runs = Number(option('runs') ?? 10);
const model = await load(positional[0], { threads, contextTokens: 512 });
const { engine } = model;
const sequence = engine.newSequence();
const tokensOf = (count) => Array.from({ length: count }, (_, i) => (i * 7919) % model.config.vocabulary);
for (const tokens of [tokensOf(64), tokensOf(64)]) {
  await engine.step([{ sequence, tokens, outputs: [] }], (logits) => engine.backend.read(logits, 0, 0));
}
let single = 0;
for (const rows of [1, 2, 3, 4, 6, 8, 16]) {
  const times = [];
  for (let run = 0; run < runs + 2; run++) {
    const began = performance.now();
    const outputs = tokensOf(rows).map((_, i) => i);
    await engine.step([{ sequence, tokens: tokensOf(rows), outputs }], (logits) => engine.backend.read(logits, 0, 1));
    times.push(performance.now() - began);
    sequence.truncate(128);
  }
  times.sort((a, b) => a - b);
  single ||= times[0];
  console.log(
    JSON.stringify({ rows, bestMs: times[0], medianMs: times[times.length >> 1], timesOneRow: times[0] / single }),
  );
}
await model.dispose();
