// Owns looking at a model in training from outside: bits per byte of held-out documents, and samples. Must not know schedules or files.
import { exp } from '../core/elementary.ts';
import { nextTurn } from '../core/event-loop.ts';
import type { Random } from '../core/random.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { MOST_ROWS, measuringBatches } from './batches.ts';
import type { EncodedDocument } from './corpus-tokens.ts';
import type { EvaluateOptions, Trainer } from './trainer-types.ts';

/** A document with the bytes of the tokens that are predicted. */
export type MeasuredDocument = EncodedDocument & { readonly bytes: number };

export interface HeldOutScore {
  readonly bitsPerByte: number;
  readonly natsPerToken: number;
  readonly documents: number;
  readonly bytes: number;
}

/** The leading documents that together have about `bytes` bytes, at least one. */
export function leading(documents: readonly MeasuredDocument[], bytes: number): MeasuredDocument[] {
  let sum = 0;
  return documents.filter((document) => {
    const take = sum < bytes;
    sum += document.bytes;
    return take;
  });
}

/**
 * How well the model predicts documents, each from its own start, in windows as `LanguageModel.score` has them, about `rows` positions at a time: no more
 * than an update has, or measuring would take more memory than learning.
 */
export async function scoreHeldOut(
  trainer: Trainer,
  documents: readonly MeasuredDocument[],
  context: number,
  rows: number,
  options: EvaluateOptions,
): Promise<HeldOutScore> {
  let nats = 0;
  let tokens = 0;
  for (const batch of measuringBatches(documents, context, 0, Math.min(rows, MOST_ROWS))) {
    const { lossSum, weightSum } = await trainer.evaluate(batch, options);
    await nextTurn();
    nats += lossSum;
    tokens += weightSum;
  }
  const bytes = documents.reduce((sum, document) => sum + document.bytes, 0);
  return {
    bitsPerByte: nats / Math.LN2 / bytes,
    natsPerToken: nats / tokens,
    documents: documents.length,
    bytes,
  };
}

const SAMPLE_TEMPERATURE = 0.7;
const SAMPLE_CANDIDATES = 40;

/** Continues `prompt` by up to `count` tokens with the given weights. The random numbers are the caller's, not the run's. */
export async function sampleText(
  trainer: Trainer,
  tokenizer: Tokenizer,
  prompt: Int32Array,
  count: number,
  random: Random,
  weights: EvaluateOptions['weights'],
): Promise<string> {
  const { contextLength, vocabulary } = trainer.shape;
  const tokens = [...prompt.subarray(0, contextLength - 1)];
  const first = tokens.length;
  while (tokens.length < Math.min(first + count, contextLength)) {
    const length = Math.min(contextLength, Math.ceil(tokens.length / 32) * 32);
    const padded = new Int32Array(length);
    padded.set(tokens);
    const logits = await trainer.logits({ sequences: 1, length, tokens: padded }, { weights });
    const row = logits.subarray((tokens.length - 1) * vocabulary, tokens.length * vocabulary);
    const token = choose(row.subarray(0, tokenizer.vocabularySize), random);
    if (tokenizer.endOfGeneration.has(token)) break;
    tokens.push(token);
  }
  return tokenizer.decode(tokens.slice(first));
}

function choose(logits: Float32Array, random: Random): number {
  const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
  const candidates = order.slice(0, SAMPLE_CANDIDATES);
  const weights = candidates.map((token) => exp((logits[token] - logits[order[0]]) / SAMPLE_TEMPERATURE));
  let rest = random.uniform() * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [i, token] of candidates.entries()) {
    rest -= weights[i];
    if (rest <= 0) return token;
  }
  return candidates[0];
}
