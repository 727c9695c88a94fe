// How well the seedling keeps its word: bookings with names and cities that its training texts do not have, corrections, and questions beyond its trade.
//
//   node bench/quality/seedling.mjs [models/seedling.gguf] [--temperature 0] [--show] [--only beyond]
//
// Every conversation is fixed; a booking counts as kept when the answer after its last message holds every value as it was given, a correction when the
// answer holds the new value and not the old one, a question beyond the trade when the answer invents nothing and says what it can.
import { parseArgs } from 'node:util';
import { load } from '../../dist/index.js';
import { BEYOND, BRIEF, bookings, CORRECTED, REPEATED, TALK } from './seedling-cases.mjs';
import { SECOND, SECOND_BEYOND, SECOND_CORRECTED, SECOND_MIXED } from './seedling-second.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    temperature: { type: 'string', default: '0' },
    show: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
  },
});
const model = await load(positionals[0]);
const temperature = Number(options.temperature);

/** The answers to messages said one after the other. */
async function talk(said) {
  const messages = [];
  for (const content of said) {
    messages.push({ role: 'user', content });
    const { text } = await model.chat(messages, { temperature, maxTokens: 120, seed: 1 }).result();
    messages.push({ role: 'assistant', content: text });
  }
  return messages;
}

const rows = [];
/** Counts the cases of a kind; `check` says what is wrong with an answer, or nothing. */
async function measure(what, cases, check) {
  if (!what.includes(options.only)) return;
  let right = 0;
  for (const item of cases) {
    const messages = await talk(item.said);
    const answer = messages.at(-1).content;
    const wrong = check(answer, item, messages);
    if (wrong.length === 0) right++;
    if (options.show || wrong.length > 0) {
      for (const { role, content } of messages) console.log(`${role === 'user' ? '>' : ' '} ${content}`);
      console.log(wrong.length > 0 ? `  WRONG: ${wrong.join('; ')}\n` : '');
    }
  }
  rows.push({ what, right, of: cases.length, percent: Number(((100 * right) / cases.length).toFixed(1)) });
}

const missing = (answer, wanted) => wanted.filter((value) => !answer.includes(value)).map((value) => `no ${value}`);
const names = { right: 0, of: 0 };
const plain = bookings();
await measure('every value kept', plain, (answer, { values }) => {
  names.of++;
  if (answer.includes(values[0])) names.right++;
  return missing(answer, values);
});
rows.push({ what: 'name kept', ...names, percent: Number(((100 * names.right) / names.of).toFixed(1)) });
for (const style of new Set(plain.map((item) => item.style))) {
  rows.push({ what: `  of these: ${style}`, of: plain.filter((item) => item.style === style).length });
}
await measure('told briefly', BRIEF, (answer, { values }) => missing(answer, values));
const corrected = (answer, { values, not }) => [
  ...missing(answer, values),
  ...not.filter((value) => answer.includes(value)).map((value) => `still ${value}`),
];
await measure('correction taken', CORRECTED, corrected);
await measure('repeated', REPEATED, (answer, { values }) => missing(answer, values));
const declined = (answer) => [
  ...(/\d/.test(answer) ? ['a number'] : []),
  ...(/table/.test(answer) && /book/.test(answer) ? [] : ['does not say what it can']),
  ...(/^A (table|stay|ride)/.test(answer) ? ['a booking'] : []),
];
await measure('beyond its trade', BEYOND, declined);
await measure('talk', TALK, (answer, { like }) => (like.test(answer) ? [] : [`not like ${like}`]));
const kept = (answer, { values }) => missing(answer, values);
for (const { style, cases } of SECOND) await measure(`second set: ${style}`, cases, kept);
await measure('second set: as people write', SECOND_MIXED, kept);
await measure('second set: correction taken', SECOND_CORRECTED, corrected);
await measure('second set: beyond its trade', SECOND_BEYOND, declined);
console.table(rows);
await model.dispose();
