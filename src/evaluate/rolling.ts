// Owns the perplexity of a text in windows as lm-evaluation-harness 0.4 takes it (`loglikelihood_rolling`): every token is predicted once, the first after the
// begin token, each window but the first from one token of the one before. Its second begin token, where a tokenizer writes one itself, is not written here.
import { exp } from '../core/elementary.ts';
import type { Estimate } from './choices.ts';

/** How a model reads texts. */
export interface TextReader {
  encode(text: string): readonly number[];
  /** UTF-8 bytes of a token. */
  byteLength(token: number): number;
  /** What stands before a text: the begin token, or the end token. */
  readonly prefix: readonly number[];
  readonly contextTokens: number;
  /** Log-probabilities of `tokens[1..]`, in nats; one token more than the context may be asked for. */
  score(tokens: readonly number[]): Promise<ArrayLike<number>>;
}

export interface TextScore {
  readonly bitsPerByte: number;
  /** 95 %, from the differences between stretches of 64 tokens. */
  readonly interval: Estimate;
  /** By token, by byte, by word (what white space separates). */
  readonly perplexity: number;
  readonly bytePerplexity: number;
  readonly wordPerplexity: number;
  readonly tokens: number;
  readonly bytes: number;
  readonly words: number;
  readonly windowTokens: number;
  readonly strideTokens: number;
}

/** Tokens of a stretch whose difference from others says how sure the number is. */
const STRETCH = 64;

/** Scores one text. @param onProgress told tokens done, of all */
export async function scoreText(
  text: string,
  reader: TextReader,
  onProgress?: (done: number, total: number) => void,
): Promise<TextScore> {
  const tokens = [...reader.prefix, ...reader.encode(text)];
  const window = reader.contextTokens;
  const logprobs: number[] = [];
  // Without a begin or end token nothing is known of the first one.
  for (let done = 1; done < tokens.length; ) {
    const end = Math.min(tokens.length, done + window);
    const part = await reader.score(tokens.slice(Math.max(0, end - window - 1), end));
    for (let i = part.length - (end - done); i < part.length; i++) logprobs.push(part[i]);
    done = end;
    onProgress?.(done, tokens.length);
  }
  const bytes = new TextEncoder().encode(text).length;
  const words = text.split(/\s+/).length;
  const nats = -logprobs.reduce((sum, value) => sum + value, 0);
  const stretches = stretchesOf(logprobs, tokens.slice(1), reader);
  const bitsPerByte = nats / Math.LN2 / Math.max(1, bytes);
  return {
    bitsPerByte,
    interval: intervalOf(bitsPerByte, stretches),
    perplexity: exp(nats / Math.max(1, logprobs.length)),
    bytePerplexity: exp(nats / Math.max(1, bytes)),
    wordPerplexity: exp(nats / Math.max(1, words)),
    ...{ tokens: logprobs.length, bytes, words, windowTokens: window, strideTokens: window },
  };
}

interface Stretch {
  bits: number;
  bytes: number;
}

function stretchesOf(logprobs: readonly number[], tokens: readonly number[], reader: TextReader): Stretch[] {
  const stretches: Stretch[] = [];
  for (const [i, logprob] of logprobs.entries()) {
    if (i % STRETCH === 0) stretches.push({ bits: 0, bytes: 0 });
    const stretch = stretches[stretches.length - 1];
    stretch.bits -= logprob / Math.LN2;
    stretch.bytes += reader.byteLength(tokens[i]);
  }
  return stretches;
}

/** Of a ratio of sums over stretches (the linear approximation of its deviation). */
function intervalOf(ratio: number, stretches: readonly Stretch[]): Estimate {
  const n = stretches.length;
  const meanBytes = stretches.reduce((sum, { bytes }) => sum + bytes, 0) / Math.max(1, n);
  const squares = stretches.reduce((sum, { bits, bytes }) => sum + square(bits - ratio * bytes), 0);
  const stderr = n > 1 && meanBytes > 0 ? Math.sqrt(squares / (n - 1) / n) / meanBytes : 0;
  return { value: ratio, stderr, from: ratio - 1.96 * stderr, to: ratio + 1.96 * stderr };
}

function square(value: number): number {
  return value * value;
}
