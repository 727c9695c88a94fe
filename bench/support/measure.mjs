// Trains support models on labelled files and measures them on others: accuracy over seeds, calibration, precision, scope, speed, size; with --bits 32 the
// same models in full precision. Prints one JSON line per run, and a table at the end.
//   node bench/support/measure.mjs DATA [--sets banking77,clinc150,hwu64,banking77-10shot] [--seeds 3] [--first 1] [--bits 1,32] [--keep FOLDER]
//     [--options '{"precision":0.95}']
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { summarise } from '../../dist/tasks/support/evaluate.js';
import {
  calibrationError,
  judgeRows,
  loadSupport,
  parseRows,
  saveSupport,
  trainSupport,
} from '../../dist/tasks/support/index.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sets: { type: 'string', default: 'banking77,clinc150,hwu64,banking77-10shot' },
    seeds: { type: 'string', default: '3' },
    first: { type: 'string', default: '1' },
    bits: { type: 'string', default: '1' },
    options: { type: 'string', default: '{}' },
    keep: { type: 'string' },
  },
});
const files = {
  banking77: ['banking77-train', 'banking77-dev'],
  clinc150: ['clinc150-train', 'clinc150-dev'],
  hwu64: ['hwu64-train', 'hwu64-dev'],
  'banking77-10shot': ['banking77-train-10shot', 'banking77-dev'],
};
const read = (name) => parseRows(readFileSync(`${positionals[0]}/${name}.csv`, 'utf8'), `${name}.csv`);
const percent = (x) => (x === null ? '' : Math.round(x * 10000) / 100);
const runs = [];
for (const set of values.sets.split(',')) {
  const [train, dev] = files[set].map(read);
  for (let seed = Number(values.first); seed < Number(values.first) + Number(values.seeds); seed++) {
    for (const binary of values.bits.split(',').map((bits) => bits === '1')) {
      const start = performance.now();
      let model = await trainSupport(train, { seed, binary, ...JSON.parse(values.options) });
      const seconds = (performance.now() - start) / 1000;
      const bytes = binary ? await saveSupport(model) : undefined;
      if (bytes) model = await loadSupport(bytes);
      if (bytes && values.keep) writeFileSync(`${values.keep}/${set}-${seed}.gguf`, bytes);
      const { judged, seconds: asked } = await judgeRows(model, dev);
      const { perIntent: _, confusion: __, ...figures } = summarise(judged, asked);
      const times = dev.slice(0, 1000).map(({ text }) => {
        const at = performance.now();
        model.predict(text);
        return performance.now() - at;
      });
      const run = {
        ...{ set, seed, bits: binary ? 1 : 32, seconds: Math.round(seconds), bytes: bytes?.length ?? null },
        ...Object.fromEntries(
          Object.entries(figures).map(([key, x]) => [key, key.endsWith('Second') ? x : percent(x)]),
        ),
        ece: percent(calibrationError(judged)),
        heldOut: Object.fromEntries(Object.entries(model.facts.heldOut).map(([key, x]) => [key, percent(x)])),
        temperature: model.facts.temperature,
        threshold: model.facts.threshold,
        vocabulary: model.parts.space.size,
        medianMs: times.sort((a, b) => a - b)[times.length >> 1],
      };
      runs.push(run);
      console.log(JSON.stringify(run));
    }
  }
}
console.log('\n| set | bits | accuracy by seed | mean | ECE | precision (asked) | coverage |');
console.log('|---|---|---|---|---|---|---|');
for (const set of new Set(runs.map((run) => run.set))) {
  for (const bits of [1, 32]) {
    const of = runs.filter((run) => run.set === set && run.bits === bits);
    if (of.length === 0) continue;
    const mean = (key) => (of.reduce((sum, run) => sum + run[key], 0) / of.length).toFixed(2);
    const list = of.map((run) => run.accuracy).join(', ');
    console.log(
      `| ${set} | ${bits} | ${list} | ${mean('accuracy')} | ${mean('ece')} | ${mean('precisionAtThreshold')} | ${mean('coverage')} |`,
    );
  }
}
