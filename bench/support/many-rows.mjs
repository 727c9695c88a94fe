// Trains on very many rows, made by varying those of a file, and says what it took: seconds, memory, and accuracy on other rows.
//   node bench/support/many-rows.mjs TRAIN.csv OTHER.csv [--rows 100000] [--seed 1]
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Random } from '../../dist/core/random.js';
import {
  calibrationError,
  judgeRows,
  loadSupport,
  parseRows,
  saveSupport,
  summarise,
  trainSupport,
} from '../../dist/tasks/support/index.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rows: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } },
});
const [train, other] = positionals.map((path) => parseRows(readFileSync(path, 'utf8'), path));
const random = new Random(Number(values.seed));
const openings = [
  '',
  'hello, ',
  'hi there. ',
  'good morning, ',
  'please help: ',
  'quick question. ',
  'sorry, ',
  'well, ',
];
const closings = ['', ' thanks', ' please', ' thank you!', ' can you help?', ' asap', ' any idea?', ' regards'];
const any = (list) => list[random.below(list.length)];

const unique = new Map();
while (unique.size < Number(values.rows)) {
  const { text, intent } = any(train);
  const words = text.split(' ');
  if (words.length > 3) words.splice(random.below(words.length), 1);
  const varied = `${any(openings)}${words.join(' ')}${any(closings)}`;
  unique.set(`${intent}\n${varied.toLowerCase()}`, { text: varied, intent });
}
const start = performance.now();
const model = await trainSupport([...unique.values()], { seed: Number(values.seed) });
const seconds = (performance.now() - start) / 1000;
const bytes = await saveSupport(model);
const { judged, seconds: asked } = await judgeRows(await loadSupport(bytes), other);
const { accuracy, coverage, precisionAtThreshold } = summarise(judged, asked);
console.log(
  JSON.stringify({
    ...{ rows: unique.size, intents: model.intents.length, seconds: Math.round(seconds), bytes: bytes.length },
    ...{ peakMegabytes: Math.round(process.resourceUsage().maxRSS / 1000), kept: model.parts.examples.length },
    ...{ heldOut: model.facts.heldOut, accuracy, coverage, precisionAtThreshold, ece: calibrationError(judged) },
  }),
);
