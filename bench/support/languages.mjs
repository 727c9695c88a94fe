// How much the language of the rows costs: 120 questions to a shop (languages.tsv: ten intents of twelve rows, each in English, German, French, Spanish and
// Portuguese, translated by hand) are trained on in each language, and every row is judged by networks that have not seen it.
//   node bench/support/languages.mjs [--languages en,de] [--seeds 1]
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { trainSupport } from '../../dist/tasks/support/index.js';

const { values } = parseArgs({
  options: { languages: { type: 'string', default: 'en,de,fr,es,pt' }, seeds: { type: 'string', default: '1' } },
});
const [head, ...lines] = readFileSync(new URL('languages.tsv', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => line.split('\t'));
console.log('| language | seed | right, held out | 80 % promised: share answered | 90 % |');
console.log('|---|---|---|---|---|');
const percent = (share) => (100 * share).toFixed(1);
for (const language of values.languages.split(',')) {
  const column = head.indexOf(language);
  const rows = lines.map((line) => ({ intent: line[0], text: line[column] }));
  for (const seed of values.seeds.split(',').map(Number)) {
    const { facts } = await trainSupport(rows, { seed, keepExamples: false, precision: 0.8 });
    const share = (asked) => percent(facts.thresholds.find(({ precision }) => precision === asked).answered);
    console.log(`| ${language} | ${seed} | ${percent(facts.heldOut.accuracy)} | ${share(0.8)} | ${share(0.9)} |`);
  }
}
