// Writes made-up conversations with the seedling as JSONL: a table, a hotel stay or a ride is booked, values come back as they were given, whatever else is
// asked is declined. The customer is varied (made-up names in the sounds of many languages, hundreds of ways to say it, any order, everything at once,
// second thoughts); the agent is not: each of its answers says all that it was told so far, in one order, and asks for one thing more, so that a very small
// model learns to look back instead of to guess.
//
//   node scripts/seedling-conversations.mjs -o chats.jsonl --count 30000 --seed 1 --words text.txt --off-path intents.csv --off-path messages.jsonl
//
// --words: texts whose ordinary words go into names. --off-path: messages by intent (columns text and intent), of which those beyond the trade are used.
// --mix B,C,O,R: shares of bookings, talk about what it is and can, messages beyond its trade, and repeating (default 60,8,17,15).
// --trades: what is booked, as often as it is named (default table,table,stay,ride).
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { writeFileAtomically } from '../dist/bytes/file-write.js';
import { Random } from '../dist/core/random.js';
import { Booking } from './seedling-booking.mjs';
import { REPLIES, readOffPath, SMALL_TALK } from './seedling-declines.mjs';
import { CANCEL, YES } from './seedling-phrases.mjs';
import { Values } from './seedling-values.mjs';
import { CANCELLED, Conversation, ended, Voice } from './seedling-voice.mjs';

const { values: options } = parseArgs({
  options: {
    output: { type: 'string', short: 'o' },
    count: { type: 'string', default: '30000' },
    seed: { type: 'string', default: '1' },
    words: { type: 'string', multiple: true, default: [] },
    'off-path': { type: 'string', multiple: true, default: [] },
    mix: { type: 'string', default: '60,8,17,15' },
    trades: { type: 'string', default: 'table,table,stay,ride' },
  },
});
if (!options.output || options.words.length === 0 || options['off-path'].length === 0) {
  console.error(
    'usage: node scripts/seedling-conversations.mjs -o OUT.jsonl --words TEXT... --off-path MESSAGES... [--count 30000] [--seed 1] [--mix 60,8,17,15] [--trades table,table,stay,ride]',
  );
  process.exit(2);
}

const text = options.words.map((file) => readFileSync(file, 'utf8')).join(' ');
const vocabulary = [...new Set(text.match(/(?<=[a-z,] )[a-z]{3,10}(?=[ ,.])/g))].sort();
// Names of people and places, without those by which the seedling is measured.
const measured = ['seedling-cases.mjs', 'seedling-second.mjs']
  .map((file) => readFileSync(new URL(`../bench/quality/${file}`, import.meta.url), 'utf8'))
  .join('\n');
const proper = [...new Set(text.match(/(?<=[a-z,;(] )[A-Z][a-zà-ÿ]{3,12}(?=[ ,.;)])/g) ?? [])]
  .filter((name) => !measured.includes(name))
  .sort();
const values = new Values(new Random(Number(options.seed)), vocabulary, proper);
const offPath = readOffPath(options['off-path']);
const voice = new Voice(values, offPath);
const trades = options.trades.split(',');
const pick = (list) => values.pick(list);
const chance = (share) => values.chance(share);

/** Asks whether a person should be called, and what comes of it. */
function ofPerson(talk) {
  if (chance(0.5)) talk.user(voice.typed(pick(YES.slice(0, 9)))).agent(REPLIES.person);
  else
    talk
      .user(voice.typed(pick(['No', 'No thanks', 'No, thank you', 'Not now', 'no need', 'No, it is fine'])))
      .agent(REPLIES.stay);
}

function around() {
  const talk = new Conversation();
  for (let turns = values.number(1, 3); turns > 0; turns--) {
    if (chance(0.06)) {
      talk
        .user(
          voice.typed(
            pick([...CANCEL, 'Cancel my reservation', 'I want to cancel my booking', 'Please cancel my table']),
          ),
        )
        .agent(CANCELLED);
      continue;
    }
    const [message, reply] = voice.smallTalk(['hello', 'who', 'who', 'can', 'can', 'fine', 'welcome', 'bye', 'person']);
    talk.user(message).agent(reply);
  }
  return talk;
}

function offTrade() {
  const talk = new Conversation();
  if (chance(0.15)) talk.user(pick(SMALL_TALK.hello)).agent(REPLIES.hello);
  for (let turns = values.number(1, 4); turns > 0; turns--) {
    const [message, reply] = voice.beyond();
    talk.user(message).agent(reply);
    if (chance(0.12) && /person\?$/.test(reply)) ofPerson(talk);
  }
  return talk;
}

/** Repeating for its own sake: most of what is learnt are words that only the customer's message tells. */
function repeating() {
  const talk = new Conversation();
  const thing = () =>
    pick([
      () => values.restaurant(),
      () => values.hotel(),
      () => values.city(),
      () => values.person(),
      () => values.place(),
      () => values.time(),
      () => values.date(),
      () => String(values.number(1, 99999)),
    ])();
  for (let turns = values.number(1, 3); turns > 0; turns--) {
    const things = Array.from({ length: values.number(1, 5) }, thing);
    const style = chance(0.15) ? (value) => value.toLowerCase() : (value) => value;
    const list = style(things.length > 1 ? `${things.slice(0, -1).join(', ')} and ${things.at(-1)}` : things[0]);
    talk
      .user(
        style(
          pick([
            'Please repeat: ',
            'Repeat after me: ',
            'Say: ',
            'Repeat ',
            'Can you say ',
            'Say back to me: ',
            'Please say ',
            'Note down: ',
          ]),
        ) + list,
      )
      .agent(ended(list));
  }
  return talk;
}

function booking() {
  const talk = new Conversation();
  if (chance(0.12)) talk.user(pick(SMALL_TALK.hello)).agent(REPLIES.hello);
  if (chance(0.04)) {
    const [message, reply] = voice.beyond();
    talk.user(message).agent(reply);
  }
  new Booking(talk, voice, trades).run();
  if (chance(0.2)) talk.user(voice.factAbout('it')).agent(REPLIES.fact);
  if (chance(0.1) && talk.messages.length < 10) new Booking(talk, voice, trades).run();
  if (chance(0.3)) {
    const [message, reply] = voice.smallTalk(['welcome', 'welcome', 'bye']);
    talk.user(message).agent(reply);
  }
  return talk;
}

const shares = options.mix.split(',').map(Number);
const makers = [booking, around, offTrade, repeating];
const total = shares.reduce((sum, share) => sum + share, 0);
const lines = Array.from({ length: Number(options.count) }, () => {
  let at = values.number(1, total);
  const maker = makers.find((_, i) => {
    at -= shares[i];
    return at <= 0;
  });
  const { messages } = maker();
  const system = chance(0.04)
    ? [
        {
          role: 'system',
          content: pick([
            'You are a helpful assistant.',
            'You book tables, hotel rooms and rides.',
            'You are a friendly assistant.',
            'Be brief.',
          ]),
        },
      ]
    : [];
  return JSON.stringify({ messages: [...system, ...messages] });
});
await writeFileAtomically(options.output, (append) => append(new TextEncoder().encode(`${lines.join('\n')}\n`)));
console.error(
  `${lines.length} conversations written to ${options.output}; ${offPath.length} messages beyond the trade, ${vocabulary.length} ordinary words, ${proper.length} names`,
);
