// Owns distillation's other side: a loaded model that says what it finds likely at each position of a batch. Must not know the student.

import type { ByteSource } from '../bytes/source.ts';
import { exp } from '../core/elementary.ts';
import type { Backend, Tensor } from '../kernels/backend.ts';
import { logSumExp } from '../kernels/ranking.ts';
import type { Engine } from '../model/engine.ts';
import { openEngine, runSequence } from './engine-run.ts';
import { type TokenizerMetadata, tokenizerMetadataOf } from './start-model.ts';
import type { Batch, TeacherTargets } from './trainer-types.ts';

/** Tokens a position that the student learns from; the rest of the probability is left out and the remainder scaled to 1. */
const CANDIDATES = 32;
/** Of vocabularies no larger the student learns from all tokens. */
const SMALL_VOCABULARY = 2048;

/** A model that teaches. Dispose of its backend when done. */
export class Teacher {
  readonly name: string;
  readonly tokenizer: TokenizerMetadata;
  readonly contextLength: number;
  readonly #engine: Engine;

  readonly #candidates: number;

  private constructor(name: string, tokenizer: TokenizerMetadata, engine: Engine, candidates: number) {
    this.name = name;
    this.tokenizer = tokenizer;
    this.contextLength = engine.config.contextLength;
    this.#engine = engine;
    this.#candidates = candidates;
  }

  /**
   * Loads a teacher for sequences of up to `context` tokens.
   * @param candidates tokens a position that it teaches. Default: all of a small vocabulary, else 32
   * @throws what loading a model throws
   */
  static async open(source: ByteSource, backend: Backend, context: number, candidates?: number): Promise<Teacher> {
    const { gguf, engine } = await openEngine(source, backend, { format: 'f32', tokens: context });
    const { name, vocabulary } = engine.config;
    const usual = vocabulary <= SMALL_VOCABULARY ? vocabulary : CANDIDATES;
    return new Teacher(name, tokenizerMetadataOf(gguf), engine, Math.min(candidates ?? usual, vocabulary));
  }

  /** The batch with what this model predicts at its positions. */
  async teach(batch: Batch, share: number, signal?: AbortSignal): Promise<Batch> {
    const k = this.#candidates;
    const rows = batch.sequences * batch.length;
    const targets: TeacherTargets = {
      k,
      tokens: new Int32Array(rows * k),
      probabilities: new Float32Array(rows * k),
      share,
    };
    const isAll = k === this.#engine.config.vocabulary;
    for (let s = 0; s < batch.sequences; s++) {
      const first = s * batch.length;
      const note = (logits: Tensor, from: number, count: number) =>
        isAll
          ? this.#noteAll(targets, first + from, logits, count, signal)
          : this.#noteTop(targets, first + from, logits, count, signal);
      await runSequence(this.#engine, batch.tokens.subarray(first, first + batch.length), note, signal);
    }
    return { ...batch, teacher: targets };
  }

  async #noteTop(targets: TeacherTargets, row: number, logits: Tensor, count: number, signal?: AbortSignal) {
    const { k } = targets;
    const { backend, config } = this.#engine;
    for (let i = 0; i < count; i++) {
      const { top } = await backend.topK(logits, i * config.vocabulary, config.vocabulary, k, signal);
      const at = (row + i) * k;
      const likelihoods = top.map(({ logit }) => exp(logit - top[0].logit));
      const sum = likelihoods.reduce((a, b) => a + b, 0);
      for (const [j, { token }] of top.entries()) {
        targets.tokens[at + j] = token;
        targets.probabilities[at + j] = likelihoods[j] / sum;
      }
    }
  }

  async #noteAll(targets: TeacherTargets, row: number, logits: Tensor, count: number, signal?: AbortSignal) {
    const { k } = targets;
    const all = await this.#engine.backend.read(logits, 0, count * k, signal);
    for (let i = 0; i < count; i++) {
      const at = (row + i) * k;
      softmax(targets.probabilities.subarray(at, at + k), all.subarray(i * k, (i + 1) * k));
      for (let token = 0; token < k; token++) targets.tokens[at + token] = token;
    }
  }
}

function softmax(out: Float32Array, logits: Float32Array): void {
  const shift = logSumExp(logits);
  for (let i = 0; i < out.length; i++) out[i] = exp(logits[i] - shift);
}
