// Owns JSON strings of a number of characters, in any spelling, followed by counting.
import { anyCharacters, type Characters } from './characters.ts';
import { jsonCharacters } from './json-character.ts';

const QUOTE = 0x22;
/** The standing after the closing quote. */
const CLOSED = -1;

/**
 * The rest of a JSON string after its opening quote: `min` to `max` characters (may be Infinity) and the closing quote. A standing is the number of
 * characters that are complete (no more than matter) times the states of a character, and the state.
 */
export class JsonString implements Characters {
  readonly start = 0;
  readonly table = anyCharacters;
  private readonly min: number;
  private readonly max: number;

  constructor(min: number, max: number) {
    this.min = min;
    this.max = max;
  }

  step(standing: number, byte: number): number | undefined {
    if (standing === CLOSED) return undefined;
    const { states, next } = jsonCharacters;
    const state = standing % states;
    const count = (standing - state) / states;
    if (state === 0 && byte === QUOTE) return this.mayClose(count) ? CLOSED : undefined;
    const to = next[state * 256 + byte];
    if (to < 0 || (state === 0 && count >= this.max)) return undefined;
    if (to > 0) return count * states + to;
    return (this.max === Number.POSITIVE_INFINITY ? Math.min(count + 1, this.min) : count + 1) * states;
  }

  mayEnd(standing: number): boolean {
    return standing === CLOSED;
  }

  key(standing: number): string {
    return String(standing);
  }

  at(standing: number) {
    if (standing === CLOSED) return undefined;
    const place = standing % jsonCharacters.states;
    return { place, count: (standing - place) / jsonCharacters.states };
  }

  mayClose(count: number): boolean {
    return count >= this.min && count <= this.max;
  }

  room(count: number): number {
    return this.max - count - 1;
  }

  most(count: number): number {
    return this.max - count;
  }

  lengthKey(count: number): string {
    return `to ${this.max - count}`;
  }

  /** A character that is only begun needs room as well. */
  isPossible(place: number, count: number): boolean {
    return count + (place === 0 ? 0 : 1) <= this.max;
  }
}
