// Trains support models on rows with fields and measures both on others: intents, fields as conlleval counts them, size, time, milliseconds a message. Prints
// one JSON line per run. The conditional random field to compare with: fields-crf.py, on the same files.
//   node bench/support/fields.mjs DATA [--sets snips,multidogo-airline,…] [--seeds 1] [--keep FOLDER] [--options '{"epochs":6}']
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import {
  judgeRows,
  loadSupport,
  parseRows,
  saveSupport,
  summarise,
  trainSupport,
} from '../../dist/tasks/support/index.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sets: { type: 'string', default: 'snips,multidogo-airline,multidogo-finance,multidogo-insurance' },
    seeds: { type: 'string', default: '1' },
    options: { type: 'string', default: '{}' },
    keep: { type: 'string' },
  },
});
// A few rows of MultiDoGO are empty, or have a field without a name: there is nothing to learn or to find in them.
const read = (name) => {
  const lines = readFileSync(`${positionals[0]}/${name}.jsonl`, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const whole = lines.filter((line) => {
    const { text, slots = [] } = JSON.parse(line);
    return text.trim() !== '' && slots.every(({ label }) => label !== '');
  });
  return parseRows(whole.join('\n'), `${name}.jsonl`);
};
for (const set of values.sets.split(',')) {
  const [train, dev] = [read(`${set}-train`), read(`${set}-dev`)];
  for (let seed = 1; seed <= Number(values.seeds); seed++) {
    const began = process.cpuUsage().user;
    const bytes = await saveSupport(await trainSupport(train, { seed, ...JSON.parse(values.options) }));
    const seconds = Math.round((process.cpuUsage().user - began) / 1e6);
    if (values.keep) writeFileSync(`${values.keep}/${set}-${seed}.gguf`, bytes);
    const model = await loadSupport(bytes);
    const { judged, seconds: asked } = await judgeRows(model, dev);
    const { accuracy, fields } = summarise(judged, asked);
    const found = judged.flatMap(({ row, prediction }) =>
      prediction.fields.map((field) => ({
        probability: field.probability,
        right: row.slots.some((slot) => ['label', 'start', 'end'].every((key) => slot[key] === field[key])),
      })),
    );
    const mean = (list) => list.reduce((sum, x) => sum + x, 0) / list.length;
    console.log(
      JSON.stringify({
        ...{ set, seed, bytes: bytes.length, cpuSeconds: seconds, accuracy, ...fields, perField: undefined },
        meanProbability: mean(found.map(({ probability }) => probability)),
        msPerMessage: (1000 * asked) / dev.length,
      }),
    );
  }
}
