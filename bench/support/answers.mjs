// Answers from documents, measured: finding the right one of a file of questions with answers, and giving none where there is none (each query again without its
// own document in the index). Beside it TF-IDF over pieces of words and BM25 over words, each with its best threshold. With --learn: the numbers of
// src/tasks/answers/ranking.ts, learnt from these queries, and what they reach on documents that they were not learnt from (five parts, cut ten times).
//   node bench/support/answers.mjs stackfaq-dev.json [--learn]
import { readFileSync } from 'node:fs';
import { Random } from '../../dist/core/random.js';
import { LIKENESSES, PassageIndex } from '../../dist/tasks/answers/passage-index.js';
import { RANKED_BY, rankPassages, SURE_BY, scoresOf, surenessOf } from '../../dist/tasks/answers/ranking.js';
import { embeddedTrunk } from '../../dist/tasks/support/trunk.js';

const { faqs, queries } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const trunk = await embeddedTrunk();
const passages = faqs.map((faq) => ({ ...faq, source: faq.id }));
const index = new PassageIndex(passages, trunk);
const width = LIKENESSES.length;
const began = process.cpuUsage().user;
const seen = queries.map(({ text }) => index.likenesses(text));
const milliseconds = (process.cpuUsage().user - began) / 1000 / queries.length;
const right = queries.map(({ id }) => faqs.findIndex((faq) => faq.id === id));
const answerable = queries.map((_, i) => i).filter((i) => right[i] >= 0);
const others = queries.map((_, i) => i).filter((i) => right[i] < 0);
/** How often the documents are cut in five parts anew for --learn. */
const SPLITS = 10;
const percent = (share) => (100 * share).toFixed(1);
/** Likenesses of each answerable query to an index that lacks its own document. */
const lacking = new Map();
for (const left of new Set(answerable.map((i) => right[i]))) {
  const other = new PassageIndex(
    passages.filter((_, p) => p !== left),
    trunk,
  );
  for (const i of answerable.filter((i) => right[i] === left)) lacking.set(i, other.likenesses(queries[i].text));
}

/** top1, and what is rejected where three quarters of the answerable are answered: queries of the same kind, and others. */
function row(name, scoreOf, surenessOf) {
  const places = answerable.map((i) => {
    const scores = scoreOf(seen[i]);
    return scores.filter((x) => x > scores[right[i]]).length;
  });
  const sure = answerable.map((i) => surenessOf(seen[i])).sort((a, b) => b - a);
  const threshold = sure[Math.floor(0.75 * sure.length)];
  const share = (list, holds) => percent(list.filter(holds).length / list.length);
  const same = share(answerable, (i) => surenessOf(lacking.get(i)) < threshold);
  const other = share(others, (i) => surenessOf(seen[i]) < threshold);
  const mrr = places.reduce((sum, place) => sum + 1 / (1 + place), 0) / places.length;
  console.log(
    `| ${name} | ${share(places, (place) => place === 0)} | ${share(places, (place) => place < 3)} | ${percent(mrr)} | ${same} | ${other} |`,
  );
}
const column = (k) => (values) => Array.from({ length: values.length / width }, (_, p) => values[p * width + k]);
const best = (of) => (values) => Math.max(...of(values));
console.log(
  '| | top 1 | top 3 | MRR | rejected, same kind | rejected, another kind | (75 % of the answerable answered)',
);
console.log('|---|---|---|---|---|---|');
row('TF-IDF over pieces', column(0), best(column(0)));
row('BM25 over words', column(3), best(column(3)));
row('onebit', scoresOf, (values) => rankPassages(values, 1)[0].probability);
const own = answerable.map((i) => rankPassages(seen[i], 1)[0].probability);
const left = answerable.map((i) => rankPassages(lacking.get(i), 1)[0].probability);
for (const threshold of [0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7]) {
  const share = (list) => percent(list.filter((p) => p >= threshold).length / list.length);
  console.log(
    `from ${threshold} on: ${share(own)} % of the answerable answered, ${percent(1 - share(left) / 100)} % of the others rejected`,
  );
}
console.log(`${milliseconds.toFixed(2)} ms a query`);

if (process.argv.includes('--learn')) {
  const columns = RANKED_BY.map((name) => LIKENESSES.indexOf(name));
  const [tops, rejections] = [[], []];
  let sureness;
  for (let split = 0; split < SPLITS; split++) {
    const part = partsOf(split);
    let hits = 0;
    sureness = [];
    for (let fold = 0; fold < 5; fold++) {
      const [own, others] = [true, false].map((isOwn) => answerable.filter((i) => (part[right[i]] === fold) === isOwn));
      const worth = learnWorth(others, columns);
      for (const i of own) {
        const scores = scored(seen[i], worth, columns);
        if (scores.indexOf(Math.max(...scores)) === right[i]) hits++;
      }
      sureness.push(...sureRows(own, worth, columns).map((x) => ({ ...x, fold })));
    }
    tops.push(hits / answerable.length);
    const judged = [];
    for (let fold = 0; fold < 5; fold++) {
      const of = learnSureness(sureness.filter((x) => x.fold !== fold));
      for (const x of sureness.filter((x) => x.fold === fold)) judged.push({ ...x, sure: logit(of, x.signals) });
    }
    const own = judged.filter((x) => !x.isLeftOut).map((x) => x.sure);
    const threshold = own.sort((a, b) => b - a)[Math.floor(0.75 * own.length)];
    const left = judged.filter((x) => x.isLeftOut);
    rejections.push(left.filter((x) => x.sure < threshold).length / left.length);
  }
  const spread = (list) =>
    `${percent(list.reduce((a, b) => a + b, 0) / list.length)} % (${percent(Math.min(...list))} to ${percent(Math.max(...list))})`;
  console.log(
    `learnt on other documents, ${SPLITS} splits into five parts: top 1 ${spread(tops)}, rejected ${spread(rejections)}`,
  );
  const worth = learnWorth(answerable, columns);
  console.log(
    'WORTH',
    JSON.stringify(Object.fromEntries(RANKED_BY.map((name, k) => [name, Number(worth[k].toFixed(2))]))),
  );
  const all = learnSureness(sureness);
  console.log(
    'SURE',
    JSON.stringify(Object.fromEntries([...SURE_BY, 'bias'].map((name, k) => [name, Number(all[k].toFixed(3))]))),
  );
}

/** Which of five parts each document is in: the first split is by their order, the others by chance. */
function partsOf(split) {
  const order = Uint32Array.from(faqs, (_, i) => i);
  if (split > 0) new Random(split).shuffle(order);
  const part = new Array(faqs.length);
  for (const [place, document] of order.entries()) part[document] = place % 5;
  return part;
}

function scored(values, worth, columns) {
  return Array.from({ length: values.length / width }, (_, p) =>
    columns.reduce((sum, k, n) => sum + worth[n] * values[p * width + k], 0),
  );
}

/** Softmax over documents, Adam. */
function learnWorth(list, columns) {
  const worth = columns.map(() => 3);
  const [mean, square] = [columns.map(() => 0), columns.map(() => 0)];
  for (let step = 1; step <= 150; step++) {
    const gradient = worth.map((x) => 1e-3 * x);
    for (const i of list) {
      const scores = scored(seen[i], worth, columns);
      const most = Math.max(...scores);
      const chances = scores.map((x) => Math.exp(x - most));
      const sum = chances.reduce((a, b) => a + b, 0);
      for (const [p, chance] of chances.entries()) {
        const error = (chance / sum - Number(p === right[i])) / list.length;
        if (Math.abs(error) > 1e-9)
          for (const [n, k] of columns.entries()) gradient[n] += error * seen[i][p * width + k];
      }
    }
    for (const [n, g] of gradient.entries()) {
      mean[n] = 0.9 * mean[n] + 0.1 * g;
      square[n] = 0.99 * square[n] + 0.01 * g * g;
      worth[n] -= (0.15 * mean[n]) / (1 - 0.9 ** step) / (Math.sqrt(square[n] / (1 - 0.99 ** step)) + 1e-8);
    }
  }
  return worth;
}

function sureRows(list, worth, columns) {
  return list.flatMap((i) =>
    [false, true].map((isLeftOut) => {
      const values = isLeftOut ? lacking.get(i) : seen[i];
      const scores = scored(values, worth, columns);
      const top = scores.indexOf(Math.max(...scores));
      return { isLeftOut, isRight: !isLeftOut && top === right[i], signals: surenessOf(values, scores) };
    }),
  );
}

/** Logistic regression by Newton's method is not needed for so few: plain descent on standardised signals. */
function learnSureness(rows) {
  const count = rows[0].signals.length;
  const mean = Array.from({ length: count }, (_, k) => rows.reduce((sum, x) => sum + x.signals[k], 0) / rows.length);
  const deviation = mean.map(
    (m, k) => Math.sqrt(rows.reduce((sum, x) => sum + (x.signals[k] - m) ** 2, 0) / rows.length) || 1,
  );
  const w = new Array(count + 1).fill(0);
  for (let step = 0; step < 600; step++) {
    const gradient = w.map((x, k) => (k < count ? 2e-3 * x : 0));
    for (const { signals, isRight } of rows) {
      const x = [...signals.map((s, k) => (s - mean[k]) / deviation[k]), 1];
      const error = 1 / (1 + Math.exp(-w.reduce((sum, weight, k) => sum + weight * x[k], 0))) - Number(isRight);
      for (const [k, value] of x.entries()) gradient[k] += (error * value) / rows.length;
    }
    for (const k of w.keys()) w[k] -= gradient[k];
  }
  const out = w.slice(0, count).map((weight, k) => weight / deviation[k]);
  return [...out, w[count] - out.reduce((sum, weight, k) => sum + weight * mean[k], 0)];
}

function logit(weights, signals) {
  return signals.reduce((sum, x, k) => sum + weights[k] * x, weights[signals.length]);
}
