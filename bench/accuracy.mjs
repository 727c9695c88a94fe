// How far the wasm backend and llama.cpp are from the float32 reference on a model: mean KL divergence over whole rows of the vocabulary.
// node bench/accuracy.mjs MODEL.gguf [--tokens 48] [--seed 1] [--kv f16]      (needs bench/peers installed, and dist/ built)
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Random } from '../dist/core/random.js';
import { load } from '../dist/index.js';
import { readArguments } from './peers/arguments.mjs';

const { positional, option } = readArguments(process.argv.slice(2));
const [path] = positional;
const count = Number(option('tokens') ?? 48);
const kvFormat = option('kv') ?? 'f16';

/** Log-softmax rows [tokens − 1, vocabulary] of one of our backends. */
async function rowsOf(backend, tokens, format) {
  const model = await load(path, { backend, kvFormat: format, contextTokens: 512 });
  const { engine } = model;
  const { vocabulary } = model.config;
  const rows = new Float32Array((tokens.length - 1) * vocabulary);
  const sequence = engine.newSequence();
  for (let i = 0; i < tokens.length - 1; i++) {
    await engine.step([{ sequence, tokens: [tokens[i]], outputs: [0] }], async (logits) => {
      rows.set(await engine.backend.read(logits, 0, vocabulary), i * vocabulary);
    });
    const row = rows.subarray(i * vocabulary, (i + 1) * vocabulary);
    const max = row.reduce((a, b) => Math.max(a, b));
    const sum = max + Math.log(row.reduce((a, b) => a + Math.exp(b - max), 0));
    for (let j = 0; j < row.length; j++) row[j] -= sum;
  }
  await model.dispose();
  return { rows, vocabulary };
}

function meanKl(reference, other, vocabulary) {
  let sum = 0;
  for (let i = 0; i < reference.length; i++) sum += Math.exp(reference[i]) * (reference[i] - other[i]);
  return sum / (reference.length / vocabulary);
}

const folder = mkdtempSync(join(tmpdir(), 'onebit-accuracy-'));
try {
  const probe = await load(path, { contextTokens: 1 });
  const { vocabulary } = probe.config;
  await probe.dispose();
  const random = new Random(Number(option('seed') ?? 1));
  const tokens = Array.from({ length: count }, () => random.below(vocabulary));
  const reference = await rowsOf('reference', tokens, 'f32');
  const ours = await rowsOf('wasm', tokens, kvFormat);
  const list = join(folder, 'tokens.json');
  const rowsFile = join(folder, 'rows.f32');
  writeFileSync(list, JSON.stringify(tokens));
  const script = fileURLToPath(new URL('peers/llama-score.mjs', import.meta.url));
  execFileSync(process.execPath, [script, path, '--tokens-file', list, '--rows', rowsFile, '--json'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const bytes = readFileSync(rowsFile);
  const llama = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4).subarray(0, reference.rows.length);
  const oursKl = meanKl(reference.rows, ours.rows, vocabulary);
  const llamaKl = meanKl(reference.rows, llama, vocabulary);
  console.log(
    JSON.stringify({
      model: path.split('/').pop(),
      tokens: count,
      kvFormat,
      wasmKl: oursKl,
      llamaKl,
      ratio: oursKl / llamaKl,
    }),
  );
} finally {
  rmSync(folder, { recursive: true });
}
