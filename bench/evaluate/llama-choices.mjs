// Compares `onebit evaluate` with llama.cpp's log-probabilities: prompts, continuations, accuracies and perplexity are made here anew from the tasks' rows,
// tokens and likelihoods are llama.cpp's. Needs `npm ci --omit=optional` in bench/peers, and dist/.
//   node bench/evaluate/llama-choices.mjs ../shared/models/stories260K.gguf [other.gguf …]
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openLlama, scoreTokens } from '../peers/llama.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const program = fileURLToPath(new URL('../../bin/onebit.js', import.meta.url));
const rowsOf = (form) =>
  readFileSync(`${here}rows/${form}.jsonl`, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const BOUND = 1e-3;
const TEXT = `${here}rows/lambada.jsonl`;

/** Pairs of context and continuation, the options' own texts, the right one. */
const questions = {
  arc: (row) => {
    const { stem = row.question, choices = row.choices } = row.question.stem ? row.question : {};
    const texts = choices.text ?? choices.map(({ text }) => text);
    const labels = choices.label ?? choices.map(({ label }) => label);
    const pairs = texts.map((answer) => [`Question: ${stem}\nAnswer:`, ` ${answer}`]);
    return { pairs, texts, right: labels.indexOf(row.answerKey) };
  },
  hellaswag: (row) => {
    const clean = (text) =>
      text
        .trim()
        .split(' [title]')
        .join('. ')
        .replace(/\[[^\]]*\]/g, '')
        .split('  ')
        .join(' ');
    const context = clean(
      `${row.activity_label}: ${row.ctx_a} ${row.ctx_b.slice(0, 1).toUpperCase()}${row.ctx_b.slice(1).toLowerCase()}`,
    );
    const texts = row.endings.map(clean);
    return { pairs: texts.map((ending) => [context, ` ${ending}`]), texts, right: Number(row.label) };
  },
  mmlu: (row) => {
    const [a, b, c, d] = row.choices;
    const head = `The following are multiple choice questions (with answers) about ${row.subject?.split('_').join(' ')}.\n\n`;
    const context = `${row.subject ? head : ''}${row.question.trim()}\nA. ${a}\nB. ${b}\nC. ${c}\nD. ${d}\nAnswer:`;
    return {
      pairs: ['A', 'B', 'C', 'D'].map((letter) => [context, ` ${letter}`]),
      texts: ['A', 'B', 'C', 'D'],
      right: row.answer,
    };
  },
  winogrande: (row) => {
    const [before, after] = row.sentence.split('_');
    const pairs = [row.option1, row.option2].map((name) => [before + name, ` ${after.trim()}`]);
    return { pairs, texts: pairs.map(([context]) => context), right: row.answer - 1 };
  },
  piqa: (row) => ({
    pairs: [row.sol1, row.sol2].map((answer) => [`Question: ${row.goal}\nAnswer:`, ` ${answer}`]),
    texts: [row.sol1, row.sol2],
    right: row.label,
  }),
  boolq: (row) => ({
    pairs: ['no', 'yes'].map((answer) => [`${row.passage}\nQuestion: ${row.question}?\nAnswer:`, ` ${answer}`]),
    texts: ['no', 'yes'],
    right: Number(row.label ?? row.answer),
  }),
  blimp: (row) => ({
    pairs: [row.sentence_good, row.sentence_bad].map((sentence) => ['', ` ${sentence}`]),
    texts: [row.sentence_good, row.sentence_bad],
    right: 0,
  }),
  lambada: (row) => {
    const words = row.text.split(' ');
    return { pairs: [[words.slice(0, -1).join(' '), ` ${words.at(-1)}`]], texts: [words.at(-1)], right: 0 };
  },
};

let worst = 0;
for (const path of process.argv.slice(2)) {
  const judge = await openLlama(path, { threads: 1, flashAttention: false, kvType: 'F32' });
  const tasks = Object.keys(questions).flatMap((form) => ['--task', `${form}=${here}rows/${form}.jsonl`]);
  const options = ['evaluate', path, ...tasks, '--text', TEXT, '--kv', 'f32', '--ctx', '512', '--samples', '--json'];
  const [ours] = JSON.parse(execFileSync(process.execPath, [program, ...options], { encoding: 'utf8' })).models;
  for (const [form, read] of Object.entries(questions)) {
    const results = [];
    for (const row of rowsOf(form)) results.push(await judged(judge, read(row)));
    const task = ours.tasks.find((one) => one.form === form);
    const differences = results.flatMap(({ sums }, i) =>
      sums.map((sum, o) => Math.abs(sum - task.samples[i].logLikelihoods[o])),
    );
    const scores = {
      acc: share(results, 'acc'),
      acc_norm: share(results, 'acc_norm'),
      acc_bytes: share(results, 'acc_bytes'),
    };
    const same = Object.entries(scores).every(([name, value]) => Math.abs(value - task[name].value) < BOUND);
    report(path, form, Math.max(...differences), `${JSON.stringify(scores)} ${same ? 'equal' : 'DIFFERENT'}`);
    if (!same) process.exitCode = 1;
  }
  const text = readFileSync(TEXT, 'utf8');
  const { bos, eos } = judge.model.tokens;
  const tokens = [bos ?? eos, ...judge.tokenize(text)]; // the first token of a text is predicted too, after what the harness calls the prefix token
  const nats = -(await scoreTokens(judge, tokens)).reduce((sum, value) => sum + value, 0);
  const bits = nats / Math.LN2 / ours.texts[0].bytes;
  report(path, 'bits per byte', Math.abs(bits - ours.texts[0].bitsPerByte), bits.toFixed(4));
  await judge.dispose();
}
console.log(`largest difference ${worst.toExponential(2)}, bound ${BOUND}`);
process.exit(worst < BOUND ? process.exitCode : 1);

function report(path, what, difference, more) {
  worst = Math.max(worst, difference);
  console.log(`${path.split('/').at(-1)} ${what}: largest difference ${difference.toExponential(2)} ${more}`);
}

function beginOf({ model }) {
  return model.tokens.shouldPrependBosToken ? [model.tokens.bos] : [];
}

async function judged(judge, { pairs, texts, right }) {
  const sums = [];
  let isGreedy = false;
  for (const [i, [context, continuation]] of pairs.entries()) {
    const before = context === '' ? [] : judge.tokenize(context);
    const whole = judge.tokenize(context + continuation);
    const { bos, eos } = judge.model.tokens;
    const begin = context === '' ? [bos ?? eos] : beginOf(judge);
    const wanted = whole.length - before.length;
    const rows = [];
    const logprobs = await scoreTokens(judge, [...begin, ...whole], (row) => rows.push(largestOf(row)));
    sums.push(logprobs.slice(-wanted).reduce((sum, value) => sum + value, 0));
    if (i === right) isGreedy = whole.slice(-wanted).every((token, k) => rows[rows.length - 1 - wanted + k] === token);
  }
  const best = (values) => values.indexOf(Math.max(...values)) === right;
  const isOpen = pairs.length === 1;
  return {
    sums,
    acc: isOpen ? isGreedy : best(sums),
    acc_norm: isOpen ? isGreedy : best(sums.map((sum, i) => sum / [...texts[i]].length)),
    acc_bytes: isOpen ? isGreedy : best(sums.map((sum, i) => sum / Buffer.byteLength(texts[i]))),
  };
}

function largestOf(row) {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i] > row[best]) best = i;
  return best;
}

function share(results, name) {
  return results.filter((result) => result[name]).length / results.length;
}
