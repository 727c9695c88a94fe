// Bits per byte against file size: 1-bit, ternary and fp16 models trained by the same command on the same text for the same time, at equal bytes and at
// equal weights. Usage: npm run build && node bench/quality/run.mjs CORPUS HELD-OUT [--minutes 3] [--vocab 1024] [--name NAME] [--only NAMES]
//   [--realtime] [--threads N]
// Writes bench/results/NAME.json, NAME.md and NAME.svg (default name: quality). Rows of earlier runs with other minutes are kept.
// The time is counted in updates: a short run measures how many a model makes in a minute on both cores (--realtime: under `chrt -r 1`, so that other
// work does not slow it, needs root), then it gets as many as fit. So a busy machine costs patience and changes no result.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { qualityPicture, qualityTable } from './report.mjs';

/** About 0.1, 0.25 and 0.5 MB as binary models; the others with as many bytes, and with as many weights as the binary one in the middle. */
const VARIANTS = [
  ['binary-128', { kind: 'binary', width: 128, layers: 4 }],
  ['binary-256', { kind: 'binary', width: 256, layers: 3 }],
  ['binary-384', { kind: 'binary', width: 384, layers: 3 }],
  ['ternary-128', { kind: 'ternary', width: 128, layers: 4 }],
  ['ternary-192', { kind: 'ternary', width: 192, layers: 3 }],
  ['ternary-256', { kind: 'ternary', width: 256, layers: 3 }],
  ['fp16-48', { kind: 'float', width: 48, layers: 3 }],
  ['fp16-64', { kind: 'float', width: 64, layers: 4 }],
  ['fp16-128', { kind: 'float', width: 128, layers: 4 }],
  ['fp16-256', { kind: 'float', width: 256, layers: 3 }],
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '3' },
    vocab: { type: 'string', default: '1024' },
    name: { type: 'string', default: 'quality' },
    only: { type: 'string' },
    threads: { type: 'string' },
    realtime: { type: 'boolean', default: false },
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
const report = existsSync(`${results}.json`) ? JSON.parse(readFileSync(`${results}.json`, 'utf8')) : { rows: [] };
report.machine = `${cpus()[0].model.trim()}, ${cpus().length} cores, Node ${process.versions.node}`;

for (const [name, variant] of VARIANTS) {
  if (wanted && !wanted.includes(name)) continue;
  const row = { name, ...variant, minutes, vocabulary: Number(values.vocab), ...trained(name, variant) };
  report.rows = [...report.rows.filter((old) => old.name !== name || old.minutes !== minutes), row];
  console.log(
    `${name}: ${row.bytes} bytes, ${row.parameters} weights, ${row.tokens} tokens, ${row.bitsPerByte.toFixed(3)} bits/byte`,
  );
  writeFileSync(`${results}.json`, `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(`${results}.md`, qualityTable(report));
  writeFileSync(`${results}.svg`, qualityPicture(report));
}
rmSync(folder, { recursive: true });

/** Trains one model as a user would, for as many updates as fit in the time. */
function trained(name, variant) {
  const steps = Math.round(minutes * updatesPerMinute(name, variant));
  const { bytes, tokens, bitsPerByte, log } = train(
    name,
    variant,
    steps,
    values.threads ? ['--threads', values.threads] : [],
  );
  const { parameters } = log[0];
  return { bytes, parameters, tokens, steps, tokensPerSecond: Math.round(tokens / (60 * minutes)), bitsPerByte };
}

/** Updates a minute on an undisturbed machine: the fastest of a short run, half of it before and half after weights are rounded, as in a long run. */
function updatesPerMinute(name, variant) {
  const { log } = train(name, variant, 16, [], values.realtime ? ['chrt', '-r', '1'] : []);
  const updates = log.filter(({ type }) => type === 'step').slice(2);
  const tokens = updates.at(-1).tokens / updates.at(-1).step;
  return (60 * Math.max(...updates.map(({ tokensPerSecond }) => tokensPerSecond))) / tokens;
}

function train(name, { kind, width, layers }, steps, options, before = []) {
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
  const done = JSON.parse(execFileSync(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] }));
  const log = readFileSync(out.replace('.gguf', '.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  return { ...done, log };
}
