// Owns distillation's other side: a loaded model that says what it finds likely at each position of a batch. Must not know the student.

import type { ByteSource } from '../bytes/source.ts';
import { exp } from '../core/elementary.ts';
import type { Backend, Tensor } from '../kernels/backend.ts';
import type { Engine } from '../model/engine.ts';
import { openEngine, runSequence } from './engine-run.ts';
import { type TokenizerMetadata, tokenizerMetadataOf } from './start-model.ts';
import type { Batch, TeacherTargets } from './trainer-types.ts';

/** Tokens a position that the student learns from; the rest of the probability is left out and the remainder scaled to 1. */
const CANDIDATES = 32;

/** A model that teaches. Dispose of its backend when done. */
export class Teacher {
  readonly name: string;
  readonly tokenizer: TokenizerMetadata;
  readonly contextLength: number;
  readonly #engine: Engine;

  private constructor(name: string, tokenizer: TokenizerMetadata, engine: Engine) {
    this.name = name;
    this.tokenizer = tokenizer;
    this.contextLength = engine.config.contextLength;
    this.#engine = engine;
  }

  /** Loads a teacher for sequences of up to `context` tokens. @throws what loading a model throws */
  static async open(source: ByteSource, backend: Backend, context: number): Promise<Teacher> {
    const { gguf, engine } = await openEngine(source, backend, { format: 'f32', tokens: context });
    return new Teacher(engine.config.name, tokenizerMetadataOf(gguf), engine);
  }

  /** The batch with what this model predicts at its positions. */
  async teach(batch: Batch, share: number, signal?: AbortSignal): Promise<Batch> {
    const k = Math.min(CANDIDATES, this.#engine.config.vocabulary);
    const rows = batch.sequences * batch.length;
    const targets: TeacherTargets = {
      k,
      tokens: new Int32Array(rows * k),
      probabilities: new Float32Array(rows * k),
      share,
    };
    for (let s = 0; s < batch.sequences; s++) await this.#sequence(batch, s * batch.length, targets, signal);
    return { ...batch, teacher: targets };
  }

  async #sequence(batch: Batch, first: number, targets: TeacherTargets, signal?: AbortSignal): Promise<void> {
    const { k } = targets;
    const { backend, config } = this.#engine;
    const note = async (logits: Tensor, from: number, count: number) => {
      for (let i = 0; i < count; i++) {
        const { top } = await backend.topK(logits, i * config.vocabulary, config.vocabulary, k, signal);
        const at = (first + from + i) * k;
        const likelihoods = top.map(({ logit }) => exp(logit - top[0].logit));
        const sum = likelihoods.reduce((a, b) => a + b, 0);
        for (const [j, { token }] of top.entries()) {
          targets.tokens[at + j] = token;
          targets.probabilities[at + j] = likelihoods[j] / sum;
        }
      }
    };
    await runSequence(this.#engine, batch.tokens.subarray(first, first + batch.length), note, signal);
  }
}
