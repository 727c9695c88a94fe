// What marking costs in time: marked and unmarked answers in turn, by the processor time of the whole process, so that a busy machine disturbs little.
//   node bench/watermark/speed.mjs [model.gguf] [rounds]
import { load } from '../../dist/index.js';

const [path = 'models/seedling.gguf', rounds = '20'] = process.argv.slice(2);
const model = await load(path, { threads: 1 });
// No default: a model whose file asks for temperature 0 is sampled only where it is marked.
for (const sampling of [{ temperature: 0.7 }, { temperature: 1 }, { temperature: 1, topK: 0, topP: 1 }]) {
  const ratios = [];
  const costs = { plain: [], marked: [] };
  for (let round = -2; round < Number(rounds); round++) {
    // Either goes first as often: what runs second finds the caches warm, and the machine in another mood.
    const order = round % 2 === 0 ? [undefined, `a key of round ${round}`] : [`a key of round ${round}`, undefined];
    const [first, second] = [await costOf(sampling, round, order[0]), await costOf(sampling, round, order[1])];
    if (round < 0) continue;
    const [plain, marked] = round % 2 === 0 ? [first, second] : [second, first];
    ratios.push(plain / marked);
    costs.plain.push(plain);
    costs.marked.push(marked);
  }
  const at = (values, share) => values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))];
  // A machine that does other things makes either slower at times, never faster: the faster quarters are compared.
  const atBest = at(costs.plain, 0.25) / at(costs.marked, 0.25);
  const [speed, low, high] = [0.5, 0.25, 0.75].map((share) => at(ratios, share).toFixed(3));
  console.log(JSON.stringify({ path, ...sampling, atBest: atBest.toFixed(3), speed, quartiles: [low, high] }));
}
await model.dispose();

/** Processor microseconds a token. */
async function costOf(sampling, seed, watermark) {
  const began = process.cpuUsage();
  const options = { ...sampling, ignoreEndOfText: true, maxTokens: 200, seed, watermark };
  const { tokens } = await model.generate('Once upon a time', options).result();
  const { user, system } = process.cpuUsage(began);
  return (user + system) / tokens.length;
}
