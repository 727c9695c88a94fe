// Tokens a second of training against PyTorch with OpenBLAS: the same quantised model, optimiser and batch, alternating runs, best of each.
// Usage: npm run build && node bench/training/run.mjs [--optimizer adamw|muon] [--width 256] [--layers 4] [--vocabulary 1024] [--rounds 4] [--steps 4]
//   [--exact] [--threads N]. Needs Debian's python3-torch with libopenblas0-pthread; PYTHON names another interpreter than /usr/bin/python3.
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { defaultRecipe } from '../../dist/train/recipe.js';
import { modelShape } from '../../dist/train/shape.js';
import { createTrainer } from '../../dist/train/trainer.js';

const text = (fallback) => ({ type: 'string', default: fallback });
const { values } = parseArgs({
  options: {
    optimizer: text('adamw'),
    width: text('256'),
    layers: text('4'),
    vocabulary: text('1024'),
    sequences: text('16'),
    length: text('256'),
    rounds: text('4'),
    steps: text('4'),
    threads: { type: 'string' },
    exact: { type: 'boolean', default: false },
  },
});
const number = (name) => Number(values[name]);
const [sequences, length, steps] = [number('sequences'), number('length'), number('steps')];
const shape = modelShape({
  vocabulary: number('vocabulary'),
  layers: number('layers'),
  width: number('width'),
  contextLength: length,
});
const recipe = {
  ...defaultRecipe,
  optimizer: values.optimizer,
  learningRate: values.optimizer === 'muon' ? 0.02 : 0.003,
  fullPrecisionShare: 0,
};
const threads = values.threads === undefined ? undefined : Number(values.threads);

const ours = [];
const theirs = [];
for (let round = 0; round < number('rounds'); round++) {
  ours.push(await ourSpeed());
  theirs.push(torchSpeed());
  console.log(`round ${round + 1}: onebit ${ours[round].toFixed(0)}, PyTorch ${theirs[round].toFixed(0)} tokens/s`);
}
const [best, peer] = [Math.max(...ours), Math.max(...theirs)];
console.log(
  JSON.stringify({
    benchmark: 'training',
    machine: `${cpus().length} x ${cpus()[0].model}`,
    node: process.version,
    shape,
    optimizer: recipe.optimizer,
    rows: sequences * length,
    exact: values.exact,
    onebit: Math.round(best),
    pytorch: Math.round(peer),
    ratio: Number((best / peer).toFixed(3)),
  }),
);

/** Best tokens/s of `steps` steps after one to warm up. */
async function ourSpeed() {
  const trainer = await createTrainer(shape, recipe, { seed: 1, exact: values.exact, threads });
  const rows = sequences * length;
  let best = Number.POSITIVE_INFINITY;
  for (let step = 0; step <= steps; step++) {
    const ids = Int32Array.from({ length: rows + 1 }, () => Math.floor(Math.random() * shape.vocabulary));
    const start = performance.now();
    await trainer.step({ sequences, length, tokens: ids.slice(0, rows), targets: ids.slice(1) });
    if (step > 0) best = Math.min(best, performance.now() - start);
  }
  await trainer.dispose();
  return (rows / best) * 1000;
}

function torchSpeed() {
  const script = fileURLToPath(new URL('torch_train.py', import.meta.url));
  const { OPENBLAS_CORETYPE, OPENBLAS_L2_SIZE, ...env } = process.env;
  const task = JSON.stringify({ shape, recipe, sequences, length, steps: steps + 1 });
  return JSON.parse(execFileSync(process.env.PYTHON ?? '/usr/bin/python3', [script, task], { env })).tokensPerSecond;
}
