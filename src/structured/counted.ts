// Owns strings that an automaton accepts and that have a number of characters: the characters are counted while the text is followed, so that
// bounds cost no states. Source: lengths of the words of a regular language are periodic in the end (Parikh's theorem for one letter).
import { type Characters, type CharacterTable, type Place, tableOf } from './characters.ts';
import type { Automaton } from './language.ts';
import type { Meter, Work } from './work.ts';

const QUOTE = 0x22;
const CLOSED = -1;

/**
 * The rest of a JSON string after its opening quote: characters that `automaton` accepts, `min` to `max` of them (may be Infinity), and the closing quote.
 * Undefined where there is no such string.
 */
export function* counted(automaton: Automaton, min: number, max: number, meter: Meter): Work<Characters | undefined> {
  const table = yield* tableOf(automaton, meter);
  if (min === 0 && max === Number.POSITIVE_INFINITY) {
    const [first] = table.places;
    return first.ends || first.moves.length > 0 ? new Counted(table, undefined, min, max) : undefined;
  }
  const lengths = yield* lengthsOf(table.places, Math.min(max, Number.MAX_SAFE_INTEGER), meter);
  const language = new Counted(table, lengths, min, max);
  return language.isPossible(0, 0) ? language : undefined;
}

/** By place: with how many more characters the string can end. From `tail` on this repeats every `period` characters. */
interface Lengths {
  /** By number of characters (below tail + period) times places, plus the place. */
  readonly possible: Uint8Array;
  readonly tail: number;
  readonly period: number;
  /** Whether from every place there are ends as far away as one likes. */
  readonly isEndless: boolean;
}

function* lengthsOf(places: readonly Place[], max: number, meter: Meter): Work<Lengths> {
  const before: [number, number][][] = places.map(() => []);
  for (const [from, { moves }] of places.entries())
    for (let i = 0; i < moves.length; i += 4) before[moves[i + 2]].push([from, moves[i + 3]]);
  const sets: Uint8Array[] = [];
  const seen = new Map<string, number>();
  let set = Uint8Array.from(places, ({ ends }) => (ends ? 1 : 0));
  let held = 0;
  for (;;) {
    // Places in the middle of a character, or before one that takes several bytes.
    const work: number[] = [];
    for (const [place, is] of set.entries()) if (is) work.push(place);
    for (let at = work.pop(); at !== undefined; at = work.pop()) {
      for (const [from, completes] of before[at]) {
        if (completes || set[from]) continue;
        set[from] = 1;
        work.push(from);
      }
    }
    const key = set.join('');
    const earlier = seen.get(key);
    if (earlier !== undefined || sets.length > max) {
      const tail = earlier ?? sets.length;
      meter.hold(-held);
      const possible = new Uint8Array(sets.length * places.length);
      for (const [count, one] of sets.entries()) possible.set(one, count * places.length);
      const repeated = sets.slice(tail);
      const isEndless = places.every((_, place) => repeated.some((one) => one[place]));
      return { possible, tail, period: sets.length - tail, isEndless };
    }
    seen.set(key, sets.length);
    sets.push(set);
    meter.hold(3 * places.length);
    held += 3 * places.length;
    if (meter.spend(places.length * 4)) yield;
    const next = new Uint8Array(places.length);
    for (const [place, is] of set.entries()) {
      if (is) for (const [from, completes] of before[place]) if (completes) next[from] = 1;
    }
    set = next;
  }
}

/** A standing is the number of complete characters (no more than matter) times the places, and the place. */
class Counted implements Characters {
  readonly start = 0;
  readonly table: CharacterTable;
  private readonly size: number;
  private readonly lengths: Lengths | undefined;
  private readonly min: number;
  private readonly max: number;

  constructor(table: CharacterTable, lengths: Lengths | undefined, min: number, max: number) {
    this.table = table;
    this.size = table.places.length;
    this.lengths = lengths;
    this.min = min;
    this.max = max;
  }

  step(standing: number, byte: number): number | undefined {
    if (standing === CLOSED) return undefined;
    const place = standing % this.size;
    const count = (standing - place) / this.size;
    const move = this.table.row(place)[byte];
    if (move < 0) {
      // Within an escape the quote is a character.
      return byte === QUOTE && this.table.places[place].ends && this.mayClose(count) ? CLOSED : undefined;
    }
    const next = count + (move & 1);
    if (!this.isPossible(move >> 1, next)) return undefined;
    return (this.max === Number.POSITIVE_INFINITY ? Math.min(next, this.min) : next) * this.size + (move >> 1);
  }

  mayEnd(standing: number): boolean {
    return standing === CLOSED;
  }

  key(standing: number): string {
    return String(standing);
  }

  at(standing: number) {
    if (standing === CLOSED) return undefined;
    const place = standing % this.size;
    return { place, count: (standing - place) / this.size };
  }

  mayClose(count: number): boolean {
    return count >= this.min && count <= this.max;
  }

  room(count: number): number {
    if (!this.lengths) return Number.POSITIVE_INFINITY;
    const { tail, period, isEndless } = this.lengths;
    // With tail + period more characters to choose from, every place finds an end.
    const last = this.max - tail - period;
    if (count < this.min && !(isEndless && last >= this.min)) return -1;
    return last - count;
  }

  most(count: number): number {
    return this.max - count;
  }

  lengthKey(count: number): string {
    return `${Math.max(0, this.min - count)} to ${this.max - count}`;
  }

  isPossible(place: number, count: number): boolean {
    if (!this.lengths) return true;
    const { possible, tail, period } = this.lengths;
    // After tail + period the answers repeat.
    const from = Math.max(0, this.min - count);
    const to = Math.min(this.max - count, from + tail + period);
    for (let more = from; more <= to; more++) {
      const known = more < tail + period ? more : period === 0 ? -1 : tail + ((more - tail) % period);
      if (known >= 0 && possible[known * this.size + place]) return true;
    }
    return false;
  }
}
