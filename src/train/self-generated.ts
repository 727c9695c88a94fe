// Owns texts that a model writes by itself, many at a time, drawn from all it finds likely: what a student of it can learn from where there is no other text.
// Must not know who learns.
import { exp } from '../core/elementary.ts';
import { Random } from '../core/random.ts';
import { OnebitError } from '../errors.ts';
import type { Engine } from '../model/engine.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';

export interface SelfGenerated {
  /** Texts to write. */
  readonly count: number;
  /** Most tokens of each; it ends sooner where the model ends it. */
  readonly tokens: number;
  /** The same seed, the same texts, however many are written at a time. */
  readonly seed: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

interface Writer {
  readonly index: number;
  readonly random: Random;
  readonly sequence: ReturnType<Engine['newSequence']>;
  readonly tokens: number[];
}

/**
 * Texts from nothing but the beginning of a text, each token drawn with the model's own probabilities. Empty ones are left out.
 * @param lanes texts written at a time; the engine has room for so many
 * @throws OnebitError `unsupported` for a model without a token that begins a text
 */
export async function selfGenerated(
  engine: Engine,
  tokenizer: Tokenizer,
  lanes: number,
  { count, tokens: most, seed, signal, onProgress }: SelfGenerated,
): Promise<string[]> {
  const begin = tokenizer.bos ?? tokenizer.eos;
  if (begin === undefined) {
    throw new OnebitError(
      'unsupported',
      'self-generated: the model must have a token that begins texts, it has none. Give texts instead.',
    );
  }
  const ends = new Set([...tokenizer.endOfGeneration, begin]);
  const texts: string[] = Array(count).fill('');
  const writers: Writer[] = [];
  let [next, done] = [0, 0];
  try {
    while (done < count) {
      while (writers.length < lanes && next < count) {
        const random = new Random(seed + 1e-6 * (next + 1));
        writers.push({ index: next++, random, sequence: engine.newSequence(), tokens: [] });
      }
      const chosen = await stepAll(engine, writers, begin, tokenizer.vocabularySize, signal);
      for (const [i, writer] of [...writers.entries()].reverse()) {
        const ended = ends.has(chosen[i]);
        if (!ended) writer.tokens.push(chosen[i]);
        if (!ended && writer.tokens.length < most) continue;
        texts[writer.index] = tokenizer.decode(writer.tokens).trim();
        writer.sequence.dispose();
        writers.splice(i, 1);
        done++;
        onProgress?.(done, count);
      }
    }
  } finally {
    for (const { sequence } of writers) sequence.dispose();
  }
  return texts.filter((text) => text !== '');
}

/** The next token of each text. */
function stepAll(
  engine: Engine,
  writers: readonly Writer[],
  begin: number,
  vocabulary: number,
  signal?: AbortSignal,
): Promise<number[]> {
  const rowLength = engine.config.vocabulary;
  const parts = writers.map(({ sequence, tokens }) => ({ sequence, tokens: [tokens.at(-1) ?? begin], outputs: [0] }));
  return engine.step(
    parts,
    async (logits) => {
      const all = await engine.backend.read(logits, 0, writers.length * rowLength, signal);
      return writers.map(({ random }, i) => draw(all.subarray(i * rowLength, i * rowLength + vocabulary), random));
    },
    signal,
  );
}

/** A token with the probability that the logits give it. */
function draw(logits: Float32Array, random: Random): number {
  const largest = logits.reduce((most, logit) => Math.max(most, logit), Number.NEGATIVE_INFINITY);
  const weights = logits.map((logit) => exp(logit - largest));
  let rest = random.uniform() * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [token, weight] of weights.entries()) {
    rest -= weight;
    if (rest < 0) return token;
  }
  return weights.length - 1;
}
