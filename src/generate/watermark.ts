// Owns the watermark of generated text: which of the tokens that may come wins, by a secret key and the bytes just written. Must not know sessions.
// Source: the exponential race (Gumbel's) of Aaronson (2022), which distorts nothing, as tournament sampling (SynthID-Text, Nature 634, 2024) does not; ours are
// the contexts of bytes, which survive another cut into tokens, and their two lengths. Which was chosen and why: docs/experiments.md.
import { sha256 } from '@noble/hashes/sha2.js';
import { log } from '../core/elementary.ts';
import { SipState } from '../core/siphash.ts';
import type { TopEntry } from '../kernels/backend.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { checkWatermarkKey } from './watermark-key.ts';

/**
 * Bytes of text before a token that decide, with the key, how its race goes: few, which survive edits; or, where the text had those before, more. A place where
 * both were there before is not marked.
 */
export const CONTEXT_BYTES = [4, 8] as const;
const LONGEST_CONTEXT = CONTEXT_BYTES[1];
/** What a number loses, at most, where its fraction is dropped, and a little for the last bits of logarithms. */
const ROUNDED_DOWN = 1.001;

/** A secret key of a watermark. */
export class WatermarkKey {
  private readonly state: SipState;
  private readonly value = new Uint32Array(2);

  /** @throws OnebitError as `checkWatermarkKey` */
  constructor(key: string) {
    checkWatermarkKey(key);
    this.state = new SipState(sha256(new TextEncoder().encode(`onebit watermark 2\0${key}`)).subarray(0, 16));
  }

  /** The race after `context`, as `Contexts` gives it. */
  race(context: Uint8Array): Race {
    this.state.begin(context);
    this.state.finish(0, this.value);
    return new Race(this.value[0], this.value[1]);
  }
}

/** The race at one place of a text: every token has a draw, which the key and the context alone decide. */
export class Race {
  private readonly low: number;
  private readonly high: number;

  constructor(low: number, high: number) {
    this.low = low;
    this.high = high;
  }

  /** 32 bits for a token. The seed is a keyed hash; mixing the token in needs to be even, not secret. */
  bits(token: number): number {
    return mixed(mixed(token ^ this.low) ^ this.high);
  }

  /** A draw of Gumbel's distribution: added to log-probabilities, the largest sum belongs to each token as often as its probability says. */
  draw(token: number): number {
    return -log(-log((this.bits(token) + 0.5) / 4294967296));
  }

  /**
   * Whether the draw of a token may be above `least`; of those that are not, it says so for few. A draw above x has bits in the last e⁻ˣ of all, so that they begin with
   * x / ln 2 ones: no logarithm is needed to leave most of a long list of candidates out.
   */
  mayExceed(token: number, least: number): boolean {
    return Math.clz32(~this.bits(token)) >= least * Math.LOG2E - ROUNDED_DOWN;
  }

  /** The index of the token that wins. Over all keys, each wins as often as its probability at `temperature` says. */
  winner(candidates: readonly TopEntry[], temperature: number): number {
    let best = Number.NEGATIVE_INFINITY;
    let found = 0;
    for (let i = 0; i < candidates.length; i++) {
      const { token, logit } = candidates[i];
      const scaled = logit / temperature;
      if (!this.mayExceed(token, best - scaled)) continue;
      const value = scaled + this.draw(token);
      if (value > best) {
        best = value;
        found = i;
      }
    }
    return found;
  }
}

/** A permutation of 32 bits in which each bit of what is given turns about half of the others. Constants: Wellons' hash prospector. */
function mixed(value: number): number {
  let x = value ^ (value >>> 16);
  x = Math.imul(x, 0x7feb352d);
  x ^= x >>> 15;
  x = Math.imul(x, 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Marks the choices of one generation, and follows what was chosen. */
export class Marker {
  private readonly key: WatermarkKey;
  private readonly tokenizer: Tokenizer;
  private readonly contexts = new Contexts();

  constructor(key: WatermarkKey, tokenizer: Tokenizer) {
    this.key = key;
    this.tokenizer = tokenizer;
  }

  /**
   * The marked choice among the tokens that the sampling leaves; undefined where it must be free: while fewer bytes were written than a context has (so
   * that answers to one question differ), and where this answer had the contexts before (so that none is drawn twice with the same dice).
   */
  choose(kept: readonly TopEntry[], temperature: number): number | undefined {
    const context = this.contexts.next();
    if (!context) return undefined;
    return kept.length === 1 ? kept[0].token : kept[this.key.race(context).winner(kept, temperature)].token;
  }

  /** Notes the token that was chosen. */
  accept(token: number): void {
    if (!this.tokenizer.isSpecial(token)) this.contexts.push(this.tokenizer.bytesOf(token));
  }
}

/** The contexts of the places of a text that grows. */
export class Contexts {
  /** The last bytes: the first four of them, and the four after. */
  private early = 0;
  private late = 0;
  /** The context that is given: its length, then its bytes. */
  private readonly given = new Uint8Array(16);
  private readonly seen = new Set<number>();
  private length = 0;

  push(added: Uint8Array): void {
    for (let i = Math.max(0, added.length - LONGEST_CONTEXT); i < added.length; i++) {
      this.early = (this.early << 8) | (this.late >>> 24);
      this.late = (this.late << 8) | added[i];
    }
    this.length += added.length;
  }

  /** The shortest context here that was not there before, until the next call; undefined where there is none. To be called once a place. */
  next(): Uint8Array | undefined {
    let found: number | undefined;
    for (const length of CONTEXT_BYTES) {
      if (this.length < length) break;
      // Numbers with a fraction for the longer ones. That long ones may share a number costs a place, nothing else.
      const name = length === 4 ? this.late : 0.5 + (this.late >>> 0) + this.early * 4294967296;
      if (this.seen.has(name)) continue;
      this.seen.add(name);
      found ??= length;
    }
    if (found === undefined) return undefined;
    const { given, early, late } = this;
    given[0] = found;
    for (let i = 0; i < 4; i++) {
      given[8 + i] = found === LONGEST_CONTEXT ? early >>> (24 - 8 * i) : 0;
      given[12 + i] = late >>> (24 - 8 * i);
    }
    return given;
  }
}
