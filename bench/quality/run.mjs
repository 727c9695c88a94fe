// Bits per byte against file size: 1-bit, ternary and fp16 models trained by the same command on the same text for the same time, at equal bytes and at
// equal weights. Usage: npm run build && node bench/quality/run.mjs CORPUS HELD-OUT [--minutes 3] [--vocab 1024] [--name NAME] [--only NAMES]
// Writes bench/results/NAME.json, NAME.md and NAME.svg (default name: quality). Rows of earlier runs with other minutes are kept.
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
  ['fp16-256', { kind: 'float', width: 256, layers: 3 }],
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '3' },
    vocab: { type: 'string', default: '1024' },
    name: { type: 'string', default: 'quality' },
    only: { type: 'string' },
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

/** Trains one model as a user would. */
function trained(name, { kind, width, layers }) {
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
  const quiet = ['--no-report', '--sample-every', '0', '--json'];
  const options = ['--valid', heldOut, '--minutes', values.minutes, '--chat-share', '0', '--batch', '4096'];
  const args = ['bin/onebit.js', 'train', corpus, '-o', out, ...shape, ...options, ...quiet];
  const done = JSON.parse(execFileSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] }));
  const [start] = readFileSync(out.replace('.gguf', '.jsonl'), 'utf8')
    .split('\n', 1)
    .map((line) => JSON.parse(line));
  const { bytes, tokens, steps, tokensPerSecond, bitsPerByte } = done;
  return {
    bytes,
    parameters: start.parameters,
    tokens,
    steps,
    tokensPerSecond: Math.round(tokensPerSecond),
    bitsPerByte,
  };
}
