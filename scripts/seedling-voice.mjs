// Owns how the customer of made-up conversations speaks and writes, and what is said around bookings. Must not know how a booking goes.
import { FACTS, foreign, nearly, nonsense, REPLIES, replyTo, SMALL_TALK } from './seedling-declines.mjs';

const capital = (sentence) => sentence.charAt(0).toUpperCase() + sentence.slice(1);
const SHORTER = [
  [/\bI would\b/g, "I'd"],
  [/\bWe would\b/g, "We'd"],
  [/\bI am\b/g, "I'm"],
  [/\b([Ww])e are\b/g, "$1e're"],
  [/\b([Ii])t is\b/g, "$1t's"],
  [/\b([Tt])hat is\b/g, "$1hat's"],
  [/\b([Ww])hat is\b/g, "$1hat's"],
  [/\b([Ww])ho is\b/g, "$1ho's"],
  [/\b([Ll])et us\b/g, "$1et's"],
  [/\b([Dd])o not\b/g, "$1on't"],
  [/\b(I|[Ww]e|[Tt]here) will\b/g, "$1'll"],
];

/** One full stop, also after "12.8." and "9 p.m." */
export const ended = (sentence, next = '') => `${sentence}${sentence.endsWith('.') ? '' : '.'}${next && ` ${next}`}`;

export const CANCELLED = 'All right, nothing is booked. Can I do anything else for you?';

/** Messages one after the other. */
export class Conversation {
  messages = [];

  user(content) {
    this.messages.push({ role: 'user', content });
    return this;
  }
  agent(content) {
    this.messages.push({ role: 'assistant', content });
    return this;
  }
}

/** A customer: made-up values, and ways to say things. `offPath` are messages beyond the trade. */
export class Voice {
  #offPath;

  constructor(values, offPath) {
    this.values = values;
    this.#offPath = offPath;
  }

  pick(list) {
    return this.values.pick(list);
  }
  chance(share) {
    return this.values.chance(share);
  }

  /** As people say it: three times of four shortened. */
  spoken(sentence) {
    if (!this.chance(0.75)) return sentence;
    return SHORTER.reduce((shorter, [long, short]) => shorter.replace(long, short), sentence);
  }

  /** As people type: mostly a sentence, often without its capital or its full stop. */
  typed(sentence) {
    const said = this.spoken(sentence);
    const begun = this.chance(0.75) ? capital(said) : said;
    return /[.?!]$/.test(begun) ? begun : begun + this.pick(['.', '.', '.', '', '', '!']);
  }

  /** A message around bookings and its reply. */
  smallTalk(kinds) {
    const kind = this.pick(kinds);
    const said = this.spoken(this.pick(SMALL_TALK[kind]));
    return [this.chance(0.7) ? said : said.toLowerCase().replace(/[.?!]$/, ''), REPLIES[kind]];
  }

  /** A message beyond the trade and its reply. */
  beyond() {
    const roll = this.values.number(1, 100);
    if (roll <= 16) return [foreign(this.values), REPLIES.language];
    if (roll <= 26) return [nonsense(this.values), REPLIES.nonsense];
    if (roll <= 36) {
      const named = this.chance(0.5) ? this.values.restaurant() : this.values.hotel();
      return [this.factAbout(named), REPLIES.fact];
    }
    const message = roll <= 58 ? nearly(this.values) : this.pick(this.#offPath);
    const written = this.chance(0.5) ? this.typed(message) : this.chance(0.5) ? capital(message) : message;
    return [written, replyTo(message)];
  }

  /** A question that nobody told the seedling the answer to. */
  factAbout(named) {
    return this.spoken(this.pick(FACTS)).replace('{x}', named);
  }
}
