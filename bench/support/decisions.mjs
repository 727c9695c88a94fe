// Are decisions over HTTP those of the model? Every row of a file is asked through /v1/decisions and /v1/systemone with all intents as labels, in an order of its
// own, and once more in another: the share of right choices beside the accuracy of the file, and how many answers the order changed.
//   node bench/support/decisions.mjs ROWS.csv --train TRAIN.csv | --model support.gguf  [--most 5000]
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Random } from '../../dist/core/random.js';
import { ModelShelf, OnebitServer } from '../../dist/server/index.js';
import { loadSupport, parseRows, saveSupport, trainSupport } from '../../dist/tasks/support/index.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { train: { type: 'string' }, model: { type: 'string' }, most: { type: 'string', default: '5000' } },
});
const read = (name) => parseRows(readFileSync(name, 'utf8'), name);
const bytes = values.model
  ? new Uint8Array(readFileSync(values.model))
  : await saveSupport(await trainSupport(read(values.train)));
const support = await loadSupport(bytes);
const server = new OnebitServer(new ModelShelf([], { mayBeEmpty: true }), { support });
const random = new Random(1);
const rows = read(positionals[0])
  .filter(({ intent }) => support.intents.includes(intent))
  .slice(0, Number(values.most));
const post = async (path, body) => {
  const response = await server.fetch(
    new Request(`http://bench${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  );
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json();
};
const instructions = 'What is the customer asking about?';
const shuffled = () => {
  const order = Uint32Array.from(support.intents, (_, i) => i);
  random.shuffle(order);
  return Array.from(order, (i) => support.intents[i]);
};
/** The choice and the probability of each label, whatever their order. */
const routes = {
  '/v1/decisions': async (text, labels) => {
    const choices = labels.map((value) => ({ value }));
    const questions = [{ type: 'choice', name: 'intent', instructions, choices }];
    const [{ choice, probabilities }] = (await post('/v1/decisions', { input: text, questions })).answers;
    return { choice, shares: new Map(probabilities.map(({ value, probability }) => [value, probability])) };
  },
  '/v1/systemone': async (text, labels) => {
    const criteria = Object.fromEntries(labels.map((label) => [label, null]));
    const questions = { intent: { type: 'choice', instructions, criteria } };
    const { choice, probabilities } = (await post('/v1/systemone', { state: text, questions })).answers.intent;
    return { choice, shares: new Map(Object.entries(probabilities)) };
  },
};
const own = rows.filter(({ text, intent }) => support.predict(text).intent === intent).length / rows.length;
console.log(
  `${rows.length} rows, ${support.intents.length} labels; the file itself: ${(100 * own).toFixed(2)} % right`,
);
for (const [path, ask] of Object.entries(routes)) {
  let [right, changed] = [0, 0];
  for (const { text, intent } of rows) {
    const [first, second] = [await ask(text, shuffled()), await ask(text, shuffled())];
    if (first.choice === intent) right++;
    const isSame =
      first.choice === second.choice && [...first.shares].every(([label, p]) => second.shares.get(label) === p);
    if (!isSame) changed++;
  }
  console.log(
    `${path}: ${((100 * right) / rows.length).toFixed(2)} % right; another order changed ${changed} answers to the last bit`,
  );
}
await server.dispose();
