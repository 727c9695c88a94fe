// Owns arrays of strings none of which comes twice: what was written is remembered while the text is followed.
import type { Characters } from './characters.ts';
import type { Followed } from './language.ts';

/** Where an array stands. The order is that of the text. */
const Phase = {
  Start: 0,
  Open: 1,
  OpenSpace: 2,
  Inside: 3,
  AfterString: 4,
  BeforeClose: 5,
  AfterComma: 6,
  BeforeString: 7,
  Closed: 8,
} as const;
type Phase = (typeof Phase)[keyof typeof Phase];

interface Standing {
  readonly phase: Phase;
  /** Strings so far. */
  readonly seen: readonly string[];
  /** Where the string stands, and its bytes so far (one a character). */
  readonly inner: number;
  readonly text: string;
  /** Whether no string may be written: for the rest of a token that has closed one. */
  readonly isSealed: boolean;
  /** The whole text so far: names the standing. */
  readonly path: string;
}

const [BRACKET, CLOSE, SPACE, COMMA, QUOTE] = [0x5b, 0x5d, 0x20, 0x2c, 0x22];

/**
 * From `least` to `most` different strings, each of `language`, which must be such that to every string that is written up to some place there are
 * more than `most` ways to go on: see `areEndless`.
 */
export class UniqueStrings implements Followed {
  readonly start: Standing = { phase: Phase.Start, seen: [], inner: 0, text: '', isSealed: false, path: '' };
  private readonly language: Characters;
  private readonly least: number;
  private readonly most: number;

  constructor(language: Characters, least: number, most: number) {
    this.language = language;
    this.least = least;
    this.most = most;
  }

  step(at: Standing, byte: number): Standing | undefined {
    const to = (phase: Phase, change: Partial<Standing> = {}): Standing => ({
      ...at,
      ...change,
      phase,
      path: at.path + String.fromCharCode(byte),
    });
    const { phase, seen } = at;
    if (phase === Phase.Inside) return this.inside(at, byte, to);
    if (phase === Phase.Start) return byte === BRACKET ? to(Phase.Open) : undefined;
    const begins = phase === Phase.Open || phase === Phase.OpenSpace;
    if (begins || phase === Phase.AfterComma || phase === Phase.BeforeString) {
      if (byte === QUOTE && seen.length < this.most) return to(Phase.Inside, { inner: 0, text: '' });
      if (byte === SPACE && phase === Phase.Open) return to(Phase.OpenSpace);
      if (byte === SPACE && phase === Phase.AfterComma) return to(Phase.BeforeString);
      return byte === CLOSE && begins && this.least === 0 ? to(Phase.Closed) : undefined;
    }
    if (phase !== Phase.AfterString && phase !== Phase.BeforeClose) return undefined;
    if (byte === CLOSE) return seen.length >= this.least ? to(Phase.Closed) : undefined;
    if (phase === Phase.BeforeClose) return undefined;
    if (byte === SPACE) return seen.length >= this.least ? to(Phase.BeforeClose) : undefined;
    return byte === COMMA && seen.length < this.most ? to(Phase.AfterComma) : undefined;
  }

  mayEnd({ phase }: Standing): boolean {
    return phase === Phase.Closed;
  }

  key({ path, isSealed }: Standing): string {
    return isSealed ? `-${path}` : path;
  }

  /**
   * Where the string stands that is being written; undefined outside of strings. `after` is the standing after any closing quote, for tokens that go on
   * up to the next string; `taken` are the bytes of those strings that were written before and begin like this one.
   */
  stringAt(at: Standing) {
    const place = at.phase === Phase.Inside ? this.language.at(at.inner) : undefined;
    if (!place) return undefined;
    const taken = at.seen.map(bytesOf).filter((bytes) => bytes.startsWith(at.text));
    const after: Standing = {
      ...at,
      phase: Phase.AfterString,
      seen: [...at.seen, ''],
      isSealed: true,
      path: `${at.path}"`,
    };
    return { language: this.language, ...place, after, taken: taken.map((bytes) => bytes.slice(at.text.length)) };
  }

  private inside(at: Standing, byte: number, to: (phase: Phase, change: Partial<Standing>) => Standing) {
    if (at.isSealed) return undefined;
    const inner = this.language.step(at.inner, byte) as number | undefined;
    if (inner === undefined) return undefined;
    const place = this.language.at(inner);
    if (!place) {
      const value = decoded(at.text);
      return at.seen.includes(value) ? undefined : to(Phase.AfterString, { seen: [...at.seen, value], text: '' });
    }
    const text = at.text + String.fromCharCode(byte);
    // A string that can only be closed must not be there yet.
    const isWhole =
      this.language.table.places[place.place].isBoundary && !this.language.isPossible(place.place, place.count + 1);
    if (isWhole && at.seen.includes(decoded(text))) return undefined;
    return to(Phase.Inside, { inner, text });
  }
}

/** For strings of any characters: those with one spelling only. */
export const ONE_SPELLING = '^[^\\u0000-\\u0007\\u000b\\u000e-\\u001f]*$';

/** Whether there are always more strings than are written: of any characters, or of a pattern without bounds that can go on for ever from everywhere. */
export function areEndless(language: Characters, isAny: boolean): boolean {
  if (isAny) return language.isPossible(0, 1);
  // Far from any lower bound there must be no upper one.
  return (
    language.room(2 ** 31) === Number.POSITIVE_INFINITY &&
    language.table.places.every(({ moves, ends }, place) => moves.length > 0 || !(ends || place === 0))
  );
}

function decoded(bytes: string): string {
  const text = new TextDecoder().decode(Uint8Array.from(bytes, (unit) => unit.charCodeAt(0)));
  return JSON.parse(`"${text}"`) as string;
}

function bytesOf(value: string): string {
  return String.fromCharCode(...new TextEncoder().encode(JSON.stringify(value).slice(1, -1)));
}
