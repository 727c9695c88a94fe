// Makes test/golden/llama-architectures.json: log-probabilities by llama.cpp of the models of test/golden/architectures.json that it knows, for the tokens there and
// for a text that is longer than a span of the kernels. Needs `npm install --omit=optional` in bench/peers, and dist/ built.
//   node bench/golden/llama-architectures.mjs
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeGguf } from '../../dist/gguf/write.js';
import { judgeVersion, openLlama, scoreTokens } from '../peers/llama.mjs';
import { modelFile } from './architecture-files.mjs';

const folder = new URL('../../test/golden/', import.meta.url);
const golden = JSON.parse(readFileSync(new URL('architectures.json', folder), 'utf8'));
const LONG = Array.from({ length: 150 }, (_, i) => (i * 37 + 11) % 96);
/** llama.cpp v0.5.0 runs `bitnet` with SiLU whatever the file's hidden_activation says. */
const isKnown = ({ architecture, activation, tensors }) =>
  !['bitnet-b1.58', 'bitnet-25'].includes(architecture) &&
  activation !== 'relu2' &&
  !tensors.some(([name]) => name.includes('norm_in'));

/** Scalings of rotary positions, in place of a model's own keys: of llama with factors of frequencies, and of gemma3 with local layers. */
const linear = { 'rope.scaling.type': 'linear', 'rope.scaling.factor': 4.5 };
const yarn = { ...linear, 'rope.scaling.type': 'yarn', 'rope.scaling.original_context_length': 16 };
const attention = { 'rope.scaling.attn_factor': 1.25 };
const SCALINGS = [
  { 'rope.scaling.factor': 4.5 },
  { 'rope.scale_linear': 4.5 },
  { ...linear, ...attention },
  yarn,
  { ...yarn, ...attention },
  { ...linear, 'rope.scaling.type': 'none' },
  attention,
];

const scratch = mkdtempSync(join(tmpdir(), 'onebit-golden-'));
const models = [];
let program;
const scaled = golden.models.flatMap((one, model) =>
  one.seed === 1 &&
  (one.keys?.['attention.sliding_window'] || one.tensors.some(([name]) => name === 'rope_freqs.weight'))
    ? SCALINGS.map((keys) => [model, { ...one, keys: { ...one.keys, ...keys } }, keys])
    : [],
);
for (const [model, one, keys] of [...golden.models.entries(), ...scaled]) {
  if (!isKnown(one)) continue;
  const path = join(scratch, `${model}.gguf`);
  writeFileSync(path, await modelFile(writeGguf, one, golden.sizes));
  const judge = await openLlama(path, { threads: 1, flashAttention: false, kvType: 'F32' });
  program ??= await judgeVersion(judge.llama);
  for (const tokens of keys ? [LONG] : [golden.tokens, LONG]) {
    const logprobs = (await scoreTokens(judge, tokens)).map((value) => Number(value.toFixed(7)));
    models.push({ model, ...(keys ? { keys } : {}), tokens, logprobs });
  }
  await judge.dispose();
}
rmSync(scratch, { recursive: true });
const lines = models.map((model) => JSON.stringify(model)).join(',\n');
const head = JSON.stringify({ program, command: 'node bench/golden/llama-architectures.mjs' }).slice(0, -1);
writeFileSync(new URL('llama-architectures.json', folder), `${head},"models":[\n${lines}\n]}\n`);
process.exit(0);
