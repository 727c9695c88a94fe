// Owns reading a text as the model that wrote it may have written it: after which beginning, with which control tokens, cut into which tokens. The text has
// lost all three; they are guessed from how likely the model finds it. Must not know keys.
import { log } from '../core/elementary.ts';
import type { Session } from '../generate/session.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { CANDIDATES, type Candidates, guessSampling, type Place } from './watermark.ts';

/** What to read a text with. */
export interface Reader {
  readonly tokenizer: Tokenizer;
  /** A session of the reader's own, which is disposed of. */
  session(): Session;
  /** Tokens that may have stood before the text; the likeliest is taken. */
  readonly beginnings: readonly ArrayLike<number>[];
}

/** A token that is read: one of the text, or one that stood there but is no text. */
interface ReadToken {
  readonly id: number;
  readonly isText: boolean;
}

/** Of the first token nothing is known. */
const NOTHING: Candidates = { tokens: new Int32Array(0), logprobs: new Float64Array(0) };

/** Readings of one beginning, at most: a turn's end and the next one's beginning are found one after the other. */
const MOST_PASSES = 8;
/** Readings in a row that were no likelier than an earlier one, at most: half of a mend can be worse than none. */
const MOST_IN_VAIN = 1;
/** Log-probability from which the model is sure of something else than what is there. */
const SURE = log(0.5);
/** Log-probability below which what is there is not believed. */
const UNLIKELY = log(0.05);

/** Nats below the likeliest from which candidates are left out: at any usual temperature their chance is nothing. */
const RANGE = 12;

/** The places of a text, in the likeliest reading. */
export async function placesOf(text: string, reader: Reader, signal?: AbortSignal): Promise<Place[]> {
  const { tokenizer } = reader;
  const ids = [...tokenizer.encode(text)];
  if (ids.length === 0) return [];
  const pieces = new TokenBytes(tokenizer);
  // A vocabulary may put a space before the text.
  const offset = new TextEncoder().encode(text).length - ids.reduce((sum, id) => sum + pieces.of(id).length, 0);
  let best: Place[] = [];
  let likeliest = Number.NEGATIVE_INFINITY;
  const session = reader.session();
  try {
    for (const beginning of reader.beginnings) {
      let reading: ReadToken[] = Array.from(beginning, (id) => ({ id, isText: false }));
      for (const id of ids) reading.push({ id, isText: true });
      let own = Number.NEGATIVE_INFINITY;
      let inVain = 0;
      let tops = [NOTHING];
      for (let pass = 0; pass < MOST_PASSES; pass++) {
        tops = await topsOf(reading, tops, session, signal);
        const places = placesIn(reading, tops, offset, pieces);
        const { logLikelihood } = guessSampling(places);
        if (logLikelihood > likeliest) {
          likeliest = logLikelihood;
          best = places;
        }
        inVain = logLikelihood > own ? 0 : inVain + 1;
        own = Math.max(own, logLikelihood);
        if (inVain > MOST_IN_VAIN) break;
        const mended = reading.flatMap((token, i) => mend(token, reading[i - 1], tops[i], pieces));
        if (mended.length === reading.length) break;
        // What is expected in a place follows from what is before it.
        const changed = mended.findIndex((token, i) => token !== reading[i]);
        tops = tops.slice(0, changed + 1);
        reading = mended;
      }
    }
  } finally {
    session.dispose();
  }
  return best;
}

/**
 * What the model expects in the place of each token; nothing is known of the first. Windows of long texts overlap by half.
 * @param known those of the first places
 */
async function topsOf(
  tokens: readonly ReadToken[],
  known: readonly Candidates[],
  session: Session,
  signal?: AbortSignal,
): Promise<Candidates[]> {
  const tops = [...known];
  const ids = tokens.map(({ id }) => id);
  for (let from = 0; tops.length < ids.length; from += session.contextTokens >> 1) {
    const window = ids.slice(from, from + session.contextTokens);
    if (tops.length >= from + window.length) continue;
    for (const { top = [] } of await session.rank(window, CANDIDATES, signal, tops.length - from - 1)) {
      const near = top.filter(({ logprob }) => logprob > top[0].logprob - RANGE);
      tops.push({
        tokens: Int32Array.from(near, ({ token }) => token),
        logprobs: Float64Array.from(near, ({ logprob }) => logprob),
      });
    }
  }
  return tops;
}

function placesIn(
  tokens: readonly ReadToken[],
  tops: readonly Candidates[],
  start: number,
  pieces: TokenBytes,
): Place[] {
  const places: Place[] = [];
  let offset = start;
  for (const [i, { id, isText }] of tokens.entries()) {
    if (!isText) continue;
    places.push({ token: id, top: tops[i], offset });
    offset += pieces.of(id).length;
  }
  return places;
}

/** What probably stood in the place of `token`: a lost control token before it, or it cut in two where the model expects its beginning alone. */
function mend(token: ReadToken, before: ReadToken | undefined, top: Candidates, pieces: TokenBytes): ReadToken[] {
  if (!token.isText || top.tokens.length === 0) return [token];
  const likeliest = top.tokens[0];
  if (likeliest === token.id || top.logprobs[0] < SURE) return [token];
  if (pieces.tokenizer.isSpecial(likeliest)) {
    return before?.id === likeliest ? [token] : [{ id: likeliest, isText: false }, token];
  }
  const isBelieved = top.logprobs[top.tokens.indexOf(token.id)] > UNLIKELY; // not where it is no candidate
  const rest = isBelieved ? undefined : pieces.without(token.id, likeliest);
  return rest ? [likeliest, ...rest].map((id) => ({ id, isText: true })) : [token];
}

/** The bytes of tokens, and tokens by their bytes. */
class TokenBytes {
  readonly tokenizer: Tokenizer;
  private ids: Map<string, number> | undefined;
  private longest = 0;

  constructor(tokenizer: Tokenizer) {
    this.tokenizer = tokenizer;
  }

  /** Nothing for control tokens, which are no text. */
  of(token: number): Uint8Array {
    return this.tokenizer.isSpecial(token) ? new Uint8Array(0) : this.tokenizer.bytesOf(token);
  }

  /** Tokens for what is left of `token` after `beginning`; undefined where it does not begin so, or is no longer. */
  without(token: number, beginning: number): number[] | undefined {
    const whole = this.of(token);
    const first = this.of(beginning);
    if (first.length >= whole.length || first.length === 0 || first.some((byte, i) => byte !== whole[i]))
      return undefined;
    const tokens: number[] = [];
    for (let at = first.length; at < whole.length; ) {
      const found = this.longestAt(whole, at);
      if (!found) return undefined;
      tokens.push(found.id);
      at += found.length;
    }
    return tokens;
  }

  private longestAt(bytes: Uint8Array, at: number): { id: number; length: number } | undefined {
    this.ids ??= this.index();
    for (let length = Math.min(this.longest, bytes.length - at); length > 0; length--) {
      const id = this.ids.get(bytes.subarray(at, at + length).join());
      if (id !== undefined) return { id, length };
    }
    return undefined;
  }

  private index(): Map<string, number> {
    const ids = new Map<string, number>();
    for (let id = this.tokenizer.vocabularySize - 1; id >= 0; id--) {
      const bytes = this.of(id);
      if (bytes.length === 0) continue;
      this.longest = Math.max(this.longest, bytes.length);
      ids.set(bytes.join(), id);
    }
    return ids;
  }
}
