// Bits per byte against file size: 1-bit, ternary and fp16 models trained by the same command on the same text for the same time, at equal bytes and at
// equal weights. Usage: npm run build && node bench/quality/run.mjs CORPUS HELD-OUT [--minutes 3] [--vocab 1024] [--name NAME] [--only NAMES]
//   [--realtime] [--keep-speeds] [--threads N] [--jobs N]
// Writes bench/results/NAME.json, NAME.md and NAME.svg (default name: quality). Rows of earlier runs with other minutes are kept.
// The time is counted in updates: short runs measure first how many each model makes in a minute on both cores (--realtime: under `chrt -r 1`, so that
// other work does not slow them, needs root; --keep-speeds: those of NAME.json, measured on this machine before). Then each model gets as many as fit,
// --jobs of them at once. A model is the same for any number of threads, so a busy machine costs patience and changes no result.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { defaultRecipe } from '../../dist/train/recipe.js';
import { qualityPicture, qualityTable } from './report.mjs';

/** Binary models of about 0.2, 0.4 and 0.9 MB; the others with as many bytes, and with as many weights. */
const VARIANTS = [
  ['binary-128', { kind: 'binary', width: 128, layers: 4 }],
  ['binary-256', { kind: 'binary', width: 256, layers: 3 }],
  ['binary-384', { kind: 'binary', width: 384, layers: 3 }],
  ['ternary-128', { kind: 'ternary', width: 128, layers: 4 }],
  ['ternary-192', { kind: 'ternary', width: 192, layers: 3 }],
  ['ternary-256', { kind: 'ternary', width: 256, layers: 3 }],
  ['fp16-32', { kind: 'float', width: 32, layers: 3 }],
  ['fp16-48', { kind: 'float', width: 48, layers: 3 }],
  ['fp16-64', { kind: 'float', width: 64, layers: 4 }],
  ['fp16-96', { kind: 'float', width: 96, layers: 3 }],
  ['fp16-128', { kind: 'float', width: 128, layers: 4 }],
  ['fp16-256', { kind: 'float', width: 256, layers: 3 }],
];

/** Updates of the run that measures a speed. */
const SHORT_RUN = 16;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '3' },
    vocab: { type: 'string', default: '1024' },
    name: { type: 'string', default: 'quality' },
    only: { type: 'string' },
    threads: { type: 'string' },
    jobs: { type: 'string', default: '1' },
    realtime: { type: 'boolean', default: false },
    'keep-speeds': { type: 'boolean', default: false },
  },
});
const [corpus, heldOut] = positionals;
if (!heldOut) {
  console.error(
    'quality: two files are needed, the text to learn and the text to measure. See the head of bench/quality/run.mjs.',
  );
  process.exit(2);
}
const root = fileURLToPath(new URL('../../', import.meta.url));
const results = join(root, 'bench/results', values.name);
const folder = mkdtempSync(join(tmpdir(), 'onebit-quality-'));
const minutes = Number(values.minutes);
const wanted = values.only?.split(',');
const variants = VARIANTS.filter(([name]) => !wanted || wanted.includes(name));
const readReport = () =>
  existsSync(`${results}.json`) ? JSON.parse(readFileSync(`${results}.json`, 'utf8')) : { rows: [] };
const updates = values['keep-speeds'] ? (readReport().updatesPerMinute ?? {}) : {};

for (const [name, variant] of variants) {
  updates[name] ??= await updatesPerMinute(name, variant);
  console.log(`${name}: ${updates[name].toFixed(1)} updates a minute`);
}
const queue = variants.toReversed();
await Promise.all(
  Array.from({ length: Number(values.jobs) }, async () => {
    for (let next = queue.pop(); next; next = queue.pop()) await addRow(...next);
  }),
);
rmSync(folder, { recursive: true });

/** Puts a row into the results, where another run of this script may be writing as well. */
function save(row) {
  const report = readReport();
  report.machine = `${cpus()[0].model.trim()}, ${cpus().length} cores, Node ${process.versions.node}`;
  report.updatesPerMinute = { ...report.updatesPerMinute, ...updates };
  report.rows = [...report.rows.filter((old) => old.name !== row.name || old.minutes !== minutes), row];
  writeFileSync(`${results}.json`, `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(`${results}.md`, qualityTable(report));
  writeFileSync(`${results}.svg`, qualityPicture(report));
}

/** Trains one model as a user would, for as many updates as fit in the time. */
async function addRow(name, variant) {
  const steps = Math.round(minutes * updates[name]);
  const options = values.threads ? ['--threads', values.threads] : [];
  const { bytes, tokens, bitsPerByte, log } = await train(name, variant, steps, options);
  const { parameters } = log[0];
  const tokensPerSecond = Math.round(tokens / (60 * minutes));
  const row = { name, ...variant, minutes, vocabulary: Number(values.vocab) };
  Object.assign(row, { bytes, parameters, tokens, steps, tokensPerSecond, bitsPerByte });
  console.log(`${name}: ${bytes} bytes, ${parameters} weights, ${tokens} tokens, ${bitsPerByte.toFixed(3)} bits/byte`);
  save(row);
}

/** Updates a minute on an undisturbed machine: the fastest update of a short run before weights are rounded, and the fastest after, each for its share. */
async function updatesPerMinute(name, variant) {
  const before = values.realtime ? ['chrt', '-r', '1'] : [];
  const { log } = await train(name, variant, SHORT_RUN, [], before);
  const steps = log.filter(({ type }) => type === 'step');
  const seconds = steps.map(({ tokensPerSecond }) => steps.at(-1).tokens / SHORT_RUN / tokensPerSecond);
  const { fullPrecisionShare } = defaultRecipe;
  const rounded = Math.ceil(fullPrecisionShare * SHORT_RUN);
  const share = variant.kind === 'float' ? 0 : fullPrecisionShare;
  return 60 / (share * Math.min(...seconds.slice(1, rounded)) + (1 - share) * Math.min(...seconds.slice(rounded)));
}

async function train(name, { kind, width, layers }, steps, options, before = []) {
  const out = join(folder, `${name}.gguf`);
  const shape = [
    '--kind',
    kind,
    '--width',
    String(width),
    '--layers',
    String(layers),
    '--vocab',
    values.vocab,
    '--context',
    '256',
  ];
  const quiet = ['--no-report', '--sample-every', '0', '--eval-every', '1000000', '--json', '--overwrite'];
  const fixed = ['--valid', heldOut, '--steps', String(steps), '--chat-share', '0', '--batch', '4096'];
  const [program, ...args] = [
    ...before,
    process.execPath,
    'bin/onebit.js',
    'train',
    corpus,
    '-o',
    out,
    ...shape,
    ...fixed,
    ...quiet,
    ...options,
  ];
  const { stdout } = await promisify(execFile)(program, args, { cwd: root, maxBuffer: 2 ** 26 });
  const done = JSON.parse(stdout);
  const log = readFileSync(out.replace('.gguf', '.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  return { ...done, log };
}
