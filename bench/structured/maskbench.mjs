// MaskBench as written: for every schema, whether valid instances can be written token by token under the masks and invalid ones cannot.
// node bench/structured/maskbench.mjs DIR [--fast] [--names FILE] [--part I/N] [--out FILE] [--cpu]     (DIR: maskbench/data of github.com/guidance-ai/jsonschemabench)
// As MaskBench's runner: instances as Python's json.dumps writes them; a file passes where it compiles and every test is right.
// The tokenizer is Qwen3's (151,669 tokens). --fast follows bytes only and makes no masks; --cpu times by what the process computes (in ticks of 4 ms on some systems), for machines that
// do other things as well. Valid instances that are rejected are sorted by narrowing.mjs.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileSchema } from '../../dist/structured/compile.js';
import { whyNot } from './narrowing.mjs';
import { instancesOf } from './python-json.mjs';
import { tokenizer } from './tokenizer.mjs';

const [directory, ...flags] = process.argv.slice(2);
const option = (name) => (flags.includes(name) ? flags[flags.indexOf(name) + 1] : undefined);
const fast = flags.includes('--fast');
const now = flags.includes('--cpu') ? computedMs : () => performance.now();
const listed = option('--names') && new Set(readFileSync(option('--names'), 'utf8').split('\n'));
const [part, of] = (option('--part') ?? '0/1').split('/').map(Number);
compileSchema({ const: 0 }, tokenizer).matcher().mask();

const files = readdirSync(directory)
  .filter((name) => name.endsWith('.json') && (!listed || listed.has(name)))
  .sort()
  .filter((_, i) => i % of === part);
const times = { compileMs: [], firstMs: [], maskMs: [] };
const counts = { files: files.length, pass: 0, refused: 0, validRejected: 0, invalidAccepted: 0, tests: 0, crashed: 0 };
const reasons = new Map();
const rejected = { order: 0, additional: 0, other: 0 };
const rows = [];
for (const name of files) {
  const text = readFileSync(join(directory, name), 'utf8');
  const { schema, tests } = JSON.parse(text);
  const row = { name };
  rows.push(row);
  let grammar;
  const began = now();
  try {
    grammar = compileSchema(schema, tokenizer);
  } catch (error) {
    if (error?.name !== 'OnebitError') counts.crashed++;
    row.refused = error.message;
    counts.refused++;
    const reason = reasonOf(error.message);
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    continue;
  } finally {
    row.compileMs = now() - began;
    times.compileMs.push(row.compileMs);
  }
  if (!fast) {
    const before = now();
    grammar.matcher().mask();
    times.firstMs.push(now() - before + row.compileMs);
  }
  const instances = instancesOf(text);
  for (const [i, { valid }] of tests.entries()) {
    counts.tests++;
    let accepted = false;
    try {
      accepted = fast ? grammar.accepts(instances[i]) : writes(grammar, instances[i], row);
    } catch (error) {
      row.error = error.message;
      counts.crashed += error?.name === 'OnebitError' ? 0 : 1;
    }
    if (accepted === valid) continue;
    row[valid ? 'validRejected' : 'invalidAccepted'] ??= [];
    row[valid ? 'validRejected' : 'invalidAccepted'].push(i);
    if (valid) row.why = worse(row.why, row.error ? { why: 'other', at: row.error } : whyNot(grammar, tests[i].data));
  }
  if (row.why) rejected[row.why.why]++;
  if (row.why?.why === 'other') console.log(`other: ${name} ${JSON.stringify(row.why)}`);
  if (row.validRejected) counts.validRejected++;
  if (row.invalidAccepted) counts.invalidAccepted++;
  if (!row.validRejected && !row.invalidAccepted) counts.pass++;
}
const quantiles = (list) => {
  const sorted = list.toSorted((a, b) => a - b);
  const at = (share) =>
    Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(3));
  const within = (ms) => Number((sorted.filter((value) => value <= ms).length / Math.max(1, sorted.length)).toFixed(5));
  return {
    count: sorted.length,
    within2ms: within(2),
    median: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    p999: at(0.999),
    most: at(1),
  };
};
console.log(JSON.stringify(counts));
console.log('files with valid instances rejected, by the worst reason:', JSON.stringify(rejected));
for (const [reason, count] of [...reasons].sort((a, b) => b[1] - a[1]).slice(0, 60))
  console.log(`${count} refused: ${reason}`);
for (const [name, list] of Object.entries(times)) console.log(name, JSON.stringify(quantiles(list)));
if (option('--out')) writeFileSync(option('--out'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));

/** Whether all tokens are allowed one after another, and the end after them. */
function writes(grammar, instance, row) {
  const matcher = grammar.matcher();
  for (const token of tokenizer.encode(instance)) {
    const before = now();
    const mask = matcher.mask();
    const allowed = (mask[token >>> 5] >>> (token & 31)) & 1;
    if (allowed) matcher.accept(token);
    const ms = now() - before;
    times.maskMs.push(ms);
    if (ms > (row.slowestMs ?? 0)) row.slowestMs = ms;
    if (!allowed) return false;
  }
  return matcher.isComplete;
}

/** What this process has computed so far, its collector and compiler included, without what it waited for others. */
function computedMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e3;
}

function worse(a, b) {
  const order = ['order', 'additional', 'other'];
  return a && order.indexOf(a.why) >= order.indexOf(b.why) ? a : b;
}

/** A message without what is only of one schema. */
function reasonOf(message) {
  return message
    .replaceAll(/, got it at \S+/g, '')
    .replaceAll(/\bat \/\S*/g, '')
    .slice(0, 110);
}
