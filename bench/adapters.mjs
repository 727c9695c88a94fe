// What adapters cost: 100 requests over 10 adapters together, beside the same requests without, and whether each has the bits that it has alone.
//   node bench/adapters.mjs MODEL.gguf [--threads 2] [--rank 8] [--requests 100] [--adapters 10] [--tokens 16] [--alone 10] [--rounds 2]      (needs dist/ built)
import { memorySource } from '../dist/bytes/memory-source.js';
import { writeGguf } from '../dist/gguf/write.js';
import { ggufAdapter } from '../dist/hf/adapter.js';
import { load } from '../dist/index.js';
import { Random } from './models/random-weights.mjs';
import { readArguments } from './peers/arguments.mjs';

const { positional, option } = readArguments(process.argv.slice(2));
const number = (name, usual) => Number(option(name) ?? usual);
const [threads, rank, requests, adapters, tokens] = [
  number('threads', 2),
  number('rank', 8),
  number('requests', 100),
  number('adapters', 10),
  number('tokens', 16),
];
const parallel = Math.min(64, requests);
const model = await load(positional[0], { threads, contextTokens: 64, parallel, kvTokens: 64 * parallel });
const { width, feedForwardWidth, layers, heads, kvHeads, headSize, architecture } = model.config;
const shapes = {
  attn_q: [heads * headSize, width],
  attn_k: [kvHeads * headSize, width],
  attn_v: [kvHeads * headSize, width],
  attn_output: [width, heads * headSize],
  ffn_gate: [feedForwardWidth, width],
  ffn_up: [feedForwardWidth, width],
  ffn_down: [width, feedForwardWidth],
};

async function adapterBytes(seed) {
  const random = new Random(seed);
  const values = (length) => Float32Array.from({ length }, () => 0.02 * (random.fraction() - 0.5));
  const matrices = [];
  for (let layer = 0; layer < layers; layer++) {
    for (const [name, [rows, cols]] of Object.entries(shapes)) {
      const factors = { a: values(rank * cols), b: values(rows * rank) };
      matrices.push({ name: `blk.${layer}.${name}.weight`, rank, factor: 2, ...factors });
    }
  }
  const parts = [];
  const file = ggufAdapter(matrices, { architecture: architecture.name, heads, kvHeads }, `adapter ${seed}`);
  await writeGguf(file, (bytes) => {
    parts.push(bytes.slice());
  });
  return new Uint8Array(Buffer.concat(parts));
}

for (let i = 0; i < adapters; i++) await model.addAdapter(`a${i}`, memorySource(await adapterBytes(i + 1)));
const promptOf = (i) => Array.from({ length: 8 }, (_, j) => 1000 + ((i * 131 + j * 17) % 5000));
const ask = (i, adapter) =>
  model
    .generate(promptOf(i), { maxTokens: tokens, temperature: 0, logprobs: 0, ignoreEndOfText: true, adapter })
    .result();
const all = async (adapterOf) => {
  const began = performance.now();
  const results = await Promise.all(Array.from({ length: requests }, (_, i) => ask(i, adapterOf(i))));
  const count = results.reduce((sum, result) => sum + result.tokens.length, 0);
  return { perSecond: (1000 * count) / (performance.now() - began), results };
};
const best = { plain: 0, adapted: 0 };
let together;
for (let round = 0; round < number('rounds', 2); round++) {
  best.plain = Math.max(best.plain, (await all(() => '')).perSecond);
  together = await all((i) => `a${i % adapters}`);
  best.adapted = Math.max(best.adapted, together.perSecond);
}
let same = 0;
const checked = Math.min(requests, number('alone', 10));
for (let i = 0; i < checked; i++) {
  const alone = await ask(i, `a${i % adapters}`);
  const { tokens, logprobs } = together.results[i];
  if (JSON.stringify([alone.tokens, alone.logprobs]) === JSON.stringify([tokens, logprobs])) same++;
}
console.log(
  JSON.stringify({
    ...{ model: model.config.name, layers, width, rank, adapters, requests, atOnce: parallel, threads },
    tokensPerSecondWithout: Math.round(best.plain * 10) / 10,
    tokensPerSecondWith: Math.round(best.adapted * 10) / 10,
    share: Math.round((1000 * best.adapted) / best.plain) / 1000,
    sameBitsAlone: `${same} of ${checked}`,
  }),
);
await model.dispose();
