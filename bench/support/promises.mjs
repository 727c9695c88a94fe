// Is the precision that was asked for met on rows never seen? Many resamplings: a few rows of a public set are drawn, a model is trained on them, and each
// threshold that it promises is tried on thousands of other rows of the same set. Half of the draws are of few intents ("few": the queries to come are of
// these), half of the whole set ("any": most queries to come may be of intents that no row has, which must not be answered). A precision is met where as many of
// the answers are right, or nothing is answered. Prints a JSON line per draw, then a table.
//   node bench/support/promises.mjs DATA [--draws 200] [--first 1] [--rows 20,40,80,120,200] > promises.jsonl
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Random } from '../../dist/core/random.js';
import { parseRows, trainSupport } from '../../dist/tasks/support/index.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    draws: { type: 'string', default: '200' },
    first: { type: 'string', default: '1' },
    rows: { type: 'string', default: '20,40,80,120,200' },
    options: { type: 'string', default: '{}' },
  },
});
const SETS = ['banking77', 'clinc150', 'hwu64'];
const ASKED = [0.8, 0.9, 0.95, 0.99];
/** Unseen rows that a threshold is tried on. */
const MOST_UNSEEN = 3000;
const read = (name) => parseRows(readFileSync(`${positionals[0]}/${name}.csv`, 'utf8'), `${name}.csv`);
const sets = new Map(
  SETS.map((set) => [set, [...read(`${set}-train`), ...read(`${set}-dev`)].filter(({ intent }) => intent !== 'oos')]),
);
const sizes = values.rows.split(',').map(Number);
const met = new Map(ASKED.map((asked) => [asked, []]));
for (let draw = Number(values.first); draw < Number(values.first) + Number(values.draws); draw++) {
  const random = new Random(draw);
  const set = SETS[draw % SETS.length];
  const size = sizes[Math.floor(draw / SETS.length) % sizes.length];
  const kind = Math.floor(draw / (SETS.length * sizes.length)) % 2 === 0 ? 'few' : 'any';
  const all = shuffled(sets.get(set), random);
  const intents = shuffled([...new Set(all.map(({ intent }) => intent))], random);
  // Five to twenty rows an intent, at least two intents.
  const kept = new Set(
    kind === 'any' ? intents : intents.slice(0, Math.max(2, Math.round(size / (5 + random.below(16))))),
  );
  const rows = all.filter(({ intent }) => kept.has(intent));
  const [taken, unseen] = [rows.slice(0, size), rows.slice(size, size + MOST_UNSEEN)];
  const began = process.cpuUsage().user;
  const model = await trainSupport(taken, { seed: draw, keepExamples: false, ...JSON.parse(values.options) }).catch(
    (error) => {
      if (/at least two intents/.test(error.message)) return undefined;
      throw error;
    },
  );
  if (!model) continue;
  const judged = unseen.map(({ text, intent }) => {
    const { confidence, intent: top } = model.predict(text);
    return { confidence, right: top === intent };
  });
  const gave = ASKED.map((asked) => {
    const threshold = model.facts.thresholds.find(({ precision }) => precision === asked)?.threshold ?? null;
    const answered = threshold === null ? [] : judged.filter(({ confidence }) => confidence >= threshold);
    const right = answered.filter((row) => row.right).length;
    const share = answered.length > 0 ? right / answered.length : null;
    const isMet = share === null || share >= asked;
    met.get(asked).push({ isMet, answered: answered.length / judged.length });
    return { asked, answered: answered.length / judged.length, right: share, met: isMet };
  });
  const seconds = (process.cpuUsage().user - began) / 1e6;
  const accuracy = judged.filter((row) => row.right).length / judged.length;
  console.log(JSON.stringify({ draw, set, kind, size, intents: model.intents.length, accuracy, gave, seconds }));
}
console.log('\n| asked | met or nothing answered | draws in which something was answered | mean share answered |');
console.log('|---|---|---|---|');
for (const [asked, list] of met) {
  const share = (holds) => `${((100 * list.filter(holds).length) / list.length).toFixed(1)} %`;
  const mean = list.reduce((sum, { answered }) => sum + answered, 0) / list.length;
  console.log(
    `| ${100 * asked} % | ${share(({ isMet }) => isMet)} of ${list.length} | ${share(({ answered }) => answered > 0)} | ${(100 * mean).toFixed(1)} % |`,
  );
}

function shuffled(list, random) {
  const order = Uint32Array.from(list, (_, i) => i);
  random.shuffle(order);
  return Array.from(order, (i) => list[i]);
}
