// Owns the watermark of generated text: which of the tokens that may come wins, by a secret key and the bytes just written. Must not know sessions.
// Source: tournament sampling of SynthID-Text (Dathathri et al., Nature 634, 2024), in its non-distorting form with two candidates a match; ours are the
// context of bytes, which survives another cut into tokens, and the keyed last draw, which makes the winner a function of key, context and probabilities.
import { sha256 } from '@noble/hashes/sha2.js';
import { exp } from '../core/elementary.ts';
import { SipState } from '../core/siphash.ts';
import type { TopEntry } from '../kernels/backend.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { checkWatermarkKey } from './watermark-key.ts';

/** Bytes of text before a token that decide, with the key, how its tournament goes. Fewer survive edits better and repeat more often. */
export const CONTEXT_BYTES = 8;
/** Rounds of a tournament, as in the paper. */
const ROUNDS = 30;
/** Stands for no token: its value is the last draw. */
const LAST_DRAW = 0xffffffff;

/** A secret key of a watermark. */
export class WatermarkKey {
  private readonly state: SipState;

  /** @throws OnebitError as `checkWatermarkKey` */
  constructor(key: string) {
    checkWatermarkKey(key);
    this.state = new SipState(sha256(new TextEncoder().encode(`onebit watermark 1\0${key}`)).subarray(0, 16));
  }

  /** The tournament after `context`, the last `CONTEXT_BYTES` bytes. It holds until the next one is asked for. */
  tournament(context: Uint8Array): Tournament {
    this.state.begin(context);
    return new Tournament(this.state);
  }
}

/** The tournament at one place of a text. */
export class Tournament {
  /** In [0, 1); the same for the same key and context, so that it also tells whether a context was there before. */
  readonly lastDraw: number;
  private readonly state: SipState;
  private readonly value = new Uint32Array(2);

  constructor(state: SipState) {
    this.state = state;
    state.finish(LAST_DRAW, this.value);
    this.lastDraw = ((this.value[1] >>> 5) * 67108864 + (this.value[0] >>> 6)) / 9007199254740992;
  }

  /**
   * The index of the token that wins. Over all keys, each wins as often as its probability says.
   * @param tokens ids of those that may come
   * @param probabilities their probabilities, which sum to 1; overwritten
   */
  winner(tokens: ArrayLike<number>, probabilities: Float64Array): number {
    const count = tokens.length;
    if (count === 1) return 0;
    const coins = new Int32Array(count);
    for (let i = 0; i < count; i++) {
      this.state.finish(tokens[i], this.value);
      coins[i] = this.value[0];
    }
    // A token's chance to win a match against another drawn alike: it wins where only its coin shows 1, and half of the draws.
    for (let round = 0; round < ROUNDS; round++) {
      let ones = 0;
      for (let i = 0; i < count; i++) if ((coins[i] >> round) & 1) ones += probabilities[i];
      for (let i = 0; i < count; i++) probabilities[i] *= 1 + ((coins[i] >> round) & 1) - ones;
    }
    let sum = 0;
    for (let i = 0; i < count; i++) sum += probabilities[i];
    let target = this.lastDraw * sum;
    for (let i = 0; i < count; i++) {
      target -= probabilities[i];
      if (target < 0) return i;
    }
    return count - 1;
  }
}

/** Probabilities of `candidates` at a temperature above 0. */
export function probabilitiesOf(candidates: readonly TopEntry[], temperature: number): Float64Array {
  const weights = new Float64Array(candidates.length);
  const { logit: largest } = candidates[0];
  let sum = 0;
  for (let i = 0; i < weights.length; i++) {
    weights[i] = exp((candidates[i].logit - largest) / temperature);
    sum += weights[i];
  }
  for (let i = 0; i < weights.length; i++) weights[i] /= sum;
  return weights;
}

/** Marks the choices of one generation, and follows what was chosen. */
export class Marker {
  private readonly key: WatermarkKey;
  private readonly tokenizer: Tokenizer;
  private readonly context = new ByteContext();
  private readonly seen = new Set<number>();

  constructor(key: WatermarkKey, tokenizer: Tokenizer) {
    this.key = key;
    this.tokenizer = tokenizer;
  }

  /**
   * The marked choice among the tokens that the sampling leaves; undefined where it must be free: while fewer bytes were written than a context has (so
   * that answers to one question differ), and where this answer had the context before (so that none is drawn twice with the same dice).
   */
  choose(kept: readonly TopEntry[], temperature: number): number | undefined {
    if (!this.context.isFull) return undefined;
    const tournament = this.key.tournament(this.context.bytes);
    if (this.seen.has(tournament.lastDraw)) return undefined;
    this.seen.add(tournament.lastDraw);
    if (kept.length === 1) return kept[0].token;
    const tokens = kept.map(({ token }) => token);
    return tokens[tournament.winner(tokens, probabilitiesOf(kept, temperature))];
  }

  /** Notes the token that was chosen. */
  accept(token: number): void {
    if (!this.tokenizer.isSpecial(token)) this.context.push(this.tokenizer.bytesOf(token));
  }
}

/** The last bytes of a text that grows. */
export class ByteContext {
  readonly bytes = new Uint8Array(CONTEXT_BYTES);
  private length = 0;

  get isFull(): boolean {
    return this.length >= CONTEXT_BYTES;
  }

  push(added: Uint8Array): void {
    const kept = added.subarray(Math.max(0, added.length - CONTEXT_BYTES));
    this.bytes.copyWithin(0, kept.length);
    this.bytes.set(kept, CONTEXT_BYTES - kept.length);
    this.length += added.length;
  }
}
