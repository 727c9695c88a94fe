// Writes dialogues anew with other values in them: where a name, a time, a day, a telephone number or an amount occurs
// twice in one dialogue, all its places get the same other value. A model that trains on these cannot know the value by
// heart and has to look back for it, which is what a booking needs: the city and the time that the customer named.
//
//   node scripts/vary-dialogues.mjs sgd-train.txt -o varied.txt --copies 3 --share 0.6 --seed 1
//
// --share is how many of the dialogues are changed; the others stay as they are.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Random } from '../dist/core/random.js';
import { MONTHS, ordinal, writeDialogues } from './dialogue-text.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    output: { type: 'string', short: 'o' },
    copies: { type: 'string', default: '1' },
    share: { type: 'string', default: '0.6' },
    seed: { type: 'string', default: '1' },
  },
});
if (!values.output || positionals.length === 0) {
  console.error(
    'usage: node scripts/vary-dialogues.mjs DIALOGUES.txt... -o OUT.txt [--copies 1] [--share 0.6] [--seed 1]',
  );
  process.exit(2);
}

const NOT_NAMES = new Set(
  `I I'm I'll I'd I've OK Ok Okay AM PM Am Pm A The Hi Hello Yes No Thanks Thank Please Sure User Agent Mr Mrs Ms Dr TV DJ ATM
  January February March April May June July August September October November December Monday Tuesday Wednesday Thursday
  Friday Saturday Sunday`.split(/\s+/),
);
const NAME = /(?<=\b([a-z]+) )[A-Z][\p{L}\d'&-]*(?: (?:(?:of|the|and|&|de|at) )?[A-Z\d][\p{L}\d'&-]*)*/gu;
const TIME = /(?<![\d:$.,-])(\d{1,2})(?::(\d\d))?( ?(?:[ap]\.m\.|[ap]m\b))?(?![\d:]|[-.,]\d)/gi;
const SPOKEN_TIME =
  /half past|quarter|o'?clock|thirty|fifteen|(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve) (?:[ap]\.?m\b)|\d in the (?:morn|after|even)/i;
const PHONE = /(?<!\d)\d{3}[- ]\d{3}[- ]\d{4}(?!\d)/g;
const NUMBER = /(?<![\d:.,-])\d{3,5}(?:\.\d\d)?(?![\d:]|[-,.]\d)/g;
const DAY = /(?<!\d)(\d{1,2})(st|nd|rd|th)\b/g;
const COUNT =
  /\b(for|of|book|buy|get|need|are|want|reserve) (2|3|4|5|6|two|three|four|five|six)\b(?! ?(?:[ap]\.?m|:|-|o'))/g;
const WORDS = ['two', 'three', 'four', 'five', 'six'];

const random = new Random(Number(values.seed));
const pick = (list) => list[random.below(list.length)];
const digits = (text) =>
  text.replace(/\d/g, (_, at) => (at === 0 ? String(1 + random.below(9)) : String(random.below(10))));

/** A function that gives equal keys the same made value. */
function remembered(make) {
  const known = new Map();
  return (key) => {
    if (!known.has(key)) known.set(key, make(key));
    return known.get(key);
  };
}

const documents = positionals
  .flatMap((file) => readFileSync(file, 'utf8').split(/\n{2,}/))
  .filter((text) => text.trim());

/** Names by the word before them and by how many words they have: "in" is followed by cities, "play" by songs. */
const pools = new Map();
const poolKey = (before, name) => `${before} ${Math.min(3, name.split(' ').length)}`;
for (const text of documents) {
  for (const match of text.matchAll(NAME)) {
    if (NOT_NAMES.has(match[0].split(' ')[0])) continue;
    const key = poolKey(match[1], match[0]);
    if (!pools.has(key)) pools.set(key, new Map());
    pools.get(key).set(match[0], (pools.get(key).get(match[0]) ?? 0) + 1);
  }
}
const namesOf = new Map(
  [...pools].map(([key, names]) => [
    key,
    [...names].filter(([, n]) => n > 2).flatMap(([name, n]) => Array(Math.round(Math.sqrt(n))).fill(name)),
  ]),
);

/** Another name of the same place in a sentence; one in three is put together from the words of two. */
function otherName(before, name) {
  const pool = namesOf.get(poolKey(before, name));
  if (!pool || pool.length < 20) return name;
  const first = pick(pool).split(' ');
  if (first.length === 1 || random.uniform() > 1 / 3) return first.join(' ');
  return [first[0], ...pick(pool).split(' ').slice(1)].join(' ');
}

function varyNames(text) {
  const found = new Map();
  for (const match of text.matchAll(NAME)) {
    if (!NOT_NAMES.has(match[0].split(' ')[0]) && match[0].length > 2 && !found.has(match[0]))
      found.set(match[0], match[1]);
  }
  const accepted = [];
  for (const name of [...found.keys()].sort((a, b) => a.length - b.length)) {
    const twice = text.toLowerCase().split(name.toLowerCase()).length > 2;
    if (twice && !accepted.some((short) => name.includes(short))) accepted.push(name);
  }
  if (accepted.length === 0) return text;
  const others = new Map(accepted.map((name) => [name.toLowerCase(), otherName(found.get(name), name)]));
  const escaped = accepted.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return text.replace(new RegExp(`(?<![\\p{L}\\d])(?:${escaped.join('|')})(?![\\p{L}\\d])`, 'giu'), (place) => {
    const other = others.get(place.toLowerCase());
    return place === place.toLowerCase() ? other.toLowerCase() : other;
  });
}

function varyTimes(text) {
  if (SPOKEN_TIME.test(text)) return text;
  const hour = remembered(() => 1 + random.below(12));
  const minute = remembered((key) =>
    key.endsWith(':00')
      ? '00'
      : random.uniform() < 0.6
        ? pick(['15', '30', '45'])
        : String(5 * (1 + random.below(11))).padStart(2, '0'),
  );
  return text.replace(TIME, (whole, h, m, half) => {
    if ((m === undefined && half === undefined) || Number(h) > 23 || Number(h) === 0) return whole;
    const key = `${Number(h) % 12}:${m ?? '00'}`;
    const other = hour(key) + (Number(h) > 12 ? 11 : 0);
    return `${other}${m === undefined ? '' : `:${minute(key)}`}${half ?? ''}`;
  });
}

function varyNumbers(text) {
  const phone = remembered(digits);
  const number = remembered((old) => (/^(19|20)\d\d$/.test(old) ? old : digits(old)));
  const day = remembered(() => 1 + random.below(28));
  const month = random.uniform() < 0.5 ? 'March' : pick(MONTHS);
  const shift = random.below(5);
  return text
    .replace(PHONE, phone)
    .replace(NUMBER, number)
    .replace(DAY, (_, d) => ordinal(day(Number(d))))
    .replace(/\bMarch\b/g, month)
    .replace(/\bmarch\b/g, month.toLowerCase())
    .replace(COUNT, (_, before, count) => {
      const at = WORDS.indexOf(count);
      return `${before} ${at < 0 ? 2 + ((Number(count) - 2 + shift) % 5) : WORDS[(at + shift) % 5]}`;
    });
}

const written = [];
for (let copy = 0; copy < Number(values.copies); copy++) {
  for (const text of documents) {
    const changed = random.uniform() < Number(values.share);
    written.push(changed ? varyNumbers(varyTimes(varyNames(text.trim()))) : text.trim());
  }
}
await writeDialogues(values.output, written);
