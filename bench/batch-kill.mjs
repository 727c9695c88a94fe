// Kills `onebit batch` with SIGKILL at random again and again, goes on with --resume each time, and checks what comes out: every row once, in order, none missing,
// and no finished row done again.
//
//   node bench/batch-kill.mjs [--kills 50] [--rows 10000] [--seed 1] [--support FILE] [--seedling]
//
// With --support the rows go through that support model (`onebit support train`), with --seedling through the model in the package with a schema.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { crc32 } from 'node:zlib';
import { parse } from 'csv-parse/sync';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    rows: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    support: { type: 'string' },
    seedling: { type: 'boolean', default: false },
  },
});
const kills = Number(values.kills);
const rows = Number(values.rows);
const program = fileURLToPath(new URL('../bin/onebit.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'onebit-kill-'));
const [input, output, schema] = ['in.csv', 'out.csv', 'schema.json'].map((name) => join(folder, name));
const journal = `${output}.journal`;

let state = Number(values.seed) >>> 0 || 1;
const random = () => {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) / 2 ** 32;
};
const words = 'my card has not come where is the parcel refund order cancel please payment failed twice address'.split(
  ' ',
);
const text = (i) =>
  `${Array.from({ length: 6 }, () => words[Math.floor(random() * words.length)]).join(' ')}, "row" ${i}\nline two`;
const source = Array.from({ length: rows }, (_, i) => [String(i), text(i), `note ${i}`]);
const quoted = (cell) => `"${cell.replaceAll('"', '""')}"`;
writeFileSync(input, `id,text,note\n${source.map((cells) => cells.map(quoted).join(',')).join('\n')}\n`);
writeFileSync(
  schema,
  JSON.stringify({
    type: 'object',
    properties: { topic: { enum: ['card', 'parcel', 'refund', 'other'] }, urgent: { type: 'boolean' } },
    required: ['topic', 'urgent'],
    additionalProperties: false,
  }),
);
const work = values.support
  ? ['-m', values.support]
  : ['--prompt', 'Message {{id}}: {{text}}', '--json-schema', schema, '-n', '32', '--threads', '1'];

function start() {
  const args = [program, 'batch', input, '-o', output, '--resume', '--json', ...work];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (piece) => (said.stdout += piece));
  child.stderr.on('data', (piece) => (said.stderr += piece));
  const ended = new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, ...said })));
  return { child, ended };
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const size = () => (existsSync(journal) ? statSync(journal).size : 0);

/** The rows of the journal; a row twice, or one lost that was there, is an error. */
function journalRows(known) {
  if (!existsSync(journal)) return known;
  const found = new Set();
  for (const line of readFileSync(journal, 'utf8').split('\n')) {
    const json = line.slice(9);
    if (crc32(json).toString(16).padStart(8, '0') !== line.slice(0, 8)) continue;
    const record = JSON.parse(json);
    if (!Array.isArray(record)) continue;
    if (found.has(record[0])) throw new Error(`row ${record[0]} was done twice`);
    found.add(record[0]);
  }
  for (const row of known) if (!found.has(row)) throw new Error(`row ${row} was lost`);
  return found;
}

const bytesOfRow = values.support ? 40 : 60;
let killed = 0;
let runs = 0;
let inStart = 0;
let inEnd = 0;
let known = new Set();
const began = performance.now();
while (killed < kills) {
  const { child, ended } = start();
  let isOver = false;
  void ended.then(() => (isOver = true));
  const left = (rows - known.size) * bytesOfRow;
  const kind = random();
  const from = size();
  if (kind < 0.15) await sleep(random() * 1000);
  else {
    const wanted = from + (random() * 2 * left) / Math.max(1, kills - killed);
    while (!isOver && size() < wanted) await sleep(5);
    await sleep(random() * 20);
  }
  child.kill('SIGKILL');
  const { code, stderr } = await ended;
  if (code !== null) {
    if (code !== 0) throw new Error(`ended with ${code}: ${stderr}`);
    check(); // it was whole before the kill: another file
    runs++;
    known = new Set();
    rmSync(output);
    continue;
  }
  killed++;
  if (size() === from) inStart++;
  const before = known.size;
  if (existsSync(output) && !existsSync(journal)) inEnd++;
  else known = journalRows(known);
  if (before === rows) inEnd++;
}
const { code, stdout, stderr } = await start().ended;
if (code !== 0) throw new Error(`ended with ${code}: ${stderr}`);
check();
const seconds = (performance.now() - began) / 1000;
const doneBefore = stdout ? JSON.parse(stdout).doneBefore : rows;
console.log(
  JSON.stringify({
    rows,
    kills: killed,
    wholeFiles: runs + 1,
    killsBeforeARow: inStart,
    killsAtTheEnd: inEnd,
    doneBefore,
    seconds: Math.round(seconds),
  }),
);
rmSync(folder, { recursive: true });

/** Every row once, in order, with an answer. */
function check() {
  const [header, ...found] = parse(readFileSync(output), { bom: true, relax_column_count: false });
  if (found.length !== rows) throw new Error(`${found.length} rows came out of ${rows}`);
  const [first] = [header.indexOf(values.support ? 'intent' : 'topic')];
  for (const [i, cells] of found.entries()) {
    if (source[i].some((cell, k) => cells[k] !== cell)) throw new Error(`row ${i} is another: ${cells}`);
    if (cells[first] === '' && cells.at(-1) === '') throw new Error(`row ${i} has neither an answer nor an error`);
  }
  if (existsSync(journal)) throw new Error('the journal is still there');
}
