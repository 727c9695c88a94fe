// Owns strings that an automaton accepts and that have a number of characters: the characters are counted while the text is followed, so that
// bounds cost no states. Source: lengths of the words of a regular language are periodic in the end (Parikh's theorem for one letter).
import { overlay } from './automaton.ts';
import { jsonCharacters } from './json-character.ts';
import type { Automaton, Followed } from './language.ts';
import type { Meter, Work } from './work.ts';

const QUOTE = 0x22;
const CLOSED = -1;
/** More characters than the longest token has. */
const TOKEN_CHARACTERS = 256;

/** A state of the automaton and how far a character is. */
interface Place {
  /** In quadruples: from byte, to byte, next place, and 1 where the byte completes a character. */
  readonly moves: number[];
  /** Whether the string may end here, but for its length. */
  readonly ends: boolean;
  readonly isBoundary: boolean;
}

/**
 * The rest of a JSON string after its opening quote: characters that `automaton` accepts, `min` to `max` of them (may be Infinity), and the closing quote.
 * Undefined where there is no such string.
 */
export function* counted(automaton: Automaton, min: number, max: number, meter: Meter): Work<Followed | undefined> {
  const places = yield* placesOf(automaton, meter);
  const lengths = yield* lengthsOf(places, Math.min(max, Number.MAX_SAFE_INTEGER), meter);
  const language = new Counted(places, lengths, min, max);
  return language.isPossible(0, 0) ? language : undefined;
}

function* placesOf({ edges, accepts }: Automaton, meter: Meter): Work<Place[]> {
  const places: Place[] = [];
  const numbers = new Map<number, number>();
  const found: [number, number][] = [];
  const placeOf = (state: number, inCharacter: number) => {
    const name = state * jsonCharacters.states + inCharacter;
    let number = numbers.get(name);
    if (number === undefined) {
      number = found.length;
      numbers.set(name, number);
      found.push([state, inCharacter]);
    }
    return number;
  };
  placeOf(0, 0);
  for (let at = 0; at < found.length; at++) {
    const [state, inCharacter] = found[at];
    const both = overlay(edges[state], jsonCharacters.edges[inCharacter]);
    if (meter.spend(both.length)) yield;
    const moves: number[] = [];
    for (let i = 0; i < both.length; i += 4) {
      if (both[i + 3] < 0) continue;
      moves.push(both[i], both[i + 1], placeOf(both[i + 2], both[i + 3]), both[i + 3] === 0 ? 1 : 0);
    }
    places.push({ moves, ends: inCharacter === 0 && accepts[state], isBoundary: inCharacter === 0 });
  }
  return places;
}

/** By place: with how many more characters the string can end. From `tail` on this repeats every `period` characters. */
interface Lengths {
  /** By number of characters (below tail + period) times places, plus the place. */
  readonly possible: Uint8Array;
  readonly tail: number;
  readonly period: number;
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
      return { possible, tail, period: sets.length - tail };
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

/** A standing is the number of complete characters times the places, and the place. */
class Counted implements Followed {
  readonly start = 0;
  private readonly places: readonly Place[];
  private readonly lengths: Lengths;
  private readonly min: number;
  private readonly max: number;

  constructor(places: readonly Place[], lengths: Lengths, min: number, max: number) {
    this.places = places;
    this.lengths = lengths;
    this.min = min;
    this.max = max;
  }

  step(standing: number, byte: number): number | undefined {
    if (standing === CLOSED) return undefined;
    const place = standing % this.places.length;
    const count = (standing - place) / this.places.length;
    const { moves, ends } = this.places[place];
    if (byte === QUOTE && ends) return count >= this.min && count <= this.max ? CLOSED : undefined;
    for (let i = 0; i < moves.length; i += 4) {
      if (byte < moves[i] || byte > moves[i + 1]) continue;
      const next = count + moves[i + 3];
      if (!this.isPossible(moves[i + 2], next)) return undefined;
      const kept = this.max === Number.POSITIVE_INFINITY ? Math.min(next, this.min) : next;
      return kept * this.places.length + moves[i + 2];
    }
    return undefined;
  }

  mayEnd(standing: number): boolean {
    return standing === CLOSED;
  }

  key(standing: number): string {
    return String(standing);
  }

  /** Where the bounds are out of reach of a token, only the place matters. */
  maskKey(standing: number): string {
    const place = standing % this.places.length;
    const count = (standing - place) / this.places.length;
    const { tail, period } = this.lengths;
    const isFar = standing !== CLOSED && count >= this.min && this.max - count > tail + period + TOKEN_CHARACTERS;
    return isFar ? `far${place}` : String(standing);
  }

  /** Whether the string can end from `place` with the right number of characters. */
  isPossible(place: number, count: number): boolean {
    const { possible, tail, period } = this.lengths;
    const most = this.max - count;
    // After so many the answers repeat.
    const from = Math.max(0, this.min - count);
    const to = Math.min(most, from + tail + period);
    for (let more = from; more <= to; more++) {
      const known = more < tail + period ? more : period === 0 ? -1 : tail + ((more - tail) % period);
      if (known >= 0 && possible[known * this.places.length + place]) return true;
    }
    return false;
  }
}
